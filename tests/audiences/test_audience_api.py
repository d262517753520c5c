"""The REST doors of audiences, by a real credential: what works, every refusal, hostile ids and bodies."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import credentials
from accounts.access import share
from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from audiences import consent, definitions, lifecycle
from audiences.models import Audience, AudienceSize, Profile, Topic
from campaigns.models import Campaign
from tests import builders

pytestmark = pytest.mark.django_db
LIST = "/api/audiences/"


class Caller:
    """A system that calls as a role."""

    def __init__(self, where: Workspace, role: str) -> None:
        self.role = Role.objects.get(workspace=where, builtin=role)
        administrator = builders.person(where, "administrator", f"admin-{role}")
        _row, token = credentials.issue(
            workspace=where, role=self.role, name=role, expires_at=None, actor=administrator, now=builders.NOW
        )
        self.client = Client(headers={"Authorization": f"Bearer {token}", "If-Match": "*"})

    def __call__(self, method: str, address: str, body: Any = None) -> tuple[int, Any]:
        call = getattr(self.client, method)
        given = {} if body is None else {"data": body if isinstance(body, bytes) else json.dumps(body)}
        answer = call(address, content_type="application/json", **given)
        return answer.status_code, json.loads(answer.content) if answer.content else None


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    return made


@pytest.fixture
def manager(where: Workspace) -> Caller:
    return Caller(where, "manager")


def test_an_audience_is_made_read_changed_and_deleted(where: Workspace, manager: Caller) -> None:
    rule = {"field": "name", "op": "starts_with", "value": "Ann"}
    body = {"name": "Ann", "rule": rule, "tags": ["#a"], "state": "draft", "refresh": "daily"}
    status, made = manager("post", LIST, body)
    assert status == 201 and made["rule"] == rule and made["state"] == "draft" and made["tags"] == ["a"]
    assert made["actions"] == ["publish", "duplicate", "delete"]
    address = f"{LIST}{made['id']}/"
    assert manager("get", address) == (200, made)
    status, changed = manager("patch", address, {"name": "Anna", "changedAt": made["changedAt"]})
    assert status == 200 and (changed["name"], changed["rule"]) == ("Anna", rule)
    status, told = manager("patch", address, {"name": "Late", "changedAt": made["changedAt"]})
    assert (status, told["code"]) == (409, "conflict")
    assert manager("delete", address) == (204, None)
    assert manager("get", address)[0] == 404
    verbs = AuditEntry.objects.filter(object_type="audiences.audience").values_list("verb", flat=True)
    assert sorted(verbs) == ["change", "create", "delete"]


@pytest.mark.parametrize("state", Audience.State.values)
def test_actions_name_exactly_the_verbs_that_work(where: Workspace, manager: Caller, state: str) -> None:
    for verb in lifecycle.PRESSABLE:
        audience = builders.audience(where, name=f"{state} {verb}", state=state)
        address = f"{LIST}{audience.pk}/"
        actions = manager("get", address)[1]["actions"]
        call = ("delete", address) if verb == "delete" else ("post", f"{address}{verb}/")
        status, answer = manager(*call)
        assert (status < 300) == (verb in actions), (verb, answer)
        if status >= 300:
            assert (status, answer["code"]) == (409, "illegal_transition")
            assert answer["state"] == state and answer["possible"] == actions


def test_the_list_is_filtered_and_paged_by_a_cursor(where: Workspace, manager: Caller) -> None:
    owner = builders.person(where, "approver")
    for number in range(5):
        builders.audience(where, name=f"A{number}", tags=["even"] if number % 2 == 0 else [], owner=owner)
    builders.audience(where, name="Up", kind="upload", state="archived")

    def names(query: str) -> list[str]:
        status, page = manager("get", f"{LIST}?{query}")
        assert status == 200, page
        return [row["name"] for row in page["results"]]

    assert names("kind=upload") == names("state=archived") == names("search=up") == ["Up"]
    assert names("tag=even") == ["A4", "A2", "A0"]
    assert len(names(f"owner={owner.email}")) == 5
    page = manager("get", f"{LIST}?limit=4")[1]
    rest = manager("get", page["next"])[1]
    assert [row["name"] for row in page["results"] + rest["results"]] == ["Up", "A4", "A3", "A2", "A1", "A0"]
    for wrong in ("state=x", "kind=%00"):
        assert manager("get", f"{LIST}?{wrong}")[0] == 400
    assert names("search=%00zz&tag=%00&owner=%00") == []


def test_a_list_of_200_costs_what_a_list_of_one_costs(
    where: Workspace, manager: Caller, django_assert_num_queries: Any
) -> None:
    builders.audience(where, name="first")
    manager("get", LIST)  # the first call of a minute notes when the credential was used
    with django_assert_num_queries(9):
        manager("get", f"{LIST}?limit=1000")
    Audience.objects.bulk_create(Audience(workspace=where, name=f"A{n}", tags=["t"]) for n in range(200))
    with django_assert_num_queries(9):
        assert len(manager("get", f"{LIST}?limit=1000")[1]["results"]) == 201


def test_it_is_evaluated_and_its_sizes_and_people_are_read(where: Workspace, manager: Caller) -> None:
    audience = builders.audience(where)
    person = Profile.objects.order_by("pk")[1]
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=builders.NOW)
    AudienceSize.objects.create(
        audience=audience, at=builders.NOW - timedelta(days=1), people=4, milliseconds=1
    )
    address = f"{LIST}{audience.pk}/"
    status, told = manager("post", f"{address}evaluate/")
    assert (status, told["people"]) == (200, 6)
    email = next(row for row in told["reach"] if row["channel"] == "email")
    assert (email["reached"], [(row["reason"], row["people"]) for row in email["excluded"]]) == (
        5,
        [("050101", 1)],
    )
    assert [row["people"] for row in manager("get", f"{address}sizes/")[1]["results"]] == [6, 4]
    assert manager("get", address)[1]["people"] == 6
    found, following = [], f"{address}members/?limit=4"
    while following:
        page = manager("get", following)[1]
        found += [row["id"] for row in page["results"]]
        following = page["next"]
    assert found == list(Profile.objects.order_by("pk").values_list("pk", flat=True))
    only = manager("get", f"{address}members/?channel=email&reason=050101")[1]["results"]
    assert only == [{"id": person.pk, "email": person.email, "phone": None, "externalId": None}]
    for wrong in ("channel=fax", "reason=x", "cursor=-1", "cursor=9223372036854775808", "limit=0", "limit=x"):
        assert manager("get", f"{address}members/?{wrong}")[0] == 400, wrong


def test_it_says_why_a_person_is_in_it_or_not(where: Workspace, manager: Caller) -> None:
    rule = {
        "all": [{"field": "name", "op": "is", "value": "Ann 2"}, {"field": "email", "op": "is_not_empty"}]
    }
    audience = builders.audience(where, rule=rule)
    person = Profile.objects.get(email="p2@example.com")
    address = f"{LIST}{audience.pk}/explain/"
    status, told = manager("get", f"{address}?profile={person.pk}")
    assert status == 200 and told["met"] is True
    assert [child["met"] for child in told["children"]] == [True, True]
    assert manager("get", f"{address}?profile={person.pk + 1}")[1]["met"] is False
    stranger = builders.profiles(builders.workspace("other"), 1)[0]
    for missing in (stranger.pk, 0, 2**63 - 1):
        assert manager("get", f"{address}?profile={missing}")[0] == 404
    for wrong in ("", "?profile=x", "?profile=-1", f"?profile={2**63}", "?profile=%00", "?profile=٣"):
        assert manager("get", address + wrong)[0] == 400, wrong


def test_a_subscription_audience_names_a_topic_by_its_key(where: Workspace, manager: Caller) -> None:
    Topic.objects.create(workspace=where, key="news", name="News")
    body = {"name": "Readers", "kind": "subscription", "topic": "news"}
    status, made = manager("post", LIST, body)
    assert (status, made["topic"]) == (201, "news")
    status, told = manager("patch", f"{LIST}{made['id']}/", {"rule": {}, "name": "x"})
    assert status == 200  # the rule is as empty as it was
    status, told = manager("patch", f"{LIST}{made['id']}/", {"rule": {"all": []}})
    assert (status, told["code"]) == (409, "illegal_transition")


WRONG: list[tuple[Any, str, str]] = [
    ([], "invalid", ""),
    ({}, "required", "/name"),
    ({"name": ""}, "blank", "/name"),
    ({"name": "x" * 101}, "max_length", "/name"),
    ({"name": "a\0b"}, "null_characters_not_allowed", "/name"),
    ({"name": "\ud800"}, "surrogate_characters_not_allowed", "/name"),
    ({"name": "N", "id": 4}, "unknown_field", "/id"),
    ({"name": "N", "workspace": 4}, "unknown_field", "/workspace"),
    ({"name": "N", "changedAt": "2026-01-01T00:00Z"}, "unknown_field", "/changedAt"),
    ({"name": "N", "kind": "magic"}, "invalid_choice", "/kind"),
    ({"name": "N", "state": "archived"}, "invalid_choice", "/state"),
    ({"name": "N", "rule": []}, "rule_not_object", "/rule"),
    ({"name": "N", "rule": "x"}, "rule_not_object", "/rule"),
    ({"name": "N", "rule": {"all": [{"field": "nmae"}]}}, "rule_unknown_field", "/rule/all/0/field"),
    ({"name": "N", "kind": "subscription"}, "topic_missing", "/topic"),
    ({"name": "N", "kind": "subscription", "topic": "x"}, "unknown_topic", "/topic"),
    ({"name": "N", "topic": {"a": 1}}, "invalid", "/topic"),
    ({"name": "N", "owner": "x"}, "unknown_owner", "/owner"),
    ({"name": "N", "owner": "eve@other.example"}, "unknown_owner", "/owner"),
    ({"name": "N", "labels": ["VIP"]}, "label_not_held", "/labels/0"),
    ({"name": "N", "labels": "VIP"}, "not_a_list", "/labels"),
    ({"name": "N", "tags": ["x" * 60]}, "max_length", "/tags/0"),
    ({"name": "N", "tags": [f"t{n}" for n in range(21)]}, "max_length", "/tags"),
    ({"name": "N", "refresh": "yearly"}, "invalid_choice", "/refresh"),
    ({"name": "Taken", "everybody": True}, "name_taken", "/name"),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("body", "code", "pointer"), WRONG)
def test_a_wrong_body_is_told_with_its_place_and_makes_nothing(
    where: Workspace, manager: Caller, body: Any, code: str, pointer: str
) -> None:
    AccessLabel.objects.create(workspace=where, name="VIP")
    builders.audience(where, name="Taken")
    status, told = manager("post", LIST, body)
    assert status == 400, told
    assert (code, pointer) in [(one["code"], one["pointer"]) for one in told["errors"]], told
    assert Audience.objects.count() == 1


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 5000, b'{"name": NaN}', b"\xff\xfe", b'"x"', b"null"])
def test_what_is_no_json_object_is_told(where: Workspace, manager: Caller, raw: bytes) -> None:
    assert manager("post", LIST, raw)[0] == 400
    assert not Audience.objects.exists()


@pytest.mark.parametrize("pk", ["0", "-1", "9223372036854775808", "9" * 400, "1%20OR%201=1", "%00", "x"])
def test_an_id_that_names_nothing_is_missing(where: Workspace, manager: Caller, pk: str) -> None:
    for part in ("", "sizes/", "members/", "evaluate/", "publish/"):
        method = "post" if part in ("evaluate/", "publish/") else "get"
        assert manager(method, f"{LIST}{pk}/{part}")[0] == 404, part


def everything(pk: int) -> list[tuple[str, str, Any]]:
    one = f"{LIST}{pk}/"
    where = Audience.objects.get(pk=pk).workspace
    share_one = f"{one}shares/role:{Role.objects.get(workspace=where, builtin='viewer').pk}/"
    verbs = [("post", f"{one}{verb}/", None) for verb in lifecycle.PRESSABLE if verb != "delete"]
    return [
        ("get", one, None),
        ("patch", one, {"name": "Mine"}),
        ("get", f"{one}sizes/", None),
        ("get", f"{one}members/", None),
        ("get", f"{one}explain/?profile={Profile.objects.values_list('pk', flat=True)[0]}", None),
        ("post", f"{one}evaluate/", None),
        ("get", f"{one}shares/", None),
        ("put", share_one, {"level": "view"}),
        ("delete", share_one, None),
        *verbs,
        ("delete", one, None),
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("role", ["administrator", "approver", "manager", "viewer", "stranger", "unlabelled"])
def test_each_role_may_do_what_it_may_and_nothing_else(where: Workspace, role: str) -> None:
    audience = builders.audience(where, state="draft")
    if role == "stranger":
        caller = Caller(builders.workspace("other"), "administrator")
    elif role == "unlabelled":
        caller = Caller(where, "administrator")
        audience.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    else:
        caller = Caller(where, role)
    if role in ("viewer", "stranger", "unlabelled"):
        for method, address, body in everything(audience.pk):
            assert caller(method, address, body)[0] == 404, (method, address)
        audience.refresh_from_db()
        assert (audience.name, audience.state, audience.counted) == ("Everybody", "draft", None)
        if role == "viewer":
            for method, body in (("get", None), ("post", {"name": "N"})):
                status, told = caller(method, LIST, body)
                assert status == 403 and told["permission"].startswith("audiences."), told
        elif role == "stranger":
            assert caller("get", LIST)[1]["results"] == []
        return
    expected = {"publish": 200, "archive": 200, "unarchive": 200, "duplicate": 201}
    for method, address, body in everything(audience.pk):
        status, told = caller(method, address, body)
        wanted = 204 if method == "delete" else expected.get(address.split("/")[-2], 200)
        assert status == wanted, (method, address, told)


def test_a_rule_that_finds_everybody_is_confirmed_a_second_time(where: Workspace, manager: Caller) -> None:
    for rule in ({}, {"all": []}, {"field": "email", "op": "contains", "value": "@"}):
        status, told = manager("post", LIST, {"name": "All", "rule": rule})
        assert (status, told["code"]) == (409, "confirmation_needed")
    assert not Audience.objects.exists()
    body = {"name": "All", "rule": {}, "everybody": True}
    status, made = manager("post", LIST, body)
    assert status == 201 and "everybody" not in made
    few = {"field": "email", "op": "is", "value": "p1@example.com"}
    assert manager("patch", f"{LIST}{made['id']}/", {"rule": few})[0] == 200
    assert manager("patch", f"{LIST}{made['id']}/", {"rule": {"all": []}})[0] == 409
    assert Audience.objects.get().rule == few
    assert manager("patch", f"{LIST}{made['id']}/", {"rule": {"all": []}, "everybody": True})[0] == 200


def test_who_was_given_a_composition_alone_does_not_learn_what_it_is_made_of(where: Workspace) -> None:
    part = builders.audience(where, name="Secret plan")
    whole = builders.audience(
        where, name="Whole", kind="composition", composition={"union": [{"audience": part.pk}]}
    )
    reader = builders.person(where, "viewer")
    share(whole, reader, ["view_audience"])
    assert "Secret plan" not in definitions.words(whole, reader)
    share(part, reader, ["view_audience"])
    assert "Secret plan" in definitions.words(whole, reader)


def test_who_may_only_see_it_is_told_the_missing_right(where: Workspace) -> None:
    caller, audience = Caller(where, "viewer"), builders.audience(where)
    share(audience, caller.role, ["view_audience"])
    assert caller("get", f"{LIST}{audience.pk}/")[1]["actions"] == []
    assert [row["id"] for row in caller("get", LIST)[1]["results"]] == [audience.pk]
    one = f"{LIST}{audience.pk}/"
    for method, address, body in everything(audience.pk):
        status, told = caller(method, address, body)
        is_reading = address.endswith("sizes/") or (method, address) == ("get", one)
        assert status == (200 if is_reading else 403), (method, address, told)
        assert is_reading or told["permission"] == "audiences.manage_audience"


def test_other_methods_are_refused(where: Workspace, manager: Caller) -> None:
    audience = builders.audience(where)
    for method, address in (("put", f"{LIST}{audience.pk}/"), ("delete", LIST), ("get", f"{LIST}1/publish/")):
        assert manager(method, address)[0] == 405
    anonymous = Client().get(LIST)
    assert anonymous.status_code == 401


def test_what_is_used_cannot_be_deleted_and_its_users_are_named(where: Workspace, manager: Caller) -> None:
    audience = builders.audience(where)
    Campaign.objects.create(workspace=where, name="Winter", audience=audience)
    status, told = manager("delete", f"{LIST}{audience.pk}/")
    assert (status, told["code"], told["uses"]) == (409, "audience_in_use", ["campaign “Winter”"])
    assert Audience.objects.count() == 1
