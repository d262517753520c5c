"""The pages of people, attributes and exports by the front door."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccessLabel, AuditEntry, Workspace
from audiences import attributes, consent, events, identities, namespaces, search, suppression
from audiences.events import Happened
from audiences.models import AttributeDefinition, AudienceMember, Profile
from audiences.upsert import Given, upsert
from common.csvfiles import plain_cell
from tests import builders

pytestmark = pytest.mark.django_db
NOW = builders.NOW


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    actor = builders.person(made, "administrator")
    namespaces.add_namespace(made, key="card", actor=actor, now=NOW)
    for key, kind in (("points", "number"), ("vip", "boolean"), ("tags", "list"), ("seen_at", "datetime")):
        attributes.define(made, key=key, type=kind, actor=actor, now=NOW)
    attributes.define(made, key="tier", type="choice", choices=["gold", "silver"], actor=actor, now=NOW)
    return made


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


@pytest.fixture
def person(where: Workspace) -> Profile:
    found = Profile.objects.filter(workspace=where).order_by("pk").first()
    assert found
    return found


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_person_is_made_by_hand(where: Workspace, manager: Client) -> None:
    form = {
        "namespace": "phone",
        "value": "+886 912 345 678",
        "locale": "zh-TW",
        "attribute_points": "12",
        "attribute_vip": "true",
        "attribute_tags": "a; b",
        "attribute_tier": "gold",
        "attribute_seen_at": "2026-11-24T13:00:00",
    }
    answer = manager.post("/audiences/profiles/new/", form)
    assert answer.status_code == 302
    made = Profile.objects.get(phone="+886912345678")
    assert made.attributes == {
        "points": 12,
        "vip": True,
        "tags": ["a", "b"],
        "tier": "gold",
        "seen_at": "2026-11-24T13:00:00Z",
    }
    again = manager.post("/audiences/profiles/new/", form)
    assert again.status_code == 400
    assert "is known already" in again.content.decode()
    for name, value in (("value", "12"), ("attribute_points", "many"), ("namespace", "shoe")):
        wrong = manager.post("/audiences/profiles/new/", {**form, "value": "+886 912 345 679", name: value})
        assert wrong.status_code == 400
    assert Profile.objects.count() == 7


def test_what_was_not_sent_stays_and_what_was_emptied_goes(manager: Client, person: Profile) -> None:
    address = f"/audiences/profiles/{person.pk}/"
    manager.post(address, {"locale": "", "time_zone": "", "attribute_points": "3", "attribute_vip": "false"})
    person.refresh_from_db()
    assert person.attributes == {"name": "Ann 0", "points": 3, "vip": False}
    manager.post(address, {"locale": "", "time_zone": "", "attribute_points": ""})
    person.refresh_from_db()
    assert person.attributes == {"name": "Ann 0", "vip": False}


def test_every_fault_of_a_correction_is_told_at_once(manager: Client, person: Profile) -> None:
    given = {"locale": "xx-!!", "time_zone": "Mars/Base", "attribute_points": "many"}
    answer = manager.post(f"/audiences/profiles/{person.pk}/", given)
    page = answer.content.decode()
    assert answer.status_code == 400
    for field, told in (
        ("locale", "not a language"),
        ("time_zone", "not a time zone"),
        ("attribute_points", "number"),
    ):
        assert told in page.partition(f'id="id_{field}_error"')[2].partition("</div>")[0], field
    held = Profile.objects.get(pk=person.pk)
    assert (held.locale, held.attributes) == (person.locale, person.attributes)


def test_the_list_counts_in_groups_of_digits_and_calls_attributes_by_their_name(
    where: Workspace, manager: Client
) -> None:
    AttributeDefinition.objects.filter(workspace=where, key="points").update(label="Bonus points")
    Profile.objects.filter(workspace=where).update(attributes={"points": 3})
    builders.profiles(where, 1000, domain="more.example")
    page = text(manager, "/audiences/profiles/")
    total = Profile.objects.filter(workspace=where).count()
    assert total > 999 and f"{total:,} people" in page
    assert "Bonus points: 3" in text(manager, "/audiences/profiles/?search=example.com&everywhere=1")


def test_the_second_of_two_editors_is_told_and_changes_nothing(manager: Client, person: Profile) -> None:
    address = f"/audiences/profiles/{person.pk}/"
    seen = person.changed_at.isoformat()
    assert manager.post(address, {"locale": "en", "seen": seen}).status_code == 302
    late = manager.post(address, {"locale": "fr", "seen": seen})
    assert late.status_code == 409
    assert "changed this person meanwhile" in late.content.decode()
    person.refresh_from_db()
    assert person.locale == "en"


def test_identities_are_given_and_taken_by_hand(manager: Client, person: Profile) -> None:
    address = f"/audiences/profiles/{person.pk}/identities/"
    assert manager.post(address, {"namespace": "card", "value": "7"}).status_code == 302
    assert "card" in text(manager, f"/audiences/profiles/{person.pk}/")
    taken = manager.post(address, {"namespace": "email", "value": "p1@example.com"})
    assert taken.status_code == 400
    assert "Another person of this workspace has this" in taken.content.decode()
    assert manager.post(address, {"namespace": "shoe", "value": "7"}).status_code == 400
    manager.post(f"{address}remove/", {"namespace": "email", "value": "p0@example.com"})
    assert identities.identities_of([person]) and person.identities.get().value == "7"
    manager.post(f"{address}remove/", {"namespace": "card", "value": "7"})
    assert person.identities.get().value == "7"  # the last one stays
    assert "p0@example.com" not in str(list(AuditEntry.objects.values("details", "object_label")))


def test_events_are_shown_page_by_page(where: Workspace, manager: Client, person: Profile) -> None:
    happened = [
        Happened("seen", NOW - timedelta(hours=n), profile_id=person.pk, properties={"n": f"<u>{n}"})
        for n in range(25)
    ]
    events.record(where, happened, actor=builders.person(where, "approver"), now=NOW)
    address = f"/audiences/profiles/{person.pk}/events/"
    page = text(manager, address)
    assert page.count("<tr>") == 21 and "&lt;u&gt;19" in page and "<u>" not in page
    after = page.partition('href="?')[2].partition('"')[0].replace("&amp;", "&")
    assert text(manager, f"{address}?{after}").count("&lt;u&gt;") == 5
    for strange in ("x", "%00~1", "2026-11-23~1", "2026-11-23T00:00:00%2B00:00~" + "9" * 30):
        assert manager.get(f"{address}?before={strange}").status_code == 200


@pytest.mark.parametrize(
    "wanted",
    ["p3@example.com", "P3@EXAMPLE.COM", "p3@", "card-3", "crm-3", "+886 912 345 673", "林3", "345673"],
)
def test_people_are_found_by_any_identity_and_by_attribute_text(
    where: Workspace, manager: Client, wanted: str
) -> None:
    actor = builders.person(where, "approver")
    given = [
        ("email", "p3@example.com"),
        ("card", "card-3"),
        ("external_id", "crm-3"),
        ("phone", "+886912345673"),
    ]
    upsert(where, [Given(given)], actor=actor, now=NOW)
    if wanted == "345673":
        assert search.exactly(where, wanted) == set()
    page = text(manager, "/audiences/profiles/?search=" + wanted.replace("+", "%2B"))
    assert "p3@example.com" in page and "p1@example.com" not in page


def test_what_looks_like_a_pattern_is_looked_for_as_it_is(where: Workspace, manager: Client) -> None:
    person = Profile.objects.latest("pk")
    person.attributes = {"name": '50% "off"_\\'}
    person.save()
    for wanted in ("50%25", '"off"', 'f"_', "\\"):
        page = text(manager, f"/audiences/profiles/?search={wanted}")
        assert str(person.email) in page and "p0@example.com" not in page, wanted
    assert "Nobody" in text(manager, "/audiences/profiles/?search=name")  # a key is no value
    for strange in ("%00", "%ED%A0%80", "x" * 5000, "&before=abc", "&after=-1", "&before=" + "9" * 30):
        assert manager.get(f"/audiences/profiles/?search={strange}").status_code == 200


def test_the_start_of_an_address_is_found_by_an_index_before_any_piece_of_text(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Profile.objects.filter(email="p5@example.com").update(attributes={"name": "P1 too"})
    page = text(manager, "/audiences/profiles/?search=P1%40&test=no")
    assert "p1@example.com" in page and "p5@example.com" not in page
    found = search.page(where, text="P1")
    assert ([str(one) for one in found.people], found.is_start) == (["p1@example.com"], True)
    page = text(manager, "/audiences/profiles/?search=P1&everywhere=1")
    assert "p1@example.com" in page and "p5@example.com" in page and "Addresses that begin" not in page
    assert [one.people for one in (search.page(where, text="p_"), search.page(where, text="%"))] == [[], []]
    monkeypatch.setattr(search, "HOLDS", "AND pg_sleep(9) IS NULL " + search.HOLDS)
    pages = search.page(where, text="p", size=4)
    rest = search.page(where, text="p", before=pages.older, size=4)
    assert (len(pages.people), len(rest.people), rest.older) == (4, 2, None)


def test_a_search_that_takes_too_long_is_broken_off_and_says_so(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PATIENCE", 1)
    monkeypatch.setattr(search, "HOLDS", "AND pg_sleep(0.2) IS NOT NULL " + search.HOLDS)
    page = text(manager, "/audiences/profiles/?search=nobody-has-this")
    assert "too many people to look through" in page


def test_people_are_paged_by_number_both_ways(where: Workspace, manager: Client) -> None:
    builders.profiles(where, 120, domain="more.example")
    page, seen = search.page(where, size=50), []
    while True:
        seen += [one.pk for one in page.people]
        if page.older is None:
            break
        page = search.page(where, before=page.older, size=50)
    assert len(seen) == 126 and seen == sorted(seen, reverse=True)
    back = search.page(where, after=page.newer, size=50)
    assert [one.pk for one in back.people] == seen[50:100]
    assert (back.older, back.newer) == (seen[99], seen[50])
    tests = search.page(where, is_test=True)
    assert (tests.people, tests.older, tests.newer) == ([], None, None)


def test_the_list_of_people_has_a_constant_number_of_queries(
    where: Workspace, manager: Client, django_assert_max_num_queries: Any
) -> None:
    builders.profiles(where, 60, domain="more.example")
    text(manager, "/audiences/profiles/")
    with django_assert_max_num_queries(24):
        text(manager, "/audiences/profiles/?search=example")


def test_all_that_is_held_is_in_the_data_of_one_person(
    where: Workspace, manager: Client, person: Profile
) -> None:
    actor = builders.person(where, "approver")
    identities.attach(person, "card", "7", actor=actor, now=NOW)
    events.record(where, [Happened("seen", NOW, profile_id=person.pk)], actor=actor, now=NOW)
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=NOW)
    held = json.loads(text(manager, f"/audiences/profiles/{person.pk}/export.json"))
    assert {"namespace": "card", "value": "7"} in held["identities"]
    assert [one["name"] for one in held["events"]] == ["seen"]
    assert [one["state"] for one in held["consentHistory"]] == ["no"]


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    raw = b"".join(answer.streaming_content).decode()
    assert raw.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(raw[1:], newline="")))


def test_people_are_exported_safe_from_formulas_and_read_back(
    where: Workspace, manager: Client, person: Profile
) -> None:
    actor = builders.person(where, "approver")
    evil = {"name": '=HYPERLINK("http://x.tw")', "points": -5, "vip": True, "tags": ["a", "b;c"]}
    given = Given([("email", "p0@example.com"), ("phone", "+886912345678"), ("card", "@7")], attributes=evil)
    upsert(where, [given], actor=actor, now=NOW)
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=NOW)
    answer = manager.post("/audiences/profiles/export.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="people-fernhill-' in answer.headers["Content-Disposition"]
    first, *others = rows_of(answer)
    assert len(others) == 5
    assert first["name"] == '\'=HYPERLINK("http://x.tw")' and first["phone"] == "'+886912345678"
    assert (first["card"], first["points"], first["vip"], first["email_consent"]) == (
        "'@7",
        "-5",
        "true",
        "no",
    )
    definitions = attributes.definitions_of(where)
    for key, value in evil.items():
        assert attributes.clean(definitions[key], plain_cell(first[key])) == value
    assert plain_cell(first["phone"]) == "+886912345678"
    entry = AuditEntry.objects.get(verb="export_profiles")
    assert entry.details["people"] == 6
    assert "p0@example.com" not in str(entry.details)


def test_chosen_columns_and_one_audience(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where, rule={"field": "name", "op": "starts_with", "value": "Ann"})
    assert "column-name" in text(manager, f"/audiences/{audience.pk}/export/")
    rows = rows_of(manager.post(f"/audiences/{audience.pk}/export.csv", {"column": ["name", "email"]}))
    assert rows == [{"email": f"p{n}@example.com", "name": f"Ann {n}"} for n in (0, 2, 4)]
    wrong = Client(raise_request_exception=False)
    wrong.force_login(builders.person(where, "approver"))
    assert wrong.post(f"/audiences/{audience.pk}/export.csv", {"column": "password"}).status_code == 400


def test_a_file_is_asked_for_by_post_and_given_to_who_may_manage_people_only(
    where: Workspace, manager: Client
) -> None:
    address = f"/audiences/{builders.audience(where).pk}/export.csv"
    viewer = Client()
    viewer.force_login(builders.person(where, "viewer"))
    for path in ("/audiences/profiles/export.csv", address):
        assert manager.get(path).status_code == 405
        assert viewer.post(path).status_code == (404 if path == address else 403)
    assert not AuditEntry.objects.filter(verb="export_profiles").exists()


def test_an_export_reads_by_cursor_with_few_queries(
    where: Workspace, manager: Client, django_assert_max_num_queries: Any
) -> None:
    builders.profiles(where, 300, domain="more.example")
    with django_assert_max_num_queries(22):
        assert len(rows_of(manager.post("/audiences/profiles/export.csv"))) == 306


@pytest.mark.parametrize(
    "address",
    [
        "/audiences/profiles/",
        "/audiences/profiles/new/",
        "/audiences/profiles/export/",
        "/audiences/attributes/",
        "/audiences/attributes/new/",
        "/audiences/attributes/keys/tier/",
        "/audiences/attributes/keys/tier/remove/",
    ],
)
def test_who_may_not_manage_people_gets_none_of_it(where: Workspace, address: str) -> None:
    viewer, stranger = Client(), Client()
    viewer.force_login(builders.person(where, "viewer"))
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    assert viewer.get(address).status_code == 403
    assert viewer.post(address, {"key": "shoe", "type": "text"}).status_code in (403, 405)
    answer = stranger.get(address)
    shown = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert b"p0@example.com" not in shown
    assert answer.status_code == (404 if "/keys/" in address else 200)
    assert not AttributeDefinition.objects.filter(key="shoe").exists()
    assert AttributeDefinition.objects.filter(key="tier").exists()


def test_a_stranger_reaches_no_person_by_number(where: Workspace, person: Profile) -> None:
    audience = builders.audience(where)
    stranger = Client()
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    for part in ("", "events/", "export.json"):
        assert stranger.get(f"/audiences/profiles/{person.pk}/{part}").status_code == 404
    for part in ("identities/", "identities/remove/"):
        form = {"namespace": "email", "value": "p0@example.com"}
        assert stranger.post(f"/audiences/profiles/{person.pk}/{part}", form).status_code == 404
    assert stranger.get(f"/audiences/{audience.pk}/export/").status_code == 404
    assert stranger.post(f"/audiences/{audience.pk}/export.csv").status_code == 404


def test_attributes_are_defined_changed_and_removed_by_hand(where: Workspace, manager: Client) -> None:
    form = {"key": "size", "label": "Size", "type": "choice", "choices": "S\nM\n\nL"}
    assert manager.post("/audiences/attributes/new/", form).status_code == 302
    assert AttributeDefinition.objects.get(key="size").choices == ["S", "M", "L"]
    wrong = manager.post("/audiences/attributes/new/", {**form, "key": "email"})
    assert wrong.status_code == 400 and "means something else already" in wrong.content.decode()
    builders.audience(where, name="Named ones", rule={"field": "name", "op": "is_not_empty"})
    page = text(manager, "/audiences/attributes/")
    assert "Size" in page and "Named ones" in page
    keys = "/audiences/attributes/keys"
    manager.post(f"{keys}/size/", {"label": "Fit", "type": "choice", "choices": "S\nM"})
    assert AttributeDefinition.objects.get(key="size").label == "Fit"
    in_use = manager.post(f"{keys}/name/", {"label": "", "type": "number"})
    assert in_use.status_code == 400 and "Named ones" in in_use.content.decode()
    assert manager.post(f"{keys}/name/remove/").status_code == 409
    assert "0 people lose" in text(manager, f"{keys}/size/remove/")
    assert manager.post(f"{keys}/size/remove/").status_code == 302
    assert not AttributeDefinition.objects.filter(key="size").exists()


def test_namespaces_are_added_and_removed_by_hand(where: Workspace, manager: Client, person: Profile) -> None:
    address = "/audiences/attributes/namespaces/"
    form = {"namespace-key": "app", "namespace-label": "App account"}
    assert manager.post(address, form).status_code == 302
    assert manager.post(address, form).status_code == 400
    assert "App account" in text(manager, "/audiences/attributes/")
    assert manager.post(f"{address}app/remove/").status_code == 302
    identities.attach(person, "card", "7", actor=builders.person(where, "approver"), now=NOW)
    assert manager.post(f"{address}card/remove/").status_code == 409
    assert manager.post(f"{address}email/remove/").status_code == 404
    assert set(namespaces.namespaces_of(where)) >= {"card", "email"}


def test_no_page_of_a_person_names_an_audience_whose_label_the_reader_lacks(
    where: Workspace, manager: Client, person: Profile
) -> None:
    hidden = builders.audience(where, name="Takeover targets", kind="upload")
    hidden.labels.add(AccessLabel.objects.create(workspace=where, name="Secret"))
    shown = builders.audience(where, name="Spring fair", kind="upload")
    AudienceMember.objects.bulk_create(
        AudienceMember(audience=one, profile=person) for one in (hidden, shown)
    )
    for address in (f"/audiences/profiles/{person.pk}/", f"/audiences/profiles/{person.pk}/export.json"):
        page = text(manager, address)
        assert "Spring fair" in page and "Takeover" not in page


def test_the_page_and_the_export_tell_a_suppression_by_domain_and_by_hash(
    where: Workspace, manager: Client, person: Profile
) -> None:
    assert person.email
    for address, reason in (("@example.com", "bad domain"), ("other@example.com", "not them")):
        suppression.suppress(workspace_id=where.pk, channel="email", address=address, reason=reason, now=NOW)
    suppression.replace_by_hashes(where.pk, [("email", person.email)], reason="erased before", now=NOW)
    page = text(manager, f"/audiences/profiles/{person.pk}/")
    held = json.loads(text(manager, f"/audiences/profiles/{person.pk}/export.json"))["suppressed"]
    assert {one["reason"] for one in held} == {"bad domain", "erased before"}
    assert "bad domain" in page and "erased before" in page and "not them" not in page


@pytest.mark.parametrize("before", ["0001-01-01T00:00:00%2B23:59~1", "9999-12-31T23:59:59-23:59~1"])
def test_a_place_before_or_after_all_moments_begins_at_the_beginning(
    manager: Client, person: Profile, before: str
) -> None:
    assert manager.get(f"/audiences/profiles/{person.pk}/events/?before={before}").status_code == 200


def test_a_long_identity_is_folded_and_a_short_one_is_not(manager: Client, person: Profile) -> None:
    long = "https://push.example/" + "x" * 300
    for namespace, value in (("card", long), ("line_id", "U" + "0" * 32)):
        form = {"namespace": namespace, "value": value}
        assert manager.post(f"/audiences/profiles/{person.pk}/identities/", form).status_code == 302
    page = text(manager, f"/audiences/profiles/{person.pk}/")
    assert page.count('<details class="long">') == 1
    assert f'<span class="mono xs wrap-any">{long}</span></details>' in page


def test_empty_lists_say_how_somebody_gets_there() -> None:
    empty = builders.workspace("empty")
    client = Client()
    client.force_login(builders.person(empty, "administrator"))
    assert "Import a file of people, or add one person" in text(client, "/audiences/profiles/")
    assert "beginning of an address" in text(client, "/audiences/profiles/?search=nobody")
    assert "complaints and erased people come here" in text(client, "/audiences/suppression/")
    assert "complaints" not in text(client, "/audiences/suppression/?search=nobody")


def test_a_reason_the_product_gives_is_told_in_the_readers_language(
    where: Workspace, manager: Client
) -> None:
    for address, reason in (("a@example.com", "complaint"), ("b@example.com", "asked by phone")):
        suppression.suppress(workspace_id=where.pk, channel="email", address=address, reason=reason, now=NOW)
    manager.post("/accounts/preferences/", {"language": "zh-hant"})
    page = text(manager, "/audiences/suppression/")
    assert ">已申訴</td>" in page and ">asked by phone</td>" in page
    assert ">complaint<" not in page
