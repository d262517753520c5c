"""A scanner that opens a fresh link as a browser does, scripts and all, unsubscribes nobody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from audiences.models import Consent
from campaigns.models import Event, Message, Run
from campaigns.tracking import tokens
from campaigns.tracking.tokens import MessageKey
from tests import builders
from tests.browser.conftest import CHROMIUM, FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_scanner_that_runs_scripts_unsubscribes_nobody(live_server: LiveServer, tmp_path: Path) -> None:
    where = builders.workspace()
    (person,) = builders.profiles(where, 1)
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    Message.objects.create(run=run, action=0, ref=person.pk, profile=person, address="p0@example.com")
    token = tokens.sign(tokens.UNSUBSCRIBE, MessageKey(run.pk, 0, person.pk))
    scan = [*FLAGS, "--headless", f"--user-data-dir={tmp_path}", "--virtual-time-budget=300000", "--dump-dom"]
    seen = subprocess.run(
        [str(CHROMIUM), *scan, f"{live_server.url}/u/{token}"], capture_output=True, text=True, timeout=120
    )
    assert "<form" in seen.stdout and 'method="post"' in seen.stdout, seen.stderr[-2000:]
    assert (Consent.objects.count(), Event.objects.filter(kind="unsubscribe").count()) == (0, 0)
