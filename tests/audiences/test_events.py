"""Events about people: written once, refused with their place, kept by month."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User, Workspace
from audiences import events, months
from audiences.events import Happened
from audiences.models import Profile, ProfileEvent
from common.errors import PermissionMissing
from tests import builders

pytestmark = pytest.mark.django_db
NOW = builders.NOW


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 3)
    return made


@pytest.fixture
def manager(where: Workspace) -> User:
    return builders.person(where, "manager")


def bought(number: int = 0, **fields: Any) -> Happened:
    given = {"name": "order.paid", "at": NOW, "identity": ("email", f"p{number}@example.com"), **fields}
    return Happened(**given)


def record(where: Workspace, actor: User, *given: Happened, **options: Any) -> list[tuple[str, str, str]]:
    outcomes = events.record(where, given, actor=actor, now=NOW, **options)
    first = [one.problems[0] if one.problems else None for one in outcomes]
    return [
        (one.status, problem.code if problem else "", problem.pointer if problem else "")
        for one, problem in zip(outcomes, first, strict=True)
    ]


def test_an_event_is_kept_with_its_person(where: Workspace, manager: User) -> None:
    person = Profile.objects.order_by("pk")[1]
    given = [
        bought(0, properties={"total": 12.5, "sku": "林"}, key="o-1"),
        bought(profile_id=person.pk, identity=None),
    ]
    assert [one[0] for one in record(where, manager, *given)] == ["recorded", "recorded"]
    first, second = ProfileEvent.objects.order_by("id")
    assert (first.name, first.at, first.properties, first.key) == (
        "order.paid",
        NOW,
        {"total": 12.5, "sku": "林"},
        "o-1",
    )
    assert second.profile_id == person.pk


def test_the_same_key_and_time_is_the_same_event(where: Workspace, manager: User) -> None:
    again = bought(key="o-1")
    assert [one[0] for one in record(where, manager, again, again, bought(), bought())] == [
        "recorded",
        "repeated",
        "recorded",
        "recorded",
    ]
    later = bought(key="o-1", at=NOW - timedelta(days=40))
    assert [one[0] for one in record(where, manager, again, later)] == ["repeated", "recorded"]
    assert ProfileEvent.objects.count() == 4


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("wrong", "code", "pointer"),
    [
        *[
            ({"name": one}, "bad_name", "/name")
            for one in ("", "Order", "a b", "a'b", "a" * 64, None, 5, "a\0")
        ],
        ({"at": "2026-11-24T10:00"}, "naive_datetime", "/at"),
        *[({"at": one}, "bad_datetime", "/at") for one in (None, 1e9, "2026-02-30T00:00Z", "9999-99-99")],
        ({"at": NOW + timedelta(days=1, seconds=1)}, "in_the_future", "/at"),
        ({"at": "9999-12-31T00:00Z"}, "in_the_future", "/at"),
        ({"at": "2024-09-30T23:59:59Z"}, "too_old", "/at"),
        ({"at": "0001-01-01T00:00Z"}, "too_old", "/at"),
        ({"identity": None}, "bad_person", "/identity"),
        ({"profile_id": 1}, "bad_person", "/identity"),
        ({"identity": ("email", "x")}, "bad_email", "/identity/value"),
        ({"identity": ("shoe", "x")}, "unknown_namespace", "/identity/namespace"),
        ({"identity": ("email", "new@example.com")}, "unknown_person", "/identity/value"),
        *[
            ({"identity": None, "profile_id": one}, "bad_person", "/profileId")
            for one in (0, -1, 2**63, "1", True, 1.5)
        ],
        ({"identity": None, "profile_id": 2**62}, "unknown_person", "/profileId"),
        *[({"properties": one}, "bad_properties", "/properties") for one in ([], None, "x")],
        ({"properties": {str(n): n for n in range(51)}}, "bad_properties", "/properties"),
        *[
            ({"properties": {"x": one}}, "bad_property", "/properties/x")
            for one in ([1], {"a": 1}, 1e400, float("nan"), 10**400, 2**63)
        ],
        ({"properties": {"x": "a\0"}}, "bad_unicode", "/properties"),
        ({"properties": {"x": "\ud800"}}, "bad_unicode", "/properties"),
        ({"properties": {"a/b\0": 1}}, "bad_property", "/properties/a~1b\0"),
        ({"properties": {"x": "y" * 9000}}, "too_large", "/properties"),
        *[({"key": one}, "bad_key", "/key") for one in ("x" * 129, 5, "a\0")],
    ],
)
def test_a_wrong_event_is_told_and_the_others_are_kept(
    where: Workspace, manager: User, wrong: Any, code: str, pointer: str
) -> None:
    found = record(where, manager, bought(**wrong), bought(1))
    assert found == [("rejected", code, pointer), ("recorded", "", "")]
    assert ProfileEvent.objects.count() == 1


def test_unknown_people_are_made_when_asked(where: Workspace, manager: User) -> None:
    unknown = bought(identity=("push_token", "fcm:" + "t-1" * 9))
    assert record(where, manager, unknown)[0][:2] == ("rejected", "unknown_person")
    assert record(where, manager, unknown, unknown, create_profiles=True)[1][0] == "recorded"
    assert Profile.objects.count() == 4
    assert record(where, manager, unknown)[0][0] == "recorded"


def test_no_other_workspace_s_person_gets_an_event(where: Workspace) -> None:
    other = builders.workspace("other")
    stranger = builders.person(other, "manager")
    person = Profile.objects.filter(workspace=where).first()
    assert person
    given = [bought(0), bought(identity=None, profile_id=person.pk)]
    assert {code for _s, code, _p in record(other, stranger, *given)} == {"unknown_person"}
    with pytest.raises(PermissionMissing):
        record(where, stranger, *given)
    with pytest.raises(PermissionMissing):
        record(where, builders.person(where, "viewer"), *given)
    assert not ProfileEvent.objects.exists()


def test_the_number_of_queries_does_not_grow(
    where: Workspace, manager: User, django_assert_max_num_queries: Any
) -> None:
    given = [bought(identity=("email", f"n{n}@example.com"), key=str(n)) for n in range(500)]
    record(where, manager, bought())
    with django_assert_max_num_queries(25):
        record(where, manager, *given, create_profiles=True)
    assert ProfileEvent.objects.count() == 501


def test_events_are_paged_without_gaps(where: Workspace, manager: User) -> None:
    record(where, manager, *[bought(at=NOW - timedelta(minutes=n // 2)) for n in range(7)])
    person = Profile.objects.get(email="p0@example.com")
    seen: list[int] = []
    before = None
    while page := events.page_of(person, before=before, size=2):
        seen += [one.id for one in page]
        before = (page[-1].at, page[-1].id)
    assert len(seen) == len(set(seen)) == 7


def test_months_are_made_ahead_and_dropped_when_they_are_old(
    where: Workspace, manager: User, settings
) -> None:
    settings.EVENT_RETENTION_MONTHS = 2
    record(where, manager, bought(at="2026-09-01T00:00Z"), bought(at="2026-10-31T23:59:59Z"), bought())
    assert months.keep(NOW) == []
    assert {(2026, 9), (2026, 10), (2026, 11), (2026, 12), (2027, 1)} <= months.existing()
    assert months.keep(NOW + timedelta(days=31)) == [(2026, 9)]
    assert ProfileEvent.objects.count() == 2
    old = record(where, manager, bought(at="2026-08-31T23:59:59Z"))
    assert old[0][1] == "too_old"


@pytest.mark.django_db(transaction=True)
def test_two_who_need_the_same_new_month_at_once_both_get_it() -> None:
    faults: list[BaseException] = []
    both = threading.Barrier(2)

    def make() -> None:
        try:
            both.wait(5)
            with transaction.atomic():
                months.make([(2031, month) for month in (1, 2, 3)])
        except BaseException as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not faults
    assert {(2031, 1), (2031, 2), (2031, 3)} <= months.existing()
    with connection.cursor() as cursor:
        for month in (1, 2, 3):
            cursor.execute(f"DROP TABLE audiences_profileevent_y2031m0{month}")
