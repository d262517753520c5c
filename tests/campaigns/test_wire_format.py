"""Section 3 of the reference catalogue, the wire format of executions, row by row by the front door."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts.models import ApiCredential
from audiences.models import Profile, Suppression
from campaigns import actions, lifecycle
from campaigns.models import Attempt, Campaign, Execution, Message
from config.celery import app
from tests import builders
from tests.api import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
HERE = "/ajo/im/executions"
TWO = [{"key": "A", "title": "As it was", "percent": 50}, {"key": "B", "title": "Shorter", "percent": 50}]
HTML = "<p>{{ profile.name }} {{ context.code | default('none') }}</p>"
ANSWER = {"executionId", "requestId", "createdAt", "createdBy", "modifiedAt", "modifiedBy"}
STATUS = {"executionId", "status", "createdAt", "campaignId", "audienceId", "targetedProfileCount"}
SCHEDULE = {"scheduleId", "scheduleStatus", "audience", "campaignId", "executeAt", "executionDetails"}


def live(**changes: Any) -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 3)
    given = {"type": "api_triggered", "category": "transactional", "html": HTML, "subject": "Hi", **changes}
    return builders.live(where, now=timezone.now(), **given)


@pytest.fixture
def campaign() -> Campaign:
    return live()


@pytest.fixture
def call(campaign: Campaign) -> Caller:
    return Caller(campaign.workspace, "approver")


def recipient(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"type": "aep", "userId": f"p{number}@example.com", "namespace": "email", **changes}


def body(campaign: Campaign, *people: dict[str, Any], **changes: Any) -> dict[str, Any]:
    chosen = list(people) or [recipient()]
    return {"requestId": "r-1", "campaignId": str(campaign.pk), "recipients": chosen, **changes}


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(one["code"], one["pointer"]) for one in answer.json()["errors"]]


def left(settings: Any) -> str:
    call_command("deliver")
    return str((settings.VAR / "sandbox.log").read_text())


# ---- the table of paths -------------------------------------------------------------------------
def test_unitary_answers_202_with_the_execution(campaign: Campaign, call: Caller) -> None:
    answer = call.post(f"{HERE}/unitary", body(campaign))
    assert (answer.status_code, set(answer.json())) == (202, ANSWER)
    told = answer.json()
    assert told["requestId"] == "r-1" and datetime.fromisoformat(told["createdAt"]).tzinfo


def test_high_throughput_answers_202_with_the_execution_to_external_recipients_only() -> None:
    made = live(high_throughput=True)
    call = Caller(made.workspace, "approver")
    stranger = recipient(9, type="external", profile={"name": "Ada"})
    answer = call.post(f"{HERE}/highthroughput", body(made, stranger))
    assert (answer.status_code, set(answer.json())) == (202, ANSWER)
    known = call.post(f"{HERE}/highthroughput", body(made, recipient(), requestId="r-2"))
    assert ("bad_type", "/recipients/0/type") in faults(known)


def test_an_audience_run_is_answered_told_scheduled_and_cancelled(campaign: Campaign, call: Caller) -> None:
    chosen = {"id": str(builders.audience(campaign.workspace).pk)}
    given = {"campaignId": str(campaign.pk), "audience": chosen}
    now = call.post(f"{HERE}/audience", {**given, "requestId": "a-1"})
    assert (now.status_code, set(now.json())) == (202, ANSWER)
    told = call.get(f"{HERE}/audience/{now.json()['executionId']}")
    assert (told.status_code, set(told.json())) == (200, STATUS)
    assert told.json()["status"] in ("Succeeded", "InProgress", "Failed")
    assert (told.json()["audienceId"], told.json()["campaignId"]) == (chosen["id"], str(campaign.pk))
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    later = call.post(f"{HERE}/audience", {**given, "schedule": {"executeAt": at}})  # no requestId: optional
    assert (later.status_code, set(later.json())) == (202, SCHEDULE)
    one = f"{HERE}/schedules/{later.json()['scheduleId']}"
    waiting = call.get(one)
    assert (waiting.status_code, set(waiting.json())) == (200, SCHEDULE)
    assert waiting.json()["scheduleStatus"] == "Scheduled" and waiting.json()["audience"] == chosen
    gone = call.delete(one)
    assert (gone.status_code, gone.json()) == (200, {})


def test_health_is_answered_without_a_credential() -> None:
    assert Caller(None).get("/ajo/im/health").status_code == 200


# ---- headers ------------------------------------------------------------------------------------
def test_the_headers_of_the_reference_s_clients_are_taken(campaign: Campaign, call: Caller) -> None:
    theirs = {"x-api-key": "k", "x-gw-ims-org-id": "org", "x-sandbox-name": "prod", "x-request-id": "x-1"}
    answer = call.post(f"{HERE}/unitary", body(campaign), headers={**call.headers, **theirs})
    assert answer.status_code == 202
    again = call.post(
        f"{HERE}/unitary", body(campaign, requestId="r-2"), headers={**call.headers, "x-request-id": "x-1"}
    )
    assert again.json()["executionId"] != answer.json()["executionId"]  # it is no key of the call
    assert Caller(None).post(f"{HERE}/unitary", body(campaign), headers=theirs).status_code == 401


# ---- the body -----------------------------------------------------------------------------------
@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"requestId": None}, ("bad_text", "/requestId")),
        ({"campaignId": None}, ("bad_campaign_id", "/campaignId")),
        ({"recipients": None}, ("recipient_count", "/recipients")),
        ({"recipients": []}, ("recipient_count", "/recipients")),
        ({"more": 1}, ("unknown_field", "/more")),
        ({"recipients": [recipient(type="person")]}, ("bad_type", "/recipients/0/type")),
        ({"recipients": [recipient(userId="")]}, ("bad_text", "/recipients/0/userId")),
        ({"recipients": [recipient(namespace="")]}, ("bad_text", "/recipients/0/namespace")),
        ({"recipients": [recipient(mergePolicyName="m", mergePolicySchema="s")]}, None),
        ({"recipients": [recipient(channelData={"emailAddress": "x@y.example"})]}, None),
        ({"recipients": [recipient(channelData={"mobilePhoneNumber": "+886912345678"})]}, None),
        (
            {"recipients": [recipient(channelData={"fax": "1"})]},
            ("unknown_field", "/recipients/0/channelData/fax"),
        ),
        ({"recipients": [recipient(profile={"a": "text", "b": {"c": 1}})]}, None),
        ({"recipients": [recipient(profile=[])]}, ("not_an_object", "/recipients/0/profile")),
        ({"recipients": [recipient(context={"a": "text", "b": {"c": [1]}})]}, None),
        ({"recipients": [recipient(context="x")]}, ("not_an_object", "/recipients/0/context")),
        ({"recipients": [recipient(type="external", userId="p0@example.com")]}, None),
        ({"requestId": " "}, ("bad_text", "/requestId")),
        ({"recipients": [recipient(userId=" ")]}, ("bad_text", "/recipients/0/userId")),
        ({"recipients": [recipient(mergePolicyName=5)]}, ("bad_text", "/recipients/0/mergePolicyName")),
        (
            {"recipients": [recipient(channelData={"emailAddress": None})]},
            ("bad_email", "/recipients/0/channelData/emailAddress"),
        ),
        (
            {"recipients": [recipient(channelData={"mobilePhoneNumber": ""})]},
            ("bad_phone", "/recipients/0/channelData/mobilePhoneNumber"),
        ),
        (
            {"recipients": [recipient(channelData={"pushInfo": {}})]},
            ("bad_text", "/recipients/0/channelData/pushInfo/token"),
        ),
        (
            {"recipients": [recipient(channelData={"pushInfo": {"appID": 5}})]},
            ("bad_text", "/recipients/0/channelData/pushInfo/appID"),
        ),
    ],
)
def test_each_field_of_the_body(
    campaign: Campaign, call: Caller, changes: dict[str, Any], fault: tuple[str, str] | None
) -> None:
    given = {name: value for name, value in body(campaign, **changes).items() if value is not None}
    answer = call.post(f"{HERE}/unitary", given)
    if fault is None:
        assert answer.status_code == 202, answer.content
    else:
        assert answer.status_code == 400 and fault in faults(answer), answer.content
        assert not Execution.objects.exists()


# ---- the numbered rows --------------------------------------------------------------------------
def test_3_2_marketing_has_an_audience_of_its_own_and_transactional_names_them_in_the_call(
    campaign: Campaign, call: Caller, settings: Any
) -> None:
    given: dict[str, Any] = {"requestId": "a-1", "campaignId": str(campaign.pk)}
    assert faults(call.post(f"{HERE}/audience", given)) == [("audience_missing", "/audience/id")]
    where = builders.workspace("elsewhere")
    builders.profiles(where, 3)
    rule = {"field": "email", "op": "one_of", "value": ["p0@example.com", "p1@example.com"]}
    two = builders.audience(where, rule=rule)
    made = builders.live(where, now=timezone.now(), type="api_triggered", audience=two, subject="Hi")
    there = Caller(where, "approver")
    told = there.post(f"{HERE}/audience", {**given, "campaignId": str(made.pk)})
    assert told.status_code == 202, told.content
    assert left(settings).count("@example.com") >= 2
    status = there.get(f"{HERE}/audience/{told.json()['executionId']}").json()
    assert (status["audienceId"], status["targetedProfileCount"]) == (str(two.pk), 2)
    assert sorted(Message.objects.values_list("address", flat=True)) == rule["value"]


def test_3_3_unknown_recipients_fail_the_call_or_are_made_with_their_identity_only(
    campaign: Campaign, call: Caller
) -> None:
    given = body(campaign, recipient(), recipient(99))
    refused = call.post(f"{HERE}/unitary", given)
    assert faults(refused) == [("unknown_recipient", "/recipients/1/userId")]
    assert not Message.objects.exists()
    Campaign.objects.filter(pk=campaign.pk).update(create_profiles=True)
    assert call.post(f"{HERE}/unitary", given).status_code == 202
    assert Profile.objects.get(email="p99@example.com").attributes == {}


def test_3_5_a_call_outside_the_window_fails(campaign: Campaign, call: Caller) -> None:
    now = timezone.now()
    later = now + timedelta(hours=1)
    for window, told in (({"starts_at": later}, later), ({"starts_at": None, "ends_at": now}, now)):
        Campaign.objects.filter(pk=campaign.pk).update(**window)
        answer = call.post(f"{HERE}/unitary", body(campaign))
        assert faults(answer) == [("outside_window", "/campaignId")]
        assert told.astimezone(UTC).isoformat()[:10] in answer.json()["detail"]


def test_3_6_the_ready_call_of_a_live_campaign_is_shown(client: Any, campaign: Campaign) -> None:
    client.force_login(builders.person(campaign.workspace, "viewer"))
    shown = client.get(f"/campaigns/{campaign.pk}/api/").content.decode()
    assert "curl" in shown and f"{HERE}/unitary" in shown and f"{campaign.pk}&#34;" in shown


def test_3_7_strangers_share_the_treatments_and_the_hold_out_and_each_keeps_theirs() -> None:
    where = builders.workspace()
    author, now = builders.person(where, "manager"), timezone.now()
    experiment = {"treatments": TWO, "holdout": 20, "metric": "click", "salt": "s"}
    made = builders.draft(
        where,
        author,
        type="api_triggered",
        category="transactional",
        high_throughput=True,
        experiment=experiment,
        subject="Hi",
        html="<p>Hello</p>",
    )
    actions.copy_to_all(made, 0, revision=made.revision, actor=author, now=now)
    made.refresh_from_db()
    campaign = lifecycle.apply(made, "activate", actor=builders.person(where, "approver"), now=now)
    call = Caller(where, "approver")

    def drawn(again: str, **written: Any) -> dict[str, tuple[int, str]]:
        before = set(Message.objects.values_list("ref", flat=True))
        for start in range(0, 200, 20):
            crowd = [
                recipient(n, type="external", **{key: make(n) for key, make in written.items()})
                for n in range(start, start + 20)
            ]
            answer = call.post(f"{HERE}/highthroughput", body(campaign, *crowd, requestId=f"{again} {start}"))
            assert answer.status_code == 202, answer.content
        held = set(Attempt.objects.filter(outcome="excluded", code="050018").values_list("ref", flat=True))
        rows = Message.objects.exclude(ref__in=before).values_list("address", "variant", "ref")
        return {one: (variant, "held" if ref in held else "") for one, variant, ref in rows}

    first = drawn("first")
    shares = Counter(first.values())
    assert len(first) == 200 and 60 < shares[(0, "")] < 100 and 60 < shares[(1, "")] < 100, shares
    assert 20 < shares[(0, "held")] < 60, shares
    # By another name, to the same address, written otherwise: it is the same person's.
    same = {"userId": lambda n: f"u-{n}", "namespace": lambda _n: "crm"}
    data = {"channelData": lambda n: {"emailAddress": f"P{n}@Example.com"}}
    assert drawn("second", **same, **data) == first


def test_3_10_accepted_is_not_delivered(campaign: Campaign, call: Caller) -> None:
    told = call.post(f"{HERE}/unitary", body(campaign)).json()
    assert Message.objects.count() == 1 and not Attempt.objects.exists()
    found = call.get(f"{HERE}/{told['executionId']}").json()
    assert found["executionId"] == told["executionId"]


@pytest.mark.parametrize(
    "people",
    [
        [recipient(0), recipient(0, userId=name)]
        for name in (
            "p0@example.com",
            "P0@Example.com",
            " p0@example.com",
            "p0@example.com.",
            "ｐ0@example.com",
        )
    ]
    + [
        [recipient(0, namespace="phone", userId=name) for name in ("+886912345678", other)]
        for other in ("+886 912-345 678", "+８８６912345678")
    ],
)
def test_3_11_nobody_is_named_twice_in_a_call(
    campaign: Campaign, call: Caller, people: list[dict[str, Any]]
) -> None:
    answer = call.post(f"{HERE}/unitary", body(campaign, *people))
    assert faults(answer) == [("duplicate_recipient", "/recipients/1/userId")]


def test_3_11_more_than_twenty_recipients_are_refused(campaign: Campaign, call: Caller) -> None:
    answer = call.post(f"{HERE}/unitary", body(campaign, *map(recipient, range(21))))
    assert faults(answer) == [("recipient_count", "/recipients")]


def test_3_12_and_3_13_what_a_call_says_of_a_person_holds_for_its_message_only(
    campaign: Campaign, call: Caller, settings: Any
) -> None:
    before = list(Profile.objects.order_by("pk").values())
    said = recipient(
        channelData={"emailAddress": "other@y.example"}, profile={"name": "Grace"}, context={"code": "4711"}
    )
    assert call.post(f"{HERE}/unitary", body(campaign, said)).status_code == 202
    assert call.post(f"{HERE}/unitary", body(campaign, requestId="r-2")).status_code == 202
    assert sorted(Message.objects.values_list("address", flat=True)) == ["other@y.example", "p0@example.com"]
    first, second = sorted(left(settings).splitlines(), key=lambda line: "none" in line)
    assert "Grace 4711" in first and "other@y.example" in first and "Grace" not in second
    assert list(Profile.objects.order_by("pk").values()) == before


def test_3_14_context_and_profile_have_200_kb_each_a_reserved_name_and_parts_read_with_dots() -> None:
    made = live(html="<p>{{ context.order.id }}{% for one in context.items %}-{{ one }}{% endfor %}</p>")
    call = Caller(made.workspace, "approver")
    right = {"order": {"id": "A7"}, "items": ["x", "y"]}
    large = call.post(f"{HERE}/unitary", body(made, recipient(context={**right, "a": "x" * 200 * 1024})))
    assert [code for code, _place in faults(large)] == ["context_too_large"]
    profile = {"a": "x" * 200 * 1024}
    large = call.post(f"{HERE}/unitary", body(made, recipient(context=right, profile=profile)))
    assert faults(large) == [("profile_too_large", "/recipients/0/profile")]
    reserved = call.post(f"{HERE}/unitary", body(made, recipient(context={**right, "system": {"a": 1}})))
    assert faults(reserved) == [("reserved_name", "/recipients/0/context/system")]
    misspelt = call.post(f"{HERE}/unitary", body(made, recipient(context={"order": {}, "items": []})))
    assert faults(misspelt) == [("context_missing", "/recipients/0/context/order/id")]
    assert call.post(f"{HERE}/unitary", body(made, recipient(context=right))).status_code == 202


def test_3_16_the_request_id_is_a_contract(campaign: Campaign, call: Caller) -> None:
    first = call.post(f"{HERE}/unitary", body(campaign)).json()
    again = call.post(f"{HERE}/unitary", body(campaign))
    assert again.status_code == 202
    assert again.json() == {**first, "deduplicated": True}
    other = call.post(f"{HERE}/unitary", body(campaign, recipient(1)))
    assert (other.status_code, other.json()["code"]) == (409, "request_id_reused")
    assert Message.objects.count() == 1


def test_3_16_a_request_id_is_still_known_after_a_day_of_tidying_up(campaign: Campaign, call: Caller) -> None:
    first = call.post(f"{HERE}/unitary", body(campaign)).json()
    call_command("deliver")
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        app.loader.import_default_modules()
        for task in {entry["task"] for entry in app.conf.beat_schedule.values()}:
            app.tasks[task].apply(throw=True)
        again = call.post(f"{HERE}/unitary", body(campaign))
        other = call.post(f"{HERE}/unitary", body(campaign, recipient(1)))
    assert (again.status_code, again.json()) == (202, {**first, "deduplicated": True})
    assert (other.status_code, Message.objects.count()) == (409, 1)


def test_3_17_a_refused_call_is_told_with_the_ids_it_named_and_in_plain_letters(
    campaign: Campaign, call: Caller
) -> None:
    answer = call.post(f"{HERE}/unitary", body(campaign, recipient(more=1), requestId="冬-1"))
    named = {"requestId": "冬-1", "campaignId": str(campaign.pk)}
    assert answer.status_code == 400 and answer.json()["report"]["additionalContext"] == named
    assert "There is no field “more” here." in answer.content.decode()
    half = json.dumps(body(campaign, recipient(more=1), requestId="\ud83d")).encode()
    assert call.post(f"{HERE}/unitary", half).json()["report"]["additionalContext"]["requestId"] == "\ud83d"
    for wrong in (b"{", b"[]", b'{"requestId": [], "campaignId": {}}'):
        assert "report" not in call.post(f"{HERE}/unitary", wrong).json()
    assert "report" not in Caller(None).post(f"{HERE}/unitary", body(campaign)).json()


def test_3_17_every_refusal_has_one_shape_and_its_own_status(campaign: Campaign, call: Caller) -> None:
    viewer, unknown = Caller(campaign.workspace, "viewer"), {**body(campaign), "campaignId": "987654321"}
    answers = {
        400: call.post(f"{HERE}/unitary", {}),
        401: Caller(None).post(f"{HERE}/unitary", body(campaign)),
        403: viewer.post(f"{HERE}/unitary", body(campaign)),
        404: call.post(f"{HERE}/unitary", unknown),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "code", "detail"} <= set(answer.json())
        assert answer.json()["status"] == status
    assert answers[403].json()["permission"] == "campaigns.publish_campaign"


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "x-none"])
def test_json_in_another_charset_is_refused_at_every_door(call: Caller, charset: str) -> None:
    kind = f"application/json; charset={charset}"
    for address in (f"{HERE}/unitary", f"{HERE}/audience", "/api/events/"):
        answer = call("POST", address, b"{}", content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), address
    right = call("POST", f"{HERE}/unitary", b"{}", content_type='application/json; charset="UTF-8"')
    assert right.status_code == 400
    other = call("POST", f"{HERE}/unitary", "{}".encode("utf-16"))
    assert (other.status_code, other.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize(
    "at", ["2027-01-04T09:00:00", "2027-W01-1T00:00:00Z", "20270104T000000Z", "2027-01-04", 5]
)
def test_a_time_without_its_offset_or_written_otherwise_is_refused_at_every_door(
    campaign: Campaign, call: Caller, at: Any
) -> None:
    later = call.post(f"{HERE}/audience", {"campaignId": str(campaign.pk), "schedule": {"executeAt": at}})
    assert ("bad_execute_at", "/schedule/executeAt") in faults(later)
    made = builders.draft(campaign.workspace, builders.person(campaign.workspace, "administrator"))
    administrator = Caller(campaign.workspace, "administrator")
    changed = administrator.patch(f"/api/campaigns/{made.pk}/", {"startsAt": at})
    assert changed.status_code == 400 and ("bad_moment", "/startsAt") in faults(changed)
    made.refresh_from_db()
    assert made.starts_at is None and Execution.objects.count() == 0


def test_3_17_who_calls_too_often_is_told_when_to_come_back_at_every_door(campaign: Campaign) -> None:
    to_audience = {
        "campaignId": str(campaign.pk),
        "audience": {"id": str(builders.audience(campaign.workspace).pk)},
        "requestId": "a-1",
    }
    call = Caller(campaign.workspace, "approver")
    ApiCredential.objects.filter(workspace=campaign.workspace).update(calls_per_minute=2)
    with time_machine.travel("2027-01-04T12:00:20Z", tick=False):
        first = call.post(f"{HERE}/audience", to_audience).json()
        assert call.post(f"{HERE}/audience", to_audience).json()["deduplicated"] is True
        for address, given in (
            ("audience", {**to_audience, "requestId": "a-2"}),
            ("unitary", body(campaign)),
        ):
            refused = call.post(f"{HERE}/{address}", given)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many")
            assert refused.headers["Retry-After"] == "40" and refused.json()["status"] == 429
    assert [str(one.pk) for one in Execution.objects.all()] == [first["executionId"]]


@pytest.mark.parametrize(
    "address",
    [f"{HERE}/unitary", f"{HERE}/highthroughput", f"{HERE}/audience", "/api/profiles/bulk/", "/api/events/"],
)
def test_a_body_of_fifty_megabytes_is_refused_before_it_is_read(call: Caller, address: str) -> None:
    """The test client holds one byte: whoever reads for the others that were announced fails."""
    answer = call("POST", address, b"{", CONTENT_LENGTH=str(50 * 2**20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "5 MB" in answer.json()["detail"] and answer.headers["Content-Type"] == "application/problem+json"


def test_3_19_a_campaign_is_of_profiles_or_of_strangers_and_never_both(
    campaign: Campaign, call: Caller
) -> None:
    stranger = recipient(9, type="external", profile={"name": "Ada"})
    wrong = call.post(f"{HERE}/highthroughput", body(campaign, stranger))
    assert faults(wrong) == [("wrong_execution_kind", "/campaignId")]
    made = live_elsewhere()
    there = Caller(made.workspace, "approver")
    assert faults(there.post(f"{HERE}/unitary", body(made))) == [("wrong_execution_kind", "/campaignId")]
    people = Profile.objects.count()
    assert there.post(f"{HERE}/highthroughput", body(made, stranger)).status_code == 202
    assert Profile.objects.count() == people
    assert Message.objects.get().profile_id is None


def live_elsewhere() -> Campaign:
    where = builders.workspace("elsewhere")
    triggered = {"type": "api_triggered", "category": "transactional", "high_throughput": True}
    return builders.live(where, now=timezone.now(), html=HTML, subject="Hi", **triggered)


def test_3_20_the_sample_of_the_documentation_is_taken_as_it_stands(campaign: Campaign, call: Caller) -> None:
    sample = {
        "type": "aep",
        "userId": "p0@example.com",
        "namespace": "email",
        "channelData": {"emailAddress": "p0@example.com"},
        "context": {"resetUrl": "https://x.example/r"},
        "profile": {"person": {"name": {"firstName": "Ada"}}},
    }
    assert call.post(f"{HERE}/unitary", body(campaign, sample)).status_code == 202


# ---- the table of what goes wrong ---------------------------------------------------------------
def test_3c_a_campaign_that_is_not_live_takes_no_calls(campaign: Campaign, call: Caller) -> None:
    approver = builders.person(campaign.workspace, "approver", "other")
    lifecycle.apply(campaign, "pause", actor=approver, now=timezone.now())
    assert faults(call.post(f"{HERE}/unitary", body(campaign))) == [("campaign_not_live", "/campaignId")]


def test_3c_accepted_and_yet_not_sent_says_why(campaign: Campaign, call: Caller, settings: Any) -> None:
    Suppression.objects.create(
        workspace=campaign.workspace, channel="email", address="p0@example.com", reason="manual",
        at=timezone.now(),
    )  # fmt: skip
    assert call.post(f"{HERE}/unitary", body(campaign)).status_code == 202
    call_command("deliver")
    assert Attempt.objects.get().outcome == "excluded"
