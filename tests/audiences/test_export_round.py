"""What is exported and imported again changes nobody."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import attributes, consent, namespaces
from audiences.models import Consent, ImportProblem, Profile
from audiences.upsert import Given, upsert
from tests import builders
from tests.audiences.imported import problems, put

pytestmark = pytest.mark.django_db
TYPES = {"vip": "boolean", "points": "number", "day": "date", "seen_at": "datetime", "tags": "list"}
TEXTS = [
    *('=HYPERLINK("http://x.tw")', "+886", "-5", "@x", "＝1", "'=1", "''-1", "'quoted'", "林怡君, 「台北」"),
    *('two\nlines, "quoted"', "a\r\nb", "true", "0912", "1e5", "2026/03/04", "NULL", "[1]", "a; b", " =1"),
    *("tab\tinside", "—", "👩‍👧", "'", '"', "#REF!", "é", "- a list\n- of two"),
]
ODD: list[dict[str, Any]] = [
    {"vip": True, "points": -5, "day": "2026-03-04", "seen_at": "2026-11-24T05:00:00Z", "tags": ["a", "b"]},
    {"vip": False, "points": 0.1, "day": "1899-12-31", "seen_at": "1999-01-01T00:00:00Z"},
    {"points": 123456789012345, "tags": ["=1", "b;c", "d, e", "[f", "林、木"], "tier": "gold, old"},
    {"points": 1e-07, "tags": ["-1"], "tier": "=gold"},
    {"points": 0, "tags": ["'=1", "x|y"], "tier": "銀"},
]


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    for key, kind in TYPES.items():
        attributes.define(made, key=key, type=kind, actor=SYSTEM, now=builders.NOW)
    choices = ["gold, old", "=gold", "銀"]
    attributes.define(made, key="tier", type="choice", choices=choices, actor=SYSTEM, now=builders.NOW)
    namespaces.add_namespace(made, key="card", actor=SYSTEM, now=builders.NOW)
    given = [
        Given([("email", f"p{n}@example.com"), ("phone", f"+8869123456{n:02}")], attributes={"name": text})
        for n, text in enumerate(TEXTS)
    ]
    given += [
        Given(
            [("email", f"odd+{n}@example.com"), ("external_id", f"=c{n}"), ("card", f"@{n}")], attributes=odd
        )
        for n, odd in enumerate(ODD)
    ]
    given[0] = replace(given[0], locale="zh-TW", is_test=True)
    more = [
        *given[3].identities,
        ("card", "one; two"),
        ("card", "+3"),
        ("push_token", "fcm:" + "t-1" * 9),
        ("card", "t, 1"),
    ]
    given[3] = replace(given[3], identities=more, time_zone="Asia/Taipei")
    made_people = upsert(made, given, actor=SYSTEM, now=builders.NOW)
    assert all(one.profile_id for one in made_people)
    opted_out = made_people[0].profile_id
    assert opted_out
    consent.withdraw(profile_id=opted_out, channel="email", source="page", now=builders.NOW)
    return made


def people() -> dict[int, Any]:
    """All that is kept of them but when they changed."""
    rows = Profile.objects.order_by("pk").values()
    named = {
        one.pk: sorted(one.identities.values_list("namespace", "value")) for one in Profile.objects.all()
    }
    return {row["id"]: ({**row, "changed_at": None}, named[row["id"]]) for row in rows}


def exported(where: Workspace) -> bytes:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    answer = client.post("/audiences/profiles/export.csv")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)  # type: ignore[arg-type, attr-defined]


def test_everybody_exported_and_imported_again_is_as_before(where: Workspace) -> None:
    before, consents = people(), list(Consent.objects.values("profile_id", "channel", "state"))
    raw = exported(where)
    job = put(raw, where)
    told = list(ImportProblem.objects.filter(job=job).values_list("row", "column", "code", "value"))
    assert (job.state, told) == ("completed", [])
    after = people()
    assert {pk: after[pk] for pk in before if after[pk] != before[pk]} == {}
    for pk, known in before.items():
        assert after[pk] == known
    assert len(after) == len(before)
    assert list(Consent.objects.values("profile_id", "channel", "state")) == consents


def test_a_list_of_identities_is_taken_apart_and_each_fault_in_it_told(where: Workspace) -> None:
    raw = (
        "email,card,line_id\n"
        'n1@example.com,"[""x;1"", ""x,2"", ""@0"", ""x;1""]",\n'
        'n2@example.com,"[""x;3"", 7]",\n'
        'n3@example.com,,"[""U1""]"\n'
        'n4@example.com,"[""a\\u0000b""]",\n'
        'n5@example.com,"[""  ""]",\n'
    )
    job = put(raw, where)
    found = Profile.objects.get(email="n1@example.com").identities.values_list("value", flat=True)
    assert sorted(found) == ["x,2", "x;1"]  # @0 stays with whom it belongs to
    assert [one.value for one in Profile.objects.get(email="n2@example.com").identities.all()] == [
        '["x;3", 7]'
    ]
    assert sorted(problems(job)) == [
        (2, "card", "identity_taken"),
        (4, "line_id", "bad_line_id"),
        (5, "card", "row_control_char"),
        (6, "card", "bad_identity"),
    ]
    assert not Profile.objects.filter(
        email__in=["n3@example.com", "n4@example.com", "n5@example.com"]
    ).exists()


def test_a_cell_is_safe_in_a_spreadsheet(where: Workspace) -> None:
    rows = csv.reader(io.StringIO(exported(where).decode("utf-8-sig"), newline=""))
    risky = [cell for row in rows for cell in row if cell.strip()[:1] in set("=+@＝＋＠")]
    assert risky == []
