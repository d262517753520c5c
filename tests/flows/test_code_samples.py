"""The samples of the API page as a reader runs them: each by its own program, against a real web process."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from campaigns import codesamples
from campaigns.codesamples import TOKEN, Request
from campaigns.models import Campaign, Execution, MessageContext
from tests import builders
from tests.campaigns.test_api_page import page_of, samples_in
from tests.fakes.house import House, needs_broker

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]
# The program of each language, and what its file is called.
PROGRAMS = {
    "cURL": ("bash", "call.sh"),
    "Python": ("python3", "call.py"),
    "JavaScript": ("node", "call.mjs"),
    "PHP": ("php", "call.php"),
    "Java": ("java", "Call.java"),
}
# What would end a text too early in one language or another.
UGLY = {
    "quotes": 'it\'s "so" \'\'\'three\'\'\' """three"""',
    "slashes": "a\\b \\n \\u0041 $HOME ${x} {$x} `x` %s #{x}",
    "lines": "one\ntwo\nJSON;\nJSON\nEOF",
    "signs": "</script> 冬至 🌲 é",
}


def live() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 1)
    return builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        subject="Order {{ context.order.number }}",
        html="<p>{{ context.note | default('-') }}</p>",
    )


def token_of(campaign: Campaign) -> str:
    role = Role.objects.get(workspace=campaign.workspace, builtin="approver")
    by: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    return credentials.issue(workspace=campaign.workspace, role=role, name="Shop", **by)[1]


def run(language: str, text: str, folder: Path, token: str) -> str:
    """What the sample printed. A language that is not installed here is passed over."""
    program, name = PROGRAMS[language]
    found = shutil.which(program)
    if found is None or (language == "cURL" and not shutil.which("curl")):
        pytest.skip(f"{program} is not installed")
    if language == "PHP" and "curl" not in subprocess.check_output([found, "-m"], text=True).split():
        pytest.skip("PHP's curl is not installed")
    file = folder / name
    file.write_text(text)
    done = subprocess.run(
        [found, str(file)], env=os.environ | {TOKEN: token}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_sample_sends_its_call_as_it_stands_on_the_page(
    language: str, tmp_path: Path, settings: Any
) -> None:
    assert set(PROGRAMS) == set(codesamples.LANGUAGES)
    with House(tmp_path) as house:
        settings.PUBLIC_URL = house.web()
        campaign = live()
        token = token_of(campaign)
        written = samples_in(page_of(campaign, "viewer"))[language].replace(
            "ana@example.com", "p0@example.com"
        )
        told = run(language, written, tmp_path, token)
        execution = Execution.objects.get()
        assert str(execution.pk) in told
        sent = MessageContext.objects.get(run=execution.run).context
        assert sent == {"order": {"number": "[number]"}, "note": "[note]"}

        # What is refused is told, not swallowed; and no text, however it looks, ends the sample too early.
        assert "request_id_reused" in run(language, written.replace("[note]", "other"), tmp_path, token)
        person = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
        context = {**UGLY, "order": {"number": "7"}}
        body = {"requestId": "r-2", "campaignId": str(campaign.pk)}
        body |= {"recipients": [{**person, "context": context}]}
        request = Request(f"{settings.PUBLIC_URL}/ajo/im/executions/unitary", body)
        told = run(language, codesamples.LANGUAGES[language](request), tmp_path, token)
        second = Execution.objects.exclude(pk=execution.pk).get()
        assert str(second.pk) in told
        assert MessageContext.objects.get(run=second.run, ref=second.first_ref).context == context
