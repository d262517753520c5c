"""People, events, attributes and namespaces by the REST API."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from accounts.models import AuditEntry, Workspace
from audiences.models import AttributeDefinition, Identity, Profile, ProfileEvent, Suppression
from tests import builders
from tests.api import Caller, pointers

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 3)
    AttributeDefinition.objects.create(workspace=made, key="points", type="number")
    return made


@pytest.fixture
def call(where: Workspace) -> Caller:
    return Caller(where)


def test_a_person_is_erased_and_leaves_no_address(where: Workspace, call: Caller) -> None:
    person = Profile.objects.get(email="p0@example.com")
    assert Caller(where, "viewer").delete(f"/api/profiles/{person.pk}/").status_code in (403, 404)
    assert Profile.objects.filter(pk=person.pk).exists()
    assert call.delete(f"/api/profiles/{person.pk}/").status_code == 204
    assert call.delete(f"/api/profiles/{person.pk}/").status_code == 404
    assert not Profile.objects.filter(email="p0@example.com").exists()
    assert "p0@example.com" not in str(list(Suppression.objects.values()))


def named(namespace: str, value: Any) -> dict[str, Any]:
    return {"namespace": namespace, "value": value}


def email(number: Any) -> dict[str, Any]:
    return named("email", f"p{number}@example.com")


def test_a_person_is_made_read_changed_and_found(where: Workspace, call: Caller) -> None:
    body = {
        "identities": [
            named("email", "Ana@Example.com"),
            named("push_token", "fcm:dGVzdA:APA91b_Gk-7mQx2Lw9"),
        ],
        "locale": "zh-TW",
        "timeZone": "Asia/Taipei",
        "isTest": True,
        "attributes": {"name": "Ana", "points": 3},
    }
    answer = call.post("/api/profiles/", body)
    assert answer.status_code == 201
    made = answer.json()
    assert made["identities"] == [
        named("email", "ana@example.com"),
        named("push_token", "fcm:dGVzdA:APA91b_Gk-7mQx2Lw9"),
    ]
    assert made["attributes"] == {"name": "Ana", "points": 3}
    assert call.post("/api/profiles/", body).status_code == 200
    address = f"/api/profiles/{made['id']}/"
    assert call.get(address).json() == made
    assert call.get("/api/profiles/email/ANA@example.com/").json() == made
    assert (
        call.get(f"/api/profiles/push_token/{quote('FCM:dGVzdA:APA91b_Gk-7mQx2Lw9', safe='')}/").json()
        == made
    )
    changed = call.patch(address, {"locale": "", "attributes": {"points": None}}).json()
    assert (changed["locale"], changed["attributes"], changed["isTest"]) == ("", {"name": "Ana"}, True)
    found = call.get("/api/profiles/?namespace=push_token&value=fcm:dGVzdA:APA91b_Gk-7mQx2Lw9").json()
    assert [one["id"] for one in found["results"]] == [made["id"]]
    assert [one["id"] for one in call.get("/api/profiles/?isTest=true").json()["results"]] == [made["id"]]
    assert "ana@" not in str(list(AuditEntry.objects.values("details", "object_label")))


def test_a_person_is_written_by_one_of_their_identities(call: Caller) -> None:
    address = "/api/profiles/external_id/crm-1/"
    assert call.get(address).status_code == 404
    assert call.put(address, {}).status_code == 201
    answer = call.put(
        address, {"identities": [named("email", "new@example.com")], "attributes": {"name": "N"}}
    )
    assert answer.status_code == 200
    assert answer.json()["identities"] == [
        named("email", "new@example.com"),
        named("external_id", "crm-1"),
    ]
    taken = call.put(address, {"identities": [email(0)]})
    assert taken.status_code == 400
    assert pointers(taken) == [("identity_conflict", "/identities")]
    assert Profile.objects.filter(email="p0@example.com", external_id=None).exists()


def test_identities_are_attached_and_detached(call: Caller) -> None:
    person = Profile.objects.order_by("pk").first()
    assert person
    address = f"/api/profiles/{person.pk}/identities/"
    assert call.post(address, named("phone", "+886 912 345 678")).status_code == 200
    assert pointers(call.post(address, email(1))) == [("identity_taken", "/value")]
    assert call.delete(f"{address}phone/+886912345678/").status_code == 204
    assert call.delete(f"{address}phone/+886912345678/").status_code == 404
    assert pointers(call.delete(f"{address}email/{person.email}/")) == [("last_identity", "")]
    person.refresh_from_db()
    assert (person.email, person.phone) == ("p0@example.com", None)


def test_thousands_are_written_at_once_and_each_is_told(
    call: Caller, django_assert_max_num_queries: Any
) -> None:
    people: list[Any] = [
        {"identities": [email(n), named("line_id", f"U{n:032x}")], "attributes": {"points": n}}
        for n in range(1000)
    ]
    people[5] = {"identities": [email(5)], "attributes": {"points": "many", "x/y": 1}}
    people[6] = {"identities": [email(6)], "id": 1, "shoe": 1}
    people[7] = "nobody"
    people[8] = {"identities": [email(1)]}
    with django_assert_max_num_queries(30):
        answer = call.post("/api/profiles/bulk/", {"profiles": people})
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("created", "changed", "unchanged", "rejected")} == {
        "created": 993,
        "changed": 3,
        "unchanged": 0,
        "rejected": 4,
    }
    told = {
        one["index"]: [(fault["code"], fault["pointer"]) for fault in one["errors"]]
        for one in body["results"]
        if one["errors"]
    }
    assert told == {
        5: [
            ("bad_number", "/profiles/5/attributes/points"),
            ("unknown_attribute", "/profiles/5/attributes/x~1y"),
        ],
        6: [("read_only_field", "/profiles/6/id"), ("unknown_field", "/profiles/6/shoe")],
        7: [("not_an_object", "/profiles/7")],
        8: [("duplicate_item", "/profiles/8/identities")],
    }
    assert (Profile.objects.count(), Identity.objects.count()) == (996, 996)
    again = call.post("/api/profiles/bulk/", {"profiles": people[9:]}).json()
    assert (again["unchanged"], again["rejected"]) == (991, 0)
    unknown = call.post(
        "/api/profiles/bulk/", {"profiles": [{"identities": [email("x")]}], "createProfiles": False}
    )
    assert unknown.json()["results"][0]["errors"][0]["code"] == "unknown_person"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ([], ("not_an_object", "")),
        ({}, ("bad_count", "/profiles")),
        ({"profiles": []}, ("bad_count", "/profiles")),
        ({"profiles": {}}, ("bad_count", "/profiles")),
        ({"profiles": [{}] * 5001}, ("bad_count", "/profiles")),
        ({"profiles": [{}], "workspace": 1}, ("unknown_field", "/workspace")),
        ({"profiles": [{}], "createProfiles": "yes"}, ("bad_boolean", "/createProfiles")),
    ],
)
def test_a_call_that_is_wrong_as_a_whole_is_refused(call: Caller, body: Any, fault: tuple[str, str]) -> None:
    answer = call.post("/api/profiles/bulk/", body)
    assert answer.status_code == 400
    assert pointers(answer) == [fault]


WRONG: list[tuple[Any, str, str]] = [
    ({}, "bad_identities", "/identities"),
    ({"identities": "x"}, "not_a_list", "/identities"),
    ({"identities": [1]}, "not_an_object", "/identities/0"),
    ({"identities": [{"namespace": "email"}]}, "bad_identity", "/identities/0/value"),
    ({"identities": [named("email", 5)]}, "bad_identity", "/identities/0/value"),
    ({"identities": [named("email", "a@x.tw\0")]}, "control_char", "/identities/0/value"),
    ({"identities": [named("workspace", "1")]}, "unknown_namespace", "/identities/0/namespace"),
    ({"identities": [named([], "1")]}, "unknown_namespace", "/identities/0/namespace"),
    ({"identities": [email(n) for n in range(21)]}, "bad_identities", "/identities"),
    ({"identities": [email(0)], "locale": 5}, "not_a_text", "/locale"),
    ({"identities": [email(0)], "locale": "zh TW"}, "row_bad_locale", "/locale"),
    ({"identities": [email(0)], "timeZone": "../etc"}, "row_bad_time_zone", "/timeZone"),
    ({"identities": [email(0)], "timeZone": {}}, "not_a_text", "/timeZone"),
    ({"identities": [email(0)], "isTest": "yes"}, "bad_boolean", "/isTest"),
    ({"identities": [email(0)], "attributes": []}, "not_an_object", "/attributes"),
    (
        {"identities": [email(0)], "attributes": {"__proto__": 1}},
        "unknown_attribute",
        "/attributes/__proto__",
    ),
    ({"identities": [email(0)], "attributes": {"name": "\ud800"}}, "control_char", "/attributes/name"),
    ({"identities": [email(0)], "attributes": {"points": "1e400"}}, "bad_number", "/attributes/points"),
    ({"identities": [email(0)], "attributes": {"name": {"$ne": 1}}}, "bad_text", "/attributes/name"),
    ({"identities": [email(0)], "createdAt": "2026-01-01T00:00Z"}, "read_only_field", "/createdAt"),
]


@pytest.mark.parametrize(("body", "code", "pointer"), WRONG)
def test_a_wrong_person_is_refused_with_its_place(call: Caller, body: Any, code: str, pointer: str) -> None:
    before = list(Profile.objects.order_by("pk").values())
    answer = call.post("/api/profiles/", body)
    assert answer.status_code == 400
    assert (code, pointer) in pointers(answer)
    assert list(Profile.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"identities": ' + b"[" * 100_000, 400),
        (b'{"attributes": {"points": 1e999}}', 400),
        (b'{"attributes": {"points": ' + b"9" * 5000 + b"}}", 400),
        (b'{"attributes": {"points": NaN}}', 400),
        (b"\xff\xfe", 400),
        (b" " * (5 * 2**20 + 1), 413),
    ],
)
def test_a_body_that_is_no_json_is_refused(call: Caller, raw: bytes, status: int) -> None:
    for address in ("/api/profiles/", "/api/profiles/bulk/", "/api/events/", "/api/attributes/"):
        answer = call("POST", address, raw)
        assert answer.status_code == status, (address, answer.content)
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert Profile.objects.count() == 3


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_another_kind_of_body_is_refused(call: Caller, kind: str) -> None:
    answer = call.post("/api/profiles/", {"identities": [email(9)]}, content_type=kind)
    assert answer.status_code == 415
    assert Profile.objects.count() == 3


def test_numbers_of_people_that_are_none_and_strange_cursors_are_not_found(call: Caller) -> None:
    for number in ("0", "-1", str(2**63), "1 OR 1=1", "../1", "%00", "9" * 400):
        assert call.get(f"/api/profiles/{number}/").status_code in (400, 404), number
    for position in (b"p=abc", b"p=%00", b"o=-1", b"p=" + b"9" * 400, b"\xff", b"r=1&p=2026"):
        cursor = quote(base64.b64encode(position))
        for address in ("/api/profiles/", f"/api/profiles/{Profile.objects.latest('pk').pk}/events/"):
            assert call.get(f"{address}?cursor={cursor}").status_code in (200, 404), position
    assert call.get("/api/profiles/email/%00/").status_code == 400
    assert call.get("/api/profiles/?namespace=email").status_code == 400
    assert call.get("/api/profiles/?isTest=maybe").status_code == 400


def test_the_list_is_paged_and_its_queries_do_not_grow(
    where: Workspace, call: Caller, django_assert_max_num_queries: Any
) -> None:
    builders.profiles(where, 120, domain="more.example")
    seen, address = [], "/api/profiles/?limit=50"
    while address:
        with django_assert_max_num_queries(9):
            page = call.get(address).json()
        seen += [one["id"] for one in page["results"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 123
    assert seen == sorted(seen, reverse=True)


def test_events_are_recorded_and_each_is_told(call: Caller, django_assert_max_num_queries: Any) -> None:
    now = "2026-11-23T00:00:00Z"
    person = Profile.objects.order_by("pk").first()
    assert person
    events: list[Any] = [
        {
            "name": "order.paid",
            "at": now,
            "identity": email(n % 3),
            "properties": {"total": n},
            "key": f"o-{n}",
        }
        for n in range(500)
    ]
    events += [
        {"name": "page.seen", "at": now, "profileId": person.pk},
        {"name": "Page", "at": "2026-11-23T00:00", "profileId": person.pk},
        {"name": "page.seen", "at": now, "who": 1},
        events[0],
    ]
    with django_assert_max_num_queries(30):
        answer = call.post("/api/events/", {"events": events})
    body = answer.json()
    assert (body["recorded"], body["repeated"], body["rejected"]) == (501, 1, 2)
    assert [(fault["code"], fault["pointer"]) for fault in body["results"][501]["errors"]] == [
        ("bad_name", "/events/501/name"),
        ("naive_datetime", "/events/501/at"),
    ]
    assert body["results"][502]["errors"][0]["pointer"] == "/events/502/who"
    page = call.get(f"/api/profiles/{person.pk}/events/?limit=10").json()
    assert len(page["results"]) == 10 and page["next"]
    assert call.get(page["next"]).status_code == 200
    assert ProfileEvent.objects.count() == 501


def test_attributes_are_defined_changed_and_removed(call: Caller) -> None:
    body = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold", "silver"]}
    answer = call.post("/api/attributes/", body)
    assert answer.status_code == 201
    assert answer.json()["index"] == "none"
    assert [one["key"] for one in call.get("/api/attributes/").json()] == ["name", "points", "tier"]
    assert call.patch("/api/attributes/tier/", {"label": "Rang"}).json()["choices"] == ["gold", "silver"]
    assert pointers(call.post("/api/attributes/", body)) == [("key_taken", "/key")]
    assert pointers(call.patch("/api/attributes/tier/", {"choices": []})) == [("bad_choices", "/choices")]
    assert pointers(call.patch("/api/attributes/tier/", {"key": "x"})) == [("unknown_field", "/key")]
    assert pointers(call.post("/api/attributes/", {"key": "id"})) == [("reserved_key", "/key")]
    assert pointers(call.post("/api/attributes/", {"key": "x", "index": "ready"})) == [
        ("unknown_field", "/index")
    ]
    assert call.delete("/api/attributes/tier/").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        for key in ("tier", "a'b", "%00"):
            assert call(method, f"/api/attributes/{key}/", {}).status_code == 404


def test_an_attribute_in_use_stays(where: Workspace, call: Caller) -> None:
    builders.audience(where, name="Many", rule={"field": "points", "op": "is_empty"})
    answer = call.delete("/api/attributes/points/")
    assert (answer.status_code, answer.json()["code"]) == (409, "attribute_in_use")
    assert "Many" in answer.json()["detail"]
    assert AttributeDefinition.objects.filter(key="points").exists()


def test_namespaces_are_added_and_removed(call: Caller) -> None:
    answer = call.post("/api/namespaces/", {"key": "card", "label": "Member card"})
    assert answer.status_code == 201
    assert [one["key"] for one in call.get("/api/namespaces/").json() if not one["isBuiltIn"]] == ["card"]
    assert call.put("/api/profiles/card/7/", {}).status_code == 201
    assert call.delete("/api/namespaces/card/").json()["code"] == "namespace_in_use"
    assert call.delete("/api/namespaces/email/").status_code == 404
    assert pointers(call.post("/api/namespaces/", {"key": "email"})) == [("reserved_key", "/key")]


DOORS = [
    ("GET", "/api/profiles/"),
    ("POST", "/api/profiles/"),
    ("POST", "/api/profiles/bulk/"),
    ("GET", "/api/profiles/{pk}/"),
    ("PATCH", "/api/profiles/{pk}/"),
    ("GET", "/api/profiles/{pk}/events/"),
    ("POST", "/api/profiles/{pk}/identities/"),
    ("DELETE", "/api/profiles/{pk}/identities/email/p0@example.com/"),
    ("GET", "/api/profiles/email/p0@example.com/"),
    ("PUT", "/api/profiles/email/p0@example.com/"),
    ("POST", "/api/attributes/"),
    ("GET", "/api/attributes/"),
    ("GET", "/api/attributes/points/"),
    ("PATCH", "/api/attributes/points/"),
    ("DELETE", "/api/attributes/points/"),
    ("GET", "/api/namespaces/"),
    ("POST", "/api/namespaces/"),
    ("DELETE", "/api/namespaces/card/"),
    ("POST", "/api/events/"),
]
BODIES = {
    "/api/profiles/bulk/": {"profiles": [{"identities": [email(0)], "locale": "fr"}]},
    "/api/events/": {"events": [{"name": "x", "at": "2026-11-23T00:00:00Z", "identity": email(0)}]},
    "/api/attributes/": {"key": "shoe"},
    "/api/attributes/points/": {"label": "Shoe"},
    "/api/namespaces/": {"key": "shoe"},
    "/api/profiles/{pk}/identities/": named("phone", "+886912345678"),
    "/api/profiles/{pk}/": {"locale": "fr"},
    "/api/profiles/email/p0@example.com/": {"locale": "fr"},
}


def state() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Profile, Identity, AttributeDefinition, ProfileEvent)
    ]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("method", "address"), DOORS)
def test_every_door_asks_for_the_right_to_people(where: Workspace, method: str, address: str) -> None:
    person = Profile.objects.get(email="p0@example.com")
    where.identity_namespaces.create(key="card")
    body = BODIES.get(address, {"identities": [email(0)], "locale": "fr"})
    other = builders.workspace("other")
    there, before = address.format(pk=person.pk), state()
    assert Caller(None)(method, there, body).status_code == 401
    for role in ("viewer",):
        assert Caller(where, role)(method, there, body).status_code in (403, 404)
    stranger = Caller(other, "administrator")(method, there, body)
    if "{pk}" in address or method in ("GET", "DELETE", "PATCH"):
        is_own_list = address in ("/api/profiles/", "/api/attributes/", "/api/namespaces/")
        assert stranger.status_code == (200 if is_own_list else 404), stranger.content
        assert "p0@example.com" not in stranger.content.decode()
        assert state() == before
    assert list(Profile.objects.filter(workspace=where).values_list("locale", flat=True)) == ["", "", ""]
    for role in ("administrator", "approver", "manager"):
        status = Caller(where, role)(method, there, body).status_code
        assert status in (200, 201, 204, 400, 404), (role, status)
        assert role != "administrator" or status < 300 or "/identities/email" in address


def test_methods_that_are_not_offered_are_405_and_no_header_makes_one_of_another(call: Caller) -> None:
    for method, address in (("PUT", "/api/profiles/"), ("TRACE", "/api/events/"), ("DELETE", "/api/events/")):
        assert call(method, address).status_code == 405
    headers = {**call.headers, "X-HTTP-Method-Override": "DELETE"}
    assert call.get("/api/attributes/points/", headers=headers).status_code == 200
    assert AttributeDefinition.objects.filter(key="points").exists()


@pytest.mark.parametrize("position", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
def test_a_cursor_outside_time_is_no_cursor_of_ours(position: str) -> None:
    where = builders.workspace("odd")
    person, audience = builders.profiles(where, 1)[0], builders.audience(where)
    cursor = base64.urlsafe_b64encode(f"p={position}".encode()).decode()
    profile = f"/api/profiles/{person.pk}"
    for address in (
        f"{profile}/events/",
        f"{profile}/consents/history/",
        f"/api/audiences/{audience.pk}/sizes/",
    ):
        assert Caller(where).get(f"{address}?cursor={cursor}").status_code == 404
