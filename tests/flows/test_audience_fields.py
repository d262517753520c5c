"""What a list says of its members: kept with the membership, named in messages, gone with the person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccessLabel, User, Workspace
from audiences import erasure
from audiences.imports import work
from audiences.models import Audience, AudienceMember, Import, Profile
from audiences.profiles import record
from campaigns import lifecycle, preflight
from campaigns.delivery import clock, fanout
from tests import builders
from tests.api import Caller, pointers
from tests.audiences.imported import problems, put
from tests.audiences.test_import_pages import chosen, upload
from tests.builders import signed_in
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
KEPT = {
    "seat": {"to": "membership", "key": "seat"},
    "price": {"to": "membership", "key": "price", "type": "number"},
}
BODY = '<p>Seat {{ audience.seat }} at {{ audience.price | default("no price") }}</p>' + builders.HTML


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def author(where: Workspace) -> User:
    return builders.person(where, "manager")


@pytest.fixture
def guests(where: Workspace) -> Audience:
    """Ana in 12A for 900, Bo in 7; whatever they sit in elsewhere."""
    made = builders.audience(where, name="Guests", kind="upload")
    put("email,name,seat,price\nana@x.tw,Ana,12A,900\nbo@x.tw,Bo,7,\n", where, audience=made, columns=KEPT)
    made.refresh_from_db()
    return made


def bodies(server: FakeSmtp) -> dict[str, str]:
    found = {}
    for one in server.accepted:
        part = one.parsed.get_body(("html",))
        assert part is not None
        found[one.recipients[0]] = part.get_content()
    return found


def test_a_column_kept_with_the_audience_reaches_its_members_and_nobody_else(
    where: Workspace, author: User
) -> None:
    client = signed_in(author)
    address = upload(client, b"email,name,seat\nana@x.tw,Ana,12A\nbo@x.tw,Bo,\n")
    as_kept = {"name": "Guests", "to_2": "membership", "type_2": "choice"}
    form = {**chosen(client.get(address).content.decode()), **as_kept}
    assert client.post(f"{address}check/", form).status_code == 302
    job = Import.objects.get()
    work.advance(job.pk)
    client.post(f"{address}start/")
    work.advance(job.pk)
    guests = Audience.objects.get()
    assert guests.fields == {"seat": "text"}
    assert Profile.objects.get(email="ana@x.tw").attributes == {"name": "Ana"}
    assert "audience.seat" in client.get(f"/audiences/{guests.pk}/").content.decode()
    person = Profile.objects.get(email="ana@x.tw")
    assert "12A" in client.get(f"/audiences/profiles/{person.pk}/").content.decode()

    with FakeSmtp() as server:
        campaign = builders.draft(
            where,
            author,
            audience=guests,
            configuration=builders.smtp(where, server.port),
            html='<p>Seat {{ audience.seat | default("free") }}</p>' + builders.HTML,
        )
        page = client.get(f"/campaigns/{campaign.pk}/edit/content/").content.decode()
        assert 'data-insert="{{ audience.seat }}"' in page and "<span>12A</span>" in page
        assert "<option>audience.seat</option>" in page
        shown = client.get(f"/campaigns/{campaign.pk}/preview/", {"profile": person.pk})
        assert "Seat 12A" in shown.content.decode()
        lifecycle.apply(campaign, "activate", actor=builders.person(where, "approver"), now=timezone.now())
        # What the list says when the message is written is what counts.
        put("email,seat\nbo@x.tw,3C\n", where, audience=guests, columns={"seat": KEPT["seat"]})
        call_command("deliver")
        got = bodies(server)
    assert "Seat 12A" in got["ana@x.tw"] and "Seat 3C" in got["bo@x.tw"]


def test_who_left_the_list_since_the_run_began_has_every_field_empty(
    where: Workspace, author: User, guests: Audience
) -> None:
    with FakeSmtp() as server:
        campaign = builders.draft(
            where, author, audience=guests, configuration=builders.smtp(where, server.port), html=BODY
        )
        now = timezone.now()
        lifecycle.apply(campaign, "activate", actor=builders.person(where, "approver"), now=now)
        run = campaign.runs.get()
        assert clock.start(run.pk, now=now)
        fanout.expand(run.pk, now=now)
        AudienceMember.objects.filter(profile__email="ana@x.tw").delete()
        call_command("deliver")
        got = bodies(server)
    assert "Seat  at no price" in got["ana@x.tw"] and "Seat 7 at no price" in got["bo@x.tw"]


def test_a_name_the_audience_does_not_keep_is_found_before_anything_leaves(
    where: Workspace, author: User, guests: Audience
) -> None:
    campaign = builders.draft(where, author, audience=guests, html=BODY.replace("seat", "seet"))
    found = Caller(where).get(f"/api/campaigns/{campaign.pk}/findings/").json()["findings"]
    [one] = [one for one in found if one["code"] == "unknown_name"]
    assert one["level"] == "error" and one["field"] == "html"
    assert "audience.seet" in one["message"] and "audience.seat" in one["message"]
    other = builders.audience(where, name="Everybody")
    campaign = builders.draft(where, author, audience=other, html=BODY)
    found = Caller(where).get(f"/api/campaigns/{campaign.pk}/findings/").json()["findings"]
    assert [one["code"] for one in found].count("unknown_name") == 2


def test_the_pre_flight_names_who_lacks_a_field_of_the_audience(
    where: Workspace, author: User, guests: Audience
) -> None:
    row = preflight.begin(
        builders.draft(where, author, audience=guests, html=BODY), actor=author, now=timezone.now()
    )
    assert preflight.check(row.pk, now=timezone.now())
    row.refresh_from_db()
    [missing] = row.findings
    bo = Profile.objects.get(email="bo@x.tw")
    assert (missing["code"], missing["detail"], missing["examples"]) == (
        "field_missing",
        "audience.price",
        [bo.pk],
    )


def test_a_proof_holds_the_values_of_a_member_or_of_its_sample(
    where: Workspace, author: User, guests: Audience
) -> None:
    Profile.objects.filter(email="ana@x.tw").update(is_test=True)
    ana = Profile.objects.get(email="ana@x.tw")
    with FakeSmtp() as server:
        made = builders.draft(
            where, author, audience=guests, configuration=builders.smtp(where, server.port), html=BODY
        )
        call, address = Caller(where), f"/api/campaigns/{made.pk}/proofs/"
        call.post(address, {"addresses": ["a@house.example"], "profile": ana.pk})
        call.post(address, {"addresses": ["b@house.example"]})
        sample = {"audience": {"seat": "1Z", "price": 5}}
        call.post(address, {"addresses": ["c@house.example"], "profile": ana.pk, "sample": sample})
        call_command("deliver")
        got = bodies(server)
    assert "Seat 12A at 900" in got["a@house.example"]
    assert "Seat [seat] at [price]" in got["b@house.example"]
    assert "Seat 1Z at 5" in got["c@house.example"]


def test_a_call_names_an_audience_that_keeps_what_the_message_reads(
    where: Workspace, guests: Audience, settings: Any, tmp_path: Any
) -> None:
    settings.VAR = tmp_path
    campaign = builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        subject="Seat {{ audience.seat }}",
    )
    call, other = Caller(where, "approver"), builders.audience(where, name="Everybody")
    body = {
        "campaignId": str(campaign.pk),
        "requestId": "a-1",
        "audience": {"id": str(other.pk)},
        "context": {},
    }
    refused = call.post("/ajo/im/executions/audience", body)
    assert pointers(refused) == [("audience_field_missing", "/audience/id")]
    alone = {"userId": "ana@x.tw", "namespace": "email", "channelData": {"emailAddress": "ana@x.tw"}}
    body = {"campaignId": str(campaign.pk), "requestId": "a-2", "recipients": [{"type": "aep", **alone}]}
    refused = call.post("/ajo/im/executions/unitary", body)
    assert ("audience_field_missing", "/campaignId") in pointers(refused)
    body = {"campaignId": str(campaign.pk), "requestId": "a-3", "audience": {"id": str(guests.pk)}}
    assert call.post("/ajo/im/executions/audience", {**body, "context": {}}).status_code < 300
    call_command("deliver")
    log = (tmp_path / "sandbox.log").read_text()
    assert "Seat 12A" in log and "Seat 7" in log


def test_messages_that_name_no_field_of_an_audience_do_not_ask_for_it(
    where: Workspace, author: User, guests: Audience, settings: Any, tmp_path: Any
) -> None:
    settings.VAR = tmp_path
    asked = {}
    for html in (builders.HTML, BODY):
        campaign = builders.draft(where, author, audience=guests, html=html)
        approver = builders.person(where, "approver", f"approver{campaign.pk}")
        lifecycle.apply(campaign, "activate", actor=approver, now=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            call_command("deliver")
        asked[html] = [one["sql"] for one in queries.captured_queries if "campaigns_message m" in one["sql"]]
    assert not [sql for sql in asked[builders.HTML] if "audiencemember am" in sql]
    assert len([sql for sql in asked[BODY] if "audiencemember am" in sql]) == 1


def test_labels_hide_an_audience_s_fields_and_values(
    where: Workspace, author: User, guests: Audience
) -> None:
    campaign = builders.draft(where, author, audience=guests, html=BODY)
    label = AccessLabel.objects.create(workspace=where, name="Board")
    guests.labels.add(label)
    client, ana = signed_in(author), Profile.objects.get(email="ana@x.tw")
    page = client.get(f"/campaigns/{campaign.pk}/edit/content/").content.decode()
    assert 'data-insert="{{ audience.seat }}"' not in page and "12A" not in page
    shown = client.get(f"/campaigns/{campaign.pk}/preview/", {"profile": ana.pk}).content.decode()
    assert "12A" not in shown and "[seat]" in shown
    assert "12A" not in client.get(f"/audiences/profiles/{ana.pk}/").content.decode()
    assert record(ana, actor=author)["uploadedAudienceFields"] == {}


def test_what_a_list_says_is_in_a_person_s_file_and_goes_with_them(
    where: Workspace, author: User, guests: Audience
) -> None:
    ana = Profile.objects.get(email="ana@x.tw")
    assert record(ana, actor=author)["uploadedAudienceFields"] == {"Guests": {"seat": "12A", "price": 900}}
    erasure.erase(ana, actor=author, now=timezone.now())
    assert "12A" not in json.dumps(list(AudienceMember.objects.values_list("fields", flat=True)))


def test_an_empty_cell_says_nothing_and_another_list_says_its_own(
    where: Workspace, author: User, guests: Audience
) -> None:
    put("email,seat,price\nana@x.tw,,1000\n", where, audience=guests, columns=KEPT)
    other = builders.audience(where, name="Other", kind="upload")
    put("email,seat\nana@x.tw,A\n", where, audience=other, columns={"seat": KEPT["seat"]})
    held = AudienceMember.objects.filter(profile__email="ana@x.tw")
    assert held.get(audience=guests).fields == {"seat": "12A", "price": 1000}
    assert held.get(audience=other).fields == {"seat": "A"}


def test_what_is_too_long_to_keep_is_refused_row_by_row(where: Workspace) -> None:
    guests = builders.audience(where, kind="upload")
    long, most = "x" * 501, "座" * 500
    raw = f"email,seat\na@x.tw,{long}\nb@x.tw,{most}\n"
    job = put(raw, where, audience=guests, columns={"seat": KEPT["seat"]})
    assert problems(job) == [(2, "seat", "row_too_long_to_keep")]
    assert [one.fields for one in AudienceMember.objects.all()] == [{"seat": most}]


@pytest.mark.parametrize(
    ("columns", "audience", "code"),
    [
        ([{"to": "membership", "key": "seat"}], False, "no_audience_to_keep"),
        ([{"to": "membership", "key": "Seat"}], True, "bad_key"),
        ([{"to": "membership", "key": "seat", "type": "choice"}], True, "bad_type"),
        ([{"to": "membership", "key": "price", "type": "text"}], True, "other_type"),
        ([{"to": "membership", "key": f"f{n}"} for n in range(29)], True, "too_many_fields"),
    ],
)
def test_a_wrong_mapping_is_told_and_keeps_nothing(
    where: Workspace, guests: Audience, columns: list[dict[str, Any]], audience: bool, code: str
) -> None:
    names = [f"c{n}" for n in range(len(columns))]
    mapping = {
        "columns": [
            {"name": "email", "to": "email"},
            *({"name": name, **one} for name, one in zip(names, columns, strict=True)),
        ]
    }
    raw = ",".join(["email", *names]).encode() + b"\nc@x.tw" + b",1" * len(names) + b"\n"
    fields = {"audienceId": guests.pk} if audience else {}
    call, before = Caller(where), Import.objects.count()
    answer = call.client.post(
        "/api/imports/",
        {"file": SimpleUploadedFile("p.csv", raw), "mapping": json.dumps(mapping), **fields},
        headers=call.headers,
    )
    assert answer.status_code == 422 or answer.status_code == 400, answer.content
    assert pointers(answer)[0][0] == code
    assert Import.objects.count() == before


def test_the_api_tells_what_an_audience_keeps_and_a_copy_keeps_it_too(
    where: Workspace, guests: Audience
) -> None:
    call = Caller(where)
    told = call.get(f"/api/audiences/{guests.pk}/").json()
    assert told["memberFields"] == {"seat": "text", "price": "number"}
    copy = call.post(f"/api/audiences/{guests.pk}/duplicate/", {}).json()
    assert copy["memberFields"] == told["memberFields"]
    held = AudienceMember.objects.filter(audience=copy["id"], profile__email="ana@x.tw")
    assert held.get().fields == {"seat": "12A", "price": 900}
