"""A worker killed while it reads a mailbox: every bounce counts once, none is lost."""

from __future__ import annotations

import signal
import ssl
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Event
from campaigns.tracking import receipts
from channels import imap
from channels.models import BounceMailbox, ReceivedReceipt
from tests.channels.test_bounces import report
from tests.fakes.certificates import make_certificate
from tests.fakes.imap import FakeImap
from tests.fakes.relay import FakeRelay
from tests.faults.test_imports import process
from tests.flows.test_bounce_mailbox import delivered, read, set_up

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
DOOMED = """
import ssl, sys
import django
django.setup()
from django.conf import settings
from django.utils import timezone
from campaigns.tracking import mailboxes
from channels import imap
settings.FAILPOINT, settings.OUTBOUND_ALLOWED_NETWORKS = sys.argv[1], ["127.0.0.1/32"]
trusting = ssl.create_default_context(cafile=sys.argv[2])
imap.tls_context = lambda: trusting
mailboxes.read_due(timezone.now)
"""


@pytest.mark.parametrize("place", ["mail fetched:2", "mail taken:2"])
def test_a_worker_killed_between_two_mails_is_followed_by_another_that_misses_and_doubles_none(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, place: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    certificate = make_certificate(tmp_path / "imap.pem", "localhost")
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(imap, "tls_context", lambda: trusting)
    with FakeImap(certificate) as mailbox, FakeRelay() as relay:
        configuration, _answer = set_up(client, relay.port, mailbox)
        back = delivered(configuration, relay, 3)
        for number, where in enumerate(sorted(back.values())):
            whole = report("5.7.1", "failed", "550 5.7.1 Blocked", to=where)
            mailbox.put(whole.replace(b"<r1@", b"<r%d@" % number))
        BounceMailbox.objects.update(due_at=timezone.now())
        assert process(DOOMED, place, str(certificate)).wait(60) == -signal.SIGKILL
        done = 1 if place.startswith("mail fetched") else 2
        assert ReceivedReceipt.objects.count() == done
        assert BounceMailbox.objects.get().last_uid == done
        assert read() == 3 - done
    receipts.apply(timezone.now())
    assert list(Event.objects.values_list("kind", flat=True)) == ["bounce"] * 3
