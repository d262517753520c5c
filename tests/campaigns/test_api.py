"""The trigger API by its front door: durable, idempotent, and clear about what is wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, current_app
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from audiences import consent
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.models import Attempt, Batch, Campaign, Execution, Message
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
URL = "/ajo/im/executions/unitary"
HTML = "<p>Hello {{ profile.name }}, reset: {{ context.resetUrl }}</p>"


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 25)
    return builders.live(
        where, now=timezone.now(), type="api_triggered", category="transactional", html=HTML, subject="Reset"
    )


@pytest.fixture
def token(campaign: Campaign) -> str:
    role = Role.objects.get(workspace=campaign.workspace, builtin="approver")
    _, token = credentials.issue(
        workspace=campaign.workspace, role=role, name="Shop", actor=SYSTEM, now=timezone.now()
    )
    return token


def recipient(number: int = 0, **changes: Any) -> dict[str, Any]:
    named = {"type": "aep", "userId": f"p{number}@example.com", "namespace": "email"}
    return {**named, "context": {"resetUrl": "https://x.example/r"}, **changes}


def body(campaign: Campaign, **changes: Any) -> dict[str, Any]:
    return {"requestId": "r-1", "campaignId": str(campaign.pk), "recipients": [recipient()], **changes}


def post(token: str, data: Any, **extra: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}", "x-api-key": "k", "x-sandbox-name": "prod"}
    return Client(raise_request_exception=False).post(
        URL, data, content_type="application/json", headers=headers, **extra
    )


def test_one_call_is_one_durable_message_that_leaves(campaign: Campaign, token: str, settings) -> None:
    answer = post(token, body(campaign))
    assert answer.status_code == 202
    assert answer.json()["requestId"] == "r-1"
    assert (Message.objects.count(), Batch.objects.get().lane) == (1, "urgent")
    call_command("deliver")
    sent = (settings.VAR / "sandbox.log").read_text()
    assert "p0@example.com" in sent
    assert campaign.runs.get().state == "sending"


def test_the_same_call_again_is_the_same_execution(campaign: Campaign, token: str) -> None:
    first, second = (post(token, body(campaign)).json() for _ in range(2))
    assert first["executionId"] == second["executionId"]
    assert second["deduplicated"] is True
    assert (Execution.objects.count(), Message.objects.count()) == (1, 1)


def test_the_same_request_id_with_another_body_is_a_conflict(campaign: Campaign, token: str) -> None:
    post(token, body(campaign))
    answer = post(token, body(campaign, recipients=[recipient(1)]))
    assert (answer.status_code, answer.json()["code"]) == (409, "request_id_reused")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert Message.objects.count() == 1


def test_a_call_that_was_refused_does_not_keep_its_request_id(campaign: Campaign, token: str) -> None:
    assert post(token, body(campaign, recipients=[])).status_code == 400
    assert post(token, body(campaign)).status_code == 202
    assert Message.objects.count() == 1


def test_a_request_id_says_nothing_in_another_workspace(campaign: Campaign, token: str) -> None:
    assert post(token, body(campaign)).status_code == 202
    other = builders.workspace("other")
    builders.profiles(other, 1)
    theirs = builders.live(
        other, now=timezone.now(), type="api_triggered", category="transactional", html=HTML, subject="Reset"
    )
    role = Role.objects.get(workspace=other, builtin="approver")
    _, elsewhere = credentials.issue(workspace=other, role=role, name="X", actor=SYSTEM, now=timezone.now())
    answer = post(elsewhere, body(theirs))
    assert (answer.status_code, answer.json().get("deduplicated", False)) == (202, False)
    assert Message.objects.filter(run__campaign=theirs).count() == 1


def test_a_call_while_the_broker_is_away_is_accepted_and_leaves_with_the_next_sweep(
    campaign: Campaign, token: str, django_capture_on_commit_callbacks: Any
) -> None:
    nobody = Celery("nobody", broker="redis://127.0.0.1:1/0", set_as_current=False)
    nobody.conf.task_publish_retry_policy = {"max_retries": 0}
    ours = current_app._get_current_object()
    nobody.set_current()
    try:
        with django_capture_on_commit_callbacks(execute=True) as rung:
            answer = post(token, body(campaign))
    finally:
        ours.set_current()
    assert (answer.status_code, len(rung), Message.objects.count()) == (202, 1, 1)
    call_command("deliver")
    assert Attempt.objects.get().outcome == "accepted"


def test_twenty_recipients_are_twenty_messages(campaign: Campaign, token: str) -> None:
    people = [recipient(n) for n in range(20)]
    assert post(token, body(campaign, recipients=people)).status_code == 202
    assert post(token, body(campaign, requestId="r-2", recipients=people)).status_code == 202
    assert Message.objects.count() == 40


def test_call_data_is_used_for_this_message_only(campaign: Campaign, token: str, settings) -> None:
    one = recipient(channelData={"emailAddress": "Other@Example.com"}, profile={"name": "Ada"})
    post(token, body(campaign, recipients=[one]))
    assert Message.objects.get().address == "other@example.com"
    profile = Profile.objects.get(email="p0@example.com")
    assert profile.attributes == {"name": "Ann 0"}


def test_an_unknown_recipient_is_refused_or_created_as_the_campaign_says(
    campaign: Campaign, token: str
) -> None:
    stranger = body(campaign, recipients=[recipient(0), recipient(userId="new@example.com")])
    answer = post(token, stranger)
    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/recipients/1/userId"]
    assert (Message.objects.count(), Execution.objects.count()) == (0, 0)
    Campaign.objects.update(create_profiles=True)
    assert post(token, stranger).status_code == 202
    assert Profile.objects.filter(email="new@example.com", attributes={}).exists()


@pytest.mark.parametrize("renamed", ["new@example.com", "newer@example.com"], ids=["again", "another body"])
def test_a_call_that_is_kept_already_makes_nobody(campaign: Campaign, token: str, renamed: str) -> None:
    """Neither a person anew who was taken away since, nor the one whom a refused body names."""
    Campaign.objects.update(create_profiles=True)
    stranger = body(campaign, recipients=[recipient(userId="new@example.com")])
    assert post(token, stranger).status_code == 202
    Profile.objects.filter(email="new@example.com").delete()
    answer = post(token, body(campaign, recipients=[recipient(userId=renamed)]))
    assert answer.status_code == (202 if renamed == "new@example.com" else 409)
    assert not Profile.objects.filter(email__startswith="new").exists()


def test_transactional_mail_reaches_somebody_who_wants_no_marketing(campaign: Campaign, token: str) -> None:
    profile = Profile.objects.get(email="p0@example.com")
    consent.withdraw(profile_id=profile.pk, channel="email", source="test", now=timezone.now())
    post(token, body(campaign))
    call_command("deliver")
    from campaigns.reports.metrics import ledger

    assert ledger(campaign.runs.get()).accepted == 1


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"requestId": ""}, "bad_text", "/requestId"),
        ({"requestId": "x" * 256}, "bad_text", "/requestId"),
        ({"requestId": "a\nb"}, "bad_text", "/requestId"),
        ({"requestId": 5}, "bad_text", "/requestId"),
        ({"campaignId": "1 OR 1=1"}, "bad_campaign_id", "/campaignId"),
        ({"campaignId": True}, "bad_campaign_id", "/campaignId"),
        ({"campaignId": "9" * 30}, "bad_campaign_id", "/campaignId"),
        ({"recipients": []}, "recipient_count", "/recipients"),
        ({"recipients": "x"}, "recipient_count", "/recipients"),
        ({"recipients": [recipient(n) for n in range(21)]}, "recipient_count", "/recipients"),
        ({"recipients": [recipient(), recipient()]}, "duplicate_recipient", "/recipients/1/userId"),
        ({"recipients": [5]}, "not_an_object", "/recipients/0"),
        ({"recipients": [recipient(type="x")]}, "bad_type", "/recipients/0/type"),
        ({"recipients": [recipient(namespace="ecid")]}, "unknown_namespace", "/recipients/0/userId"),
        ({"recipients": [recipient(userId="no address")]}, "bad_email", "/recipients/0/userId"),
        ({"recipients": [recipient(context="x")]}, "not_an_object", "/recipients/0/context"),
        (
            {"recipients": [recipient(context={"a": "x" * 205_000})]},
            "context_too_large",
            "/recipients/0/context",
        ),
        ({"recipients": [recipient(context={"system": 1})]}, "reserved_name", "/recipients/0/context/system"),
        (
            {"recipients": [recipient(channelData={"emailAddress": "x\r\nBcc: y@x.tw"})]},
            "bad_email",
            "/recipients/0/channelData/emailAddress",
        ),
        ({"status": "live"}, "unknown_field", "/status"),
        ({"recipients": [recipient(context={"a": "\0"})]}, "bad_unicode", ""),
    ],
)
def test_a_wrong_body_is_told_what_and_where(
    campaign: Campaign, token: str, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = post(token, body(campaign, **changes))
    assert answer.status_code == 400
    assert (answer.json()["errors"][0]["code"], answer.json()["errors"][0]["pointer"]) == (code, pointer)
    assert not Execution.objects.exists()


def test_a_context_is_measured_in_bytes_as_it_came(campaign: Campaign, token: str) -> None:
    chinese = recipient(context={"resetUrl": "x", "story": "林" * 60_000})
    assert post(token, body(campaign, recipients=[chinese])).status_code == 202
    too_much = recipient(context={"story": "林" * 70_000})
    answer = post(token, body(campaign, requestId="r-2", recipients=[too_much]))
    assert answer.json()["errors"][0]["code"] == "context_too_large"


def test_a_number_that_cannot_be_stored_is_a_clear_400(campaign: Campaign, token: str) -> None:
    raw = json.dumps(body(campaign)).replace('"https://x.example/r"', "1e999")
    answer = post(token, raw)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_unicode")


@pytest.mark.parametrize(
    "raw", ["{", "[]", '"x"', "[" * 5000, '{"a": NaN}', "\ud800".encode("utf-8", "replace")]
)
def test_what_is_no_object_is_a_clear_400(campaign: Campaign, token: str, raw: Any) -> None:
    answer = post(token, raw)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_another_content_type_or_method_is_refused(campaign: Campaign, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().post(URL, "x=1", content_type="text/plain", headers=headers).status_code == 415
    assert Client().post(URL, headers=headers).status_code == 415
    assert Client().get(URL, headers=headers).status_code == 405


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Bearer car_1.x", "Basic abc"])
def test_without_a_credential_nothing_is_told(campaign: Campaign, authorization: str) -> None:
    answer = Client().post(
        URL, body(campaign), content_type="application/json", headers={"Authorization": authorization}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_credential_of_another_workspace_finds_no_such_campaign(campaign: Campaign) -> None:
    other = builders.workspace("other")
    role = Role.objects.get(workspace=other, builtin="administrator")
    _, token = credentials.issue(workspace=other, role=role, name="X", actor=SYSTEM, now=timezone.now())
    missing, foreign = post(token, body(campaign, campaignId="999999")), post(token, body(campaign))
    assert (missing.status_code, foreign.status_code) == (404, 404)
    told = [answer.json() for answer in (missing, foreign)]
    echoed = [one["report"]["additionalContext"].pop("campaignId") for one in told]
    assert echoed == ["999999", str(campaign.pk)]  # each caller's own word
    assert told[0] == told[1]


def test_a_credential_with_a_viewers_role_may_not_send(campaign: Campaign) -> None:
    role = Role.objects.get(workspace=campaign.workspace, builtin="viewer")
    _, token = credentials.issue(
        workspace=campaign.workspace, role=role, name="X", actor=SYSTEM, now=timezone.now()
    )
    answer = post(token, body(campaign))
    assert (answer.status_code, answer.json()["permission"]) == (403, "campaigns.publish_campaign")


def test_a_campaign_that_is_not_live_or_outside_its_window_refuses(campaign: Campaign, token: str) -> None:
    Campaign.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert post(token, body(campaign)).json()["code"] == "outside_window"
    approver = builders.User.objects.get(name="Approver")
    lifecycle.apply(campaign, "stop", actor=approver, now=timezone.now())
    assert post(token, body(campaign)).json()["code"] == "campaign_not_live"


def test_health_needs_no_credential() -> None:
    assert Client().get("/ajo/im/health").json() == {"status": "UP"}


def test_a_value_the_message_reads_must_come_with_the_call(campaign: Campaign, token: str) -> None:
    """Named with its place, unless the author said what stands in for it."""
    empty = [recipient(0), recipient(1, context={"reset": "misspelt"})]
    answer = post(token, body(campaign, recipients=empty))
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert (fault["code"], fault["pointer"]) == ("context_missing", "/recipients/1/context/resetUrl")
    assert not Message.objects.exists()


def calls_over(**changes: Any) -> tuple[Campaign, str]:
    where = builders.workspace()
    builders.profiles(where, 3)
    given = {"type": "api_triggered", "category": "transactional", "subject": "Hi", **changes}
    made = builders.live(where, now=timezone.now(), **given)
    role = Role.objects.get(workspace=where, builtin="approver")
    return made, credentials.issue(workspace=where, role=role, name="Shop", actor=SYSTEM, now=timezone.now())[
        1
    ]


def test_a_list_and_a_default_are_understood() -> None:
    lines = "{% for item in context.items %}{{ item.name }}{% endfor %}{{ context.note | default('none') }}"
    made, token = calls_over(html=f"<p>{lines}</p>")
    wrong = post(token, body(made, recipients=[recipient(context={"items": "socks"})]))
    assert wrong.json()["errors"][0]["code"] == "context_not_a_list"
    right = post(token, body(made, recipients=[recipient(context={"items": [{"name": "socks"}]})]))
    assert right.status_code == 202


def test_high_throughput_takes_strangers_and_looks_nobody_up(settings) -> None:
    made, token = calls_over(high_throughput=True, html="<p>{{ profile.name }} {{ context.code }}</p>")
    assert post(token, body(made)).json()["errors"][0]["code"] == "wrong_execution_kind"
    stranger = {"type": "external", "userId": "New@Example.com", "namespace": "email"}
    asked = body(made, recipients=[{**stranger, "context": {"code": "7"}}])
    faults = [one["pointer"] for one in post_high(token, asked).json()["errors"]]
    assert faults == ["/recipients/0/profile/name"]
    asked["recipients"][0]["profile"] = {"name": "Ada"}
    assert post_high(token, asked).status_code == 202
    call_command("deliver")
    assert "Ada 7" in (settings.VAR / "sandbox.log").read_text()
    assert Message.objects.get().address == "new@example.com"
    assert not Profile.objects.filter(email="new@example.com").exists()
    known = body(made, requestId="r-2", recipients=[recipient()])
    assert post_high(token, known).json()["errors"][0]["code"] == "bad_type"


def post_high(token: str, data: Any) -> Any:
    return Client(raise_request_exception=False).post(
        "/ajo/im/executions/highthroughput",
        data,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_an_idempotency_key_stands_in_place_of_the_request_id(campaign: Campaign, token: str) -> None:
    def keyed(key: str, **changes: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        return Client().post(URL, body(campaign, **changes), content_type="application/json", headers=headers)

    first, again = keyed("order-1"), keyed("order-1")
    assert (first.status_code, again.json()["deduplicated"]) == (202, True)
    assert keyed("order-2").json()["executionId"] != first.json()["executionId"]
    assert keyed("order-1", requestId="r-2").status_code == 409
    for bad in ("x" * 256, "", " ", "a\tb", "\x7f"):
        refused = keyed(bad)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_idempotency_key"), bad
    Execution.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert keyed("order-1").json()["executionId"] == first.json()["executionId"]
    assert Message.objects.count() == 2
