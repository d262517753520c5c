"""People leave while a batch is on its way: from the next window on, nothing more goes to them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access import SYSTEM
from audiences import consent, erasure, suppression
from audiences.models import Profile
from campaigns.delivery import clock, fanout, lanes, send
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger, reasons
from channels.messages import Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.sandbox import Sandbox, SandboxLane
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_leaves_during_a_batch_gets_nothing_from_the_next_window_on(settings, tmp_path) -> None:
    settings.VAR = tmp_path
    where = builders.workspace()
    people = builders.profiles(where, 200)
    builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get()
    fanout.expand(run.pk, now=timezone.now())
    batch = Batch.objects.get()

    def leave() -> None:
        consent.withdraw(profile_id=people[145].pk, channel="email", source="link", now=timezone.now())
        suppression.suppress(
            workspace_id=where.pk,
            channel="email",
            address=people[146].email,
            reason="complaint",
            now=timezone.now(),
        )
        erasure.erase(people[147], actor=SYSTEM, now=timezone.now())

    _deliver_with(batch.pk, at_first_message=leave)

    run.refresh_from_db()
    assert (ledger(run).accepted, ledger(run).excluded, ledger(run).balances) == (197, 3, True)
    assert {code for code, _label, _people in reasons(run, "excluded")} == {"050101", "050102", "050020"}
    assert not Profile.objects.filter(pk=people[147].pk).exists()
    assert people[147].email not in (tmp_path / "sandbox.log").read_text()
    assert not Attempt.objects.filter(outcome="uncertain").exists()


def _deliver_with(batch_id: int, *, at_first_message: Any) -> None:
    """Delivers over a provider that lets something happen while its first message is under way."""

    class Slow(SandboxLane):
        happened = False
        is_over = threading.Event()

        async def send(self, message: Rendered) -> Outcome:
            if not Slow.happened:
                Slow.happened = True
                await asyncio.to_thread(_in_a_connection_of_its_own, at_first_message)
                Slow.is_over.set()
            await asyncio.to_thread(Slow.is_over.wait)
            return await super().send(message)

    class SlowSandbox(Sandbox):
        def open(self, configuration: ChannelConfiguration) -> SandboxLane:
            return Slow(super().open(configuration).log.parent)

    patched = SlowSandbox()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes.registry, "get", lambda key: patched)
        assert send.deliver(batch_id)
    assert Slow.happened


def _in_a_connection_of_its_own(act: Any) -> None:
    try:
        act()
    finally:
        connection.close()
