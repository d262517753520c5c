"""Identities in namespaces, and the bulk writer of people that finds them by these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts.models import AuditEntry, User, Workspace
from audiences import identities, namespaces, profiles
from audiences.models import AttributeDefinition, Identity, Profile
from audiences.upsert import Given, upsert
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests import builders

pytestmark = pytest.mark.django_db
LINE = "U" + "0a" * 16
NOW = builders.NOW


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    namespaces.add_namespace(made, key="card", actor=builders.person(made, "administrator"), now=NOW)
    return made


@pytest.fixture
def manager(where: Workspace) -> User:
    return builders.person(where, "manager")


POINT = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SUBSCRIPTION = {  # longer than an index takes
    "endpoint": "https://push.example/" + "".join(f"{n:04x}" for n in range(360)),
    "keys": {"auth": "BTBZMqHH6r4Tts7J_aSIgg", "p256dh": POINT},
}
TOKEN = "dGVzdA:APA91b_Gk-7mQx2Lw9"
NAMED = [
    ("email", " ANA@Example.com", "ana@example.com"),
    ("phone", "+886 912-345-678", "+886912345678"),
    ("external_id", " crm 7 ", "crm 7"),
    ("push_token", f" FCM:{TOKEN}", f"fcm:{TOKEN}"),
    ("push_token", f"apns:<{'0A1B2C3D ' * 8}>", f"apns:{'0a1b2c3d' * 8}"),
    ("line_id", LINE, LINE),
    ("card", "0001", "0001"),
    ("webpush", json.dumps(SUBSCRIPTION), json.dumps(SUBSCRIPTION, separators=(",", ":"))),
]


@pytest.mark.parametrize(("namespace", "given", "stored"), NAMED)
def test_a_person_is_made_and_found_by_an_identity_of_every_namespace(
    where: Workspace, namespace: str, given: str, stored: str
) -> None:
    assert profiles.find(where, namespace, given) is None
    made = profiles.find_or_create(where, namespace, given, NOW)
    assert (
        profiles.find_or_create(where, namespace, given, NOW)
        == made
        == profiles.find(where, namespace, given)
    )
    assert identities.identities_of([made])[made.pk] == [(namespace, stored)]
    other = builders.workspace("other")
    if namespace != "card":
        assert profiles.find(other, namespace, given) is None


@pytest.mark.parametrize(
    ("namespace", "value", "code"),
    [
        *[("email", "nobody", "bad_email"), ("phone", "12", "bad_phone"), ("line_id", "Ux", "bad_line_id")],
        *[("external_id", "", "bad_identity"), ("external_id", "x" * 129, "bad_identity")],
        *[
            ("push_token", "x" * 501, "bad_identity"),
            ("push_token", TOKEN, "bad_push_token"),
            ("card", "a\0", "control_char"),
        ],
        *[("webpush", "{}", "bad_subscription"), ("webpush", "[" * 1000, "bad_subscription")],
        *[("card", "\ud800", "control_char"), ("email", "a@x.tw\r\nBcc: b@x.tw", "control_char")],
        *[("email", None, "bad_identity"), ("email", ["a@x.tw"], "bad_identity")],
        *[("nowhere", "x", "unknown_namespace"), ("id", "1", "unknown_namespace")],
        *[("attributes__name", "x", "unknown_namespace"), ({}, "x", "unknown_namespace")],
    ],
)
def test_a_wrong_identity_is_refused(where: Workspace, namespace: Any, value: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        profiles.find_or_create(where, namespace, value, NOW)
    assert caught.value.problems[0].code == code
    assert not Profile.objects.exists()


def test_an_identity_belongs_to_one_person_and_the_refusal_does_not_tell_who(
    where: Workspace, manager: User
) -> None:
    ana = profiles.find_or_create(where, "email", "ana@example.com", NOW)
    ben = profiles.find_or_create(where, "email", "ben@example.com", NOW)
    for namespace, value in (("line_id", LINE), ("phone", "+886912345678")):
        assert identities.attach(ana, namespace, value, actor=manager, now=NOW)
        assert not identities.attach(ana, namespace, value, actor=manager, now=NOW)
        with pytest.raises(Invalid) as caught:
            identities.attach(ben, namespace, value, actor=manager, now=NOW)
        assert caught.value.code == "identity_taken"
        assert "ana" not in caught.value.detail and value not in caught.value.detail
    assert len(identities.identities_of([ben])[ben.pk]) == 1
    assert "ana" not in str(list(AuditEntry.objects.filter(verb="attach_identity").values("details")))


def test_the_last_identity_stays(where: Workspace, manager: User) -> None:
    ana = profiles.find_or_create(where, "email", "ana@example.com", NOW)
    identities.attach(ana, "card", "1", actor=manager, now=NOW)
    identities.attach(ana, "card", "2", actor=manager, now=NOW)
    assert identities.detach(ana, "card", "1", actor=manager, now=NOW)
    assert not identities.detach(ana, "card", "1", actor=manager, now=NOW)
    assert identities.detach(ana, "email", "ana@example.com", actor=manager, now=NOW)
    with pytest.raises(Invalid, match="only identity"):
        identities.detach(ana, "card", "2", actor=manager, now=NOW)
    assert identities.identities_of([ana])[ana.pk] == [("email", "ana@example.com"), ("card", "2")]
    ana.refresh_from_db()
    assert identities.identities_of([ana])[ana.pk] == [("card", "2")]


def test_a_viewer_changes_no_identity_and_no_namespace(where: Workspace) -> None:
    viewer = builders.person(where, "viewer")
    ana = profiles.find_or_create(where, "email", "ana@example.com", NOW)
    for attempt in (
        lambda: identities.attach(ana, "card", "1", actor=viewer, now=NOW),
        lambda: identities.detach(ana, "email", "ana@example.com", actor=viewer, now=NOW),
        lambda: namespaces.add_namespace(where, key="shop", actor=viewer, now=NOW),
        lambda: upsert(where, [Given([("card", "1")])], actor=viewer, now=NOW),
    ):
        with pytest.raises(PermissionMissing):
            attempt()
    assert not Identity.objects.exists()


def test_a_namespace_in_use_is_not_removed(where: Workspace, manager: User) -> None:
    card = where.identity_namespaces.get()
    profiles.find_or_create(where, "card", "1", NOW)
    with pytest.raises(IllegalTransition):
        namespaces.remove_namespace(card, actor=manager, now=NOW)
    Identity.objects.all().delete()
    namespaces.remove_namespace(card, actor=manager, now=NOW)
    assert "card" not in namespaces.namespaces_of(where)


@pytest.mark.parametrize(
    ("key", "code"),
    [("email", "reserved_key"), ("card", "key_taken"), ("A", "bad_key"), ("a\0", "bad_key"), (5, "bad_key")],
)
def test_a_wrong_namespace_is_refused(where: Workspace, manager: User, key: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        namespaces.add_namespace(where, key=key, actor=manager, now=NOW)
    assert caught.value.code == code


def write(where: Workspace, actor: User, *items: Given, **options: Any) -> list[tuple[str, str]]:
    """What became of each item: its status and the code of its first problem."""
    outcomes = upsert(where, items, actor=actor, now=NOW, **options)
    return [(one.status, one.problems[0].code if one.problems else "") for one in outcomes]


def email(number: Any, **fields: Any) -> Given:
    return Given([("email", f"p{number}@example.com")], **fields)


def test_thousands_are_written_with_one_number_of_queries(
    where: Workspace, manager: User, django_assert_max_num_queries: Any
) -> None:
    builders.profiles(where, 3)
    for count in (3, 300):
        items = [
            Given([("email", f"p{n}@example.com"), ("card", str(n))], attributes={"name": f"{count} {n}"})
            for n in range(count * 2)
        ]
        with django_assert_max_num_queries(17):
            found = write(where, manager, *items)
        assert {status for status, _code in found} == {"created", "changed"}
    assert Profile.objects.count() == 600 == Identity.objects.count()
    assert {status for status, _code in write(where, manager, *items)} == {"unchanged"}


def test_each_item_is_told_what_became_of_it(where: Workspace, manager: User) -> None:
    builders.profiles(where, 2)
    before = Profile.objects.get(email="p0@example.com").changed_at
    found = write(
        where,
        manager,
        email(0, attributes={"name": "Ann 0"}),
        email(1, attributes={"name": None}, locale="zh_TW"),
        email(2, attributes={"nmae": "x"}),
        email(3, time_zone="Mars", locale="\0"),
        email(1),
        Given([]),
        Given([("email", "new@example.com"), ("email", "b@example.com")]),
        email("new"),
    )
    assert found == [
        ("unchanged", ""),
        ("changed", ""),
        ("rejected", "unknown_attribute"),
        ("rejected", "row_bad_locale"),
        ("rejected", "duplicate_item"),
        ("rejected", "bad_identities"),
        ("rejected", "second_identity"),
        ("created", ""),
    ]
    changed = Profile.objects.get(email="p1@example.com")
    assert (changed.locale, changed.attributes) == ("zh-TW", {})
    assert Profile.objects.get(email="p0@example.com").changed_at == before
    assert Profile.objects.count() == 3


def test_the_strongest_identity_says_who_is_meant(where: Workspace, manager: User) -> None:
    a = Given([("external_id", "A"), ("email", "a@example.com")])
    b = Given([("external_id", "B"), ("email", "b@example.com")])
    assert write(where, manager, a, b) == [("created", "")] * 2
    moved = Given([("email", "a2@example.com"), ("external_id", "A")])
    assert write(where, manager, moved) == [("changed", "")]
    assert Profile.objects.get(external_id="A").email == "a2@example.com"
    for wrong in (
        Given([("external_id", "A"), ("email", "b@example.com")]),  # two people
        Given([("external_id", "C"), ("email", "b@example.com")]),  # her email, another's id
    ):
        assert write(where, manager, wrong) == [("rejected", "identity_conflict")]
    keyed = Given([("email", "b@example.com"), ("external_id", "C")], has_key=True)
    assert write(where, manager, keyed) == [("changed", "")]
    assert list(Profile.objects.order_by("pk").values_list("external_id", flat=True)) == ["A", "C"]


def test_an_unknown_or_a_known_person_can_be_refused(where: Workspace, manager: User) -> None:
    builders.profiles(where, 1)
    assert write(where, manager, email(1), may_create=False) == [("rejected", "unknown_person")]
    assert write(where, manager, email(0, locale="en"), may_change=False) == [("rejected", "identity_taken")]
    assert Profile.objects.get().locale == ""


def test_typed_values_are_kept_in_their_stored_form(where: Workspace, manager: User) -> None:
    for key, kind in (("points", "number"), ("vip", "boolean"), ("tags", "list")):
        AttributeDefinition.objects.create(workspace=where, key=key, type=kind)
    given = {"points": "12", "vip": "是", "tags": ["a"], "name": "林"}
    assert write(where, manager, email(0, attributes=given)) == [("created", "")]
    assert Profile.objects.get().attributes == {"points": 12, "vip": True, "tags": ["a"], "name": "林"}
