"""Two say something about one person at once, over two connections with real commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.access import SYSTEM
from audiences import confirmations, consent, erasure, subscription
from audiences.consent import Said, Verdict
from audiences.models import Confirmation, Consent, ConsentEntry, Profile, Topic
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ana() -> Iterator[Profile]:
    where = builders.workspace()
    yield Profile.objects.create(workspace=where, email="ana@example.com")


def beside(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Starts it in a connection of its own; the list will hold what it returned."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_an_import_that_waits_for_a_withdrawal_does_not_override_it(ana: Profile) -> None:
    said = [Said(ana.pk, "email", "yes", "file")]
    with transaction.atomic():
        consent.withdraw(profile_id=ana.pk, channel="email", source="link", now=timezone.now())
        thread, found = beside(lambda: consent.say_all(ana.workspace, said, actor=SYSTEM, now=timezone.now()))
        time.sleep(0.3)
        assert not found  # it waits for the row
    thread.join(10)
    assert found[0] != [Verdict.WRITTEN]
    assert (Consent.objects.get().state, ConsentEntry.objects.count()) == ("no", 1)


def test_a_link_pressed_twice_at_once_withdraws_once(ana: Profile) -> None:
    def leave() -> bool:
        return consent.withdraw(profile_id=ana.pk, channel="email", source="link", now=timezone.now())

    running = [beside(leave) for _time in range(4)]
    for thread, _found in running:
        thread.join(10)
    assert sorted(found[0] for _thread, found in running) == [False, False, False, True]
    assert ConsentEntry.objects.count() == 1


def test_two_sweeps_at_once_send_one_mail(ana: Profile, settings, tmp_path) -> None:
    settings.VAR = tmp_path
    builders.configuration(ana.workspace)
    topic = Topic.objects.create(workspace=ana.workspace, key="news", name="News")
    now = timezone.now()
    for number in range(5):
        address = f"p{number}@example.com"
        subscription.ask(topic, address=address, wording="News", language="en", now=now)
    running = [beside(lambda: confirmations.send_due(now)) for _time in range(2)]
    for thread, _found in running:
        thread.join(30)
    assert sum(found[0] for _thread, found in running) == 5
    assert len((tmp_path / "sandbox.log").read_text().splitlines()) == 5
    assert not Confirmation.objects.filter(due_at__isnull=False).exists()


def test_two_who_erase_at_once_erase_once(ana: Profile) -> None:
    def erase() -> str:
        try:
            erasure.erase(ana, actor=SYSTEM, now=timezone.now())
        except Exception as error:
            return type(error).__name__
        return "erased"

    running = [beside(erase) for _time in range(2)]
    for thread, _found in running:
        thread.join(10)
    assert sorted(found[0] for _thread, found in running) == ["NotFound", "erased"]
