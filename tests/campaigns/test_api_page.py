"""The API page: a call that works, in five languages, what it has to bring, and what became of the calls."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign
from tests import builders
from tests.api import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
LINES = "{% for item in context.order.items %}{{ item }}{% endfor %}{{ context.note | default('-') }}"


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 2)
    return builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        subject="Order {{ context.order.number }}",
        html=f"<p>{LINES}</p>",
    )


def page_of(campaign: Campaign, role: str = "manager", query: str = "") -> str:
    client = Client()
    client.force_login(builders.person(campaign.workspace, role, f"{role}-{len(query)}"))
    return client.get(f"/campaigns/{campaign.pk}/api/{query}").content.decode()


def samples_in(page: str) -> dict[str, str]:
    import html

    found = re.findall(r"<summary class=.strong.>(.*?)</summary>.*?<pre[^>]*>(.*?)</pre>", page, re.S)
    return {name: html.unescape(text) for name, text in found}


def test_the_call_in_every_language_brings_what_the_message_reads(campaign: Campaign) -> None:
    written = samples_in(page_of(campaign))
    assert set(written) == {"cURL", "Python", "JavaScript", "PHP", "Java"}
    bodies = [
        re.search(r"-d '(.*)'$", written["cURL"], re.S),
        re.search(r"r'''(.*)'''", written["Python"], re.S),
        re.search(r"JSON\.stringify\((.*)\),", written["JavaScript"], re.S),
        re.search(r"<<<'JSON'\n(.*)\nJSON;", written["PHP"], re.S),
        re.search(r'String body = """(.*?)"""', written["Java"], re.S),
    ]
    read = [json.loads(found.group(1)) for found in bodies if found]
    assert len(read) == 5
    assert all(one == read[0] for one in read)
    context = read[0]["recipients"][0]["context"]
    assert context == {"order": {"items": [], "number": "[number]"}, "note": "[note]"}
    ast.parse(written["Python"])


def test_the_call_on_the_page_is_accepted(campaign: Campaign) -> None:
    found = re.search(r"-d '(.*)'$", samples_in(page_of(campaign))["cURL"], re.S)
    assert found
    body = json.loads(found.group(1))
    body["recipients"][0]["userId"] = "p0@example.com"
    assert Caller(campaign.workspace, "approver").post("/ajo/im/executions/unitary", body).status_code == 202


def send(campaign: Campaign, request_id: str, user_id: str) -> Any:
    context = {"order": {"number": "O'Neil", "items": ["a"]}, "noet": "misspelt"}
    person = {"type": "aep", "userId": user_id, "namespace": "email", "context": context}
    asked = {"requestId": request_id, "campaignId": str(campaign.pk), "recipients": [person]}
    return Caller(campaign.workspace, "approver").post("/ajo/im/executions/unitary", asked).json()


def test_calls_are_shown_with_their_outcome_filtered_and_sent_again(campaign: Campaign) -> None:
    Campaign.objects.update(create_profiles=True)
    send(campaign, "good-1", "p0@example.com")
    send(campaign, "bad-1", "refuse+x@example.com")
    call_command("deliver")
    made = send(campaign, "good-2", "p1@example.com")
    everything = page_of(campaign)
    assert [name in everything for name in ("good-1", "bad-1", "good-2")] == [True, True, True]
    failed = page_of(campaign, query="?state=failed")
    assert ("bad-1" in failed, "good-1" in failed) == (True, False)
    done = page_of(campaign, query="?search=GOOD&state=done")
    assert ("good-1" in done, "good-2" in done, "bad-1" in done) == (True, False, False)

    client = Client()
    client.force_login(builders.person(campaign.workspace, "viewer"))
    again = client.get(f"/campaigns/{campaign.pk}/api/{made['executionId']}/").content.decode()
    assert "p1@example.com" in again
    assert "O&#39;\\&#39;&#39;Neil" in again
    assert "The message reads none of these: noet." in again


def test_a_call_of_another_campaign_is_not_shown_here(campaign: Campaign) -> None:
    made = send(campaign, "r-1", "p0@example.com")
    other = builders.draft(
        campaign.workspace,
        builders.person(campaign.workspace, "manager", "other"),
        type="api_triggered",
        category="transactional",
    )
    client = Client()
    client.force_login(builders.person(campaign.workspace, "viewer"))
    assert client.get(f"/campaigns/{other.pk}/api/{made['executionId']}/").status_code == 404
