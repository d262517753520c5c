"""Row 3D of the reference catalogue: previews and proofs by the reference product's own addresses."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User, Workspace
from audiences.models import Profile
from campaigns import actions
from campaigns.models import Campaign, Message, Run
from tests import builders
from tests.api import Caller, pointers
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
ADA = {"userId": "ada@example.com", "namespace": "email"}
TO = {"channel": "email", "emailAddresses": ["a@house.example"]}


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def author(where: Workspace) -> User:
    return builders.person(where, "manager")


@pytest.fixture
def ada(where: Workspace) -> Profile:
    return Profile.objects.create(
        workspace=where, email="ada@example.com", is_test=True, attributes={"name": "Ada"}
    )


def bilingual(where: Workspace, author: User, **changes: Any) -> Campaign:
    made = builders.draft(
        where,
        author,
        type="api_triggered",
        category="transactional",
        subject="Code {{ context.code }} for {{ profile.name }}",
        html="<p>Hi</p>",
        languages={"default": "en", "others": ["zh-Hant"], "when_missing": "default"},
        **changes,
    )
    chinese = {"subject": "{{ profile.name }} 的密碼", "html": "<p>嗨</p>"}
    actions.write(
        made, 0, chinese, language="zh-Hant", revision=made.revision, actor=author, now=timezone.now()
    )
    return made


def address(campaign: Campaign, what: str) -> str:
    return f"/ajo/simulations/campaigns/{campaign.pk}/{what}"


def test_every_content_is_shown_for_everybody_named_and_nothing_is_written(
    where: Workspace, author: User, ada: Profile
) -> None:
    campaign, call = bilingual(where, author), Caller(where, "manager")
    nobody = {"userId": "x", "namespace": "email", "profileAttributes": {"name": "Bo"}}
    items = [{**ADA, "contextAttributes": {"code": "7"}}, nobody]
    answer = call.post(address(campaign, "previews"), {"previewRequestItems": items})
    assert answer.status_code == 200
    told = answer.json()["previews"]
    assert [(one["userId"], one["language"], one["content"]["subject"]) for one in told] == [
        ("ada@example.com", "", "Code 7 for Ada"),
        ("ada@example.com", "zh-Hant", "Ada 的密碼"),
        ("x", "", "Code [code] for Bo"),
        ("x", "zh-Hant", "Bo 的密碼"),
    ]
    assert len({one["variantId"] for one in told}) == 2 and told[0]["channel"] == "email"
    assert told[1]["content"]["html"] == "<p>嗨</p>"
    assert not Run.objects.exists() and Profile.objects.count() == 1


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({**ADA, "userId": "no@example.com"}, ("unknown_recipient", "/previewRequestItems/0/userId")),
        ({**ADA, "namespace": "x"}, ("unknown_namespace", "/previewRequestItems/0/namespace")),
        ({**ADA, "more": 1}, ("unknown_field", "/previewRequestItems/0/more")),
        ({"userId": "x"}, ("required", "/previewRequestItems/0/namespace")),
        ({**ADA, "contextAttributes": {"a": "\0"}}, ("not_storable", "/previewRequestItems/0")),
    ],
)
def test_a_wrong_preview_is_told_what_and_where(
    where: Workspace, author: User, ada: Profile, item: dict[str, Any], fault: tuple[str, str]
) -> None:
    answer = Caller(where).post(
        address(bilingual(where, author), "previews"), {"previewRequestItems": [item]}
    )
    assert (answer.status_code, pointers(answer)) == (400, [fault])


def test_a_job_of_proofs_is_sent_told_and_polled(where: Workspace, author: User, ada: Profile) -> None:
    call = Caller(where, "manager")
    with FakeSmtp() as server:
        campaign = bilingual(where, author, configuration=builders.smtp(where, server.port))
        to = {**TO, "emailAddresses": ["a@house.example", "refuse@house.example"], "subjectPrefix": "[T]"}
        stranger = {"userId": "x", "namespace": "email", "channelsData": [TO], "profile": {"name": "Bo"}}
        people = [{**ADA, "channelsData": [to], "context": {"code": "7"}}, stranger]
        answer = call.post(address(campaign, "proofs"), {"recipients": people})
        assert answer.status_code == 202
        job = answer.json()
        assert job["status"] == "CREATED"
        assert [(one["targeted"], one["submitted"]) for one in job["proofs"]] == [(2, 0)] * 2 + [(1, 0)] * 2
        call_command("deliver")
        subjects = sorted(str(one.parsed["Subject"]) for one in server.accepted)
    assert "[T] Code 7 for Ada" in subjects and "[T] Ada 的密碼" in subjects
    assert len(subjects) == 4
    over = call.get(address(campaign, f"proofs/{job['proofJobId']}")).json()
    assert over["status"] == "PARTIALLY_FAILED" and over["proofJobId"] == job["proofJobId"]
    assert [one["status"] for one in over["proofs"]] == ["PARTIALLY_FAILED"] * 2 + ["SUBMITTED"] * 2
    assert over["proofs"][0]["proofFailureReasons"] and not over["proofs"][2]["proofFailureReasons"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"channelsData": []}, ("min_length", "/recipients/0/channelsData")),
        (
            {"channelsData": [{"channel": "email", "emailAddresses": ["no"]}]},
            ("bad_email", "/recipients/0/channelsData/0/emailAddresses/0"),
        ),
        (
            {"channelsData": [{**TO, "phoneNumbers": ["+886912345678"]}]},
            ("unknown_field", "/recipients/0/channelsData/0/phoneNumbers"),
        ),
        (
            {"channelsData": [TO, {"channel": "sms", "phoneNumbers": ["+886912345678"]}]},
            ("unknown_action", "/recipients/0/channelsData/1/channel"),
        ),
        (
            {"channelsData": [{**TO, "subjectPrefix": "<b>"}]},
            ("bad_prefix", "/recipients/0/channelsData/0/subjectPrefix"),
        ),
        ({"userId": "p0@example.com"}, ("unknown_profile", "/recipients/0/userId")),
    ],
)
def test_a_wrong_job_is_told_where_and_nothing_of_it_is_sent(
    where: Workspace, author: User, ada: Profile, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    builders.profiles(where, 1)  # a person, but no test profile
    body = {"recipients": [{**ADA, "channelsData": [TO], **changes}]}
    answer = Caller(where).post(address(bilingual(where, author), "proofs"), body)
    assert (answer.status_code, pointers(answer)) == (400, [fault])
    assert not Run.objects.exists() and not Message.objects.exists()


def test_a_job_is_found_in_its_own_campaign_only(where: Workspace, author: User, ada: Profile) -> None:
    call, campaign = Caller(where), bilingual(where, author)
    body = {"recipients": [{**ADA, "channelsData": [TO]}]}
    job = call.post(address(campaign, "proofs"), body).json()["proofJobId"]
    assert call.get(address(campaign, f"proofs/{job}")).status_code == 200
    other = builders.draft(where, author, name="Other")
    for pk, name in ((other.pk, job), (campaign.pk, "0"), (campaign.pk, "1-x"), (campaign.pk, "9" * 30)):
        assert call.get(f"/ajo/simulations/campaigns/{pk}/proofs/{name}").status_code == 404
    for what, given in (("proofs", body), ("previews", {"previewRequestItems": [ADA]})):
        assert Caller(where, "viewer").post(address(campaign, what), given).status_code == 403
