"""What people allow: what wins over what, what is kept for ever, and that fan-out and last look agree."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace
from audiences import consent, evaluate, lastlook, suppression
from audiences.consent import Said, Verdict
from audiences.models import Consent, ConsentEntry, Identity, Profile, Topic
from audiences.reachability import REASON_LABELS
from audiences.rules.compile import compile_rule
from common.errors import Invalid, PermissionMissing
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def ana(where: Workspace) -> Profile:
    return Profile.objects.create(workspace=where, email="ana@example.com")


def say(person: Profile, state: str, **more) -> bool:
    given = {"channel": "email", "source": "shop", "actor": SYSTEM, "now": NOW, **more}
    return consent.say(person, state=state, **given)


def test_what_is_said_is_kept_with_its_history_only_when_it_is_news(ana: Profile) -> None:
    assert say(ana, "yes", wording="News from us by email")
    assert not say(ana, "yes", source="elsewhere", now=NOW + timedelta(days=1))
    assert say(ana, "no", now=NOW + timedelta(days=2))
    row = Consent.objects.get()
    assert (row.state, row.source, row.at) == ("no", "shop", NOW + timedelta(days=2))
    assert [entry.state for entry in ConsentEntry.objects.all()] == ["no", "yes"]
    assert AuditEntry.objects.filter(verb="record consent").count() == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "evidence_missing"),
        ({"wording": "News by email", "now": NOW - timedelta(days=1)}, "evidence_missing"),
        ({"wording": "News by email", "source": " "}, "source_missing"),
    ],
)
def test_an_opt_out_is_not_overridden_without_new_evidence(ana: Profile, given: dict, told: str) -> None:
    say(ana, "no")
    with pytest.raises(Invalid) as refused:
        say(ana, "yes", **given)
    assert refused.value.code == told
    assert (Consent.objects.get().state, ConsentEntry.objects.count()) == ("no", 1)
    assert say(ana, "yes", wording="News from us by email")


def test_withdrawing_needs_nothing_and_is_kept_once_per_channel_beside_topics(
    where: Workspace, ana: Profile
) -> None:
    topic = Topic.objects.create(workspace=where, key="news", name="News")
    say(ana, "yes", topic=topic, wording="News")
    assert consent.withdraw(profile_id=ana.pk, channel="email", source="one-click", now=NOW)
    assert not consent.withdraw(profile_id=ana.pk, channel="email", source="one-click", now=NOW)
    assert set(Consent.objects.values_list("topic", "state")) == {(None, "no"), (topic.pk, "yes")}


def test_many_statements_are_judged_one_by_one_in_a_fixed_number_of_queries(
    where: Workspace, django_assert_num_queries
) -> None:
    people = builders.profiles(where, 200)
    consent.withdraw(profile_id=people[0].pk, channel="email", source="x", now=NOW)
    said = [Said(one.pk, "email", "yes", "file") for one in people]
    with django_assert_num_queries(4):  # two checks, the statement, its savepoint
        verdicts = consent.say_all(where, said, actor=None, now=NOW)
    assert verdicts == [Verdict.EVIDENCE_MISSING] + [Verdict.WRITTEN] * 199
    twice = [Said(people[1].pk, "email", "no", "a"), Said(people[1].pk, "email", "yes", "b", "words")]
    assert consent.say_all(where, twice, actor=None, now=NOW) == [Verdict.WRITTEN, Verdict.UNCHANGED]
    assert consent.say_all(where, [], actor=None, now=NOW) == []


def test_wrong_statements_are_told_with_their_place_and_nothing_is_written(
    where: Workspace, ana: Profile
) -> None:
    other = builders.profiles(builders.workspace("other"), 1)[0]
    said = [
        Said(ana.pk, "email", "yes", "shop"),
        Said(other.pk, "email", "yes", "shop"),
        Said(ana.pk, "pigeon", "maybe", "", "x\0", topic_id=99),
    ]
    with pytest.raises(Invalid) as refused:
        consent.say_all(where, said, actor=SYSTEM, now=NOW)
    assert {problem.pointer for problem in refused.value.problems} == {
        *("/1/profile", "/2/channel", "/2/state", "/2/source", "/2/wording", "/2/topic")
    }
    assert not Consent.objects.exists()


def test_a_viewer_records_nothing(where: Workspace, ana: Profile) -> None:
    with pytest.raises(PermissionMissing):
        say(ana, "yes", actor=builders.person(where, "viewer"))
    assert not Consent.objects.exists()


@pytest.mark.parametrize("statement", ["UPDATE audiences_consententry SET state = 'yes'", "DELETE FROM"])
def test_the_history_cannot_be_changed(ana: Profile, statement: str) -> None:
    say(ana, "no")
    sql = statement if "UPDATE" in statement else "DELETE FROM audiences_consententry"
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert ConsentEntry.objects.get().state == "no"


# ---- fan-out and last look ----------------------------------------------------------------------
LISTED = [
    None,
    "ana@example.com",
    "ANA@Example.com.",
    "@example.com",
    "*@EXAMPLE.com",
    "@other.example",
    "erased",
]
SPOKEN = [
    (),
    (("no", False),),
    (("yes", False),),
    (("pending", False),),
    (("no", True),),
    (("pending", True),),
]
WRITTEN = [None, "ana@example.com", "ana+shop@example.com", "ana@sub.example.com", "bo@example.com"]


@pytest.mark.parametrize("listed", LISTED)
def test_the_fan_out_and_the_last_look_always_agree(where: Workspace, listed: str | None) -> None:
    topic = Topic.objects.create(workspace=where, key="news", name="News")
    if listed == "erased":
        suppression.replace_by_hashes(where.pk, [("email", "ana@example.com")], reason="erased", now=NOW)
    elif listed:
        suppression.suppress(workspace_id=where.pk, channel="email", address=listed, reason="x", now=NOW)
    for spoken, email in itertools.product(SPOKEN, WRITTEN):
        with transaction.atomic():
            person = Profile.objects.create(workspace=where, email=email)
            for state, of_topic in spoken:
                say(person, state, topic=topic if of_topic else None)
            for category in ("marketing", "transactional"):
                look = [(person.pk, email or "")]
                seen = lastlook.blocked(where.pk, look, channel="email", category=category)
                asked = (listed, spoken, email, category)
                assert seen.get(0) == fan_out(where, category) == expected(*asked), asked
            transaction.set_rollback(True)


def fan_out(where: Workspace, category: str) -> str | None:
    """The reason of the only person there is."""
    everybody = {"id": None, "kind": "rule", "name": "", "rule": {}}
    query = evaluate.targets(everybody, workspace_id=where.pk, channel="email", category=category)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT reason FROM ({query.sql}) t", query.params)
        return cursor.fetchone()[0]


def expected(listed: str | None, spoken: tuple, email: str | None, category: str) -> str | None:
    if not email:
        return "050020"
    by_address = listed in ("ana@example.com", "ANA@Example.com.", "erased")
    if by_address and email in ("ana@example.com", "ana+shop@example.com"):
        return "050102"
    if listed in ("@example.com", "*@EXAMPLE.com") and email.endswith("@example.com"):
        return "050105"
    withdrawn = any(state in ("no", "pending") and not of_topic for state, of_topic in spoken)
    return "050101" if withdrawn and category == "marketing" else None


# No address, no consent, suppressed: the codes of the catalogue, and two of ours for what it does not know.
CODES: dict[str, tuple[str | None, str, str]] = {
    "sms": ("050153", "050104", "050107"),
    "whatsapp": ("050153", "050109", "050107"),
    "line": ("050029", "050109", "050107"),
    "push": ("050030", "050111", "050107"),
    "webpush": ("050030", "050111", "050107"),
    "webhook": ("050029", "050109", "050107"),
    "direct_mail": (None, "050109", "050107"),
    "inapp": (None, "050109", "050107"),
}
COLUMNS = {"sms": "phone", "whatsapp": "phone"} | dict.fromkeys(
    ("webhook", "direct_mail", "inapp"), "external_id"
)
NAMESPACES = {"line": "line_id", "push": "push_token", "webpush": "webpush"}
SUBSCRIPTION = '{"endpoint":"https://push.example/%s","keys":{"auth":"a","p256dh":"b"}}'
EVERYBODY = {"id": None, "kind": "rule", "name": "", "rule": {}}


def reached_as(where: Workspace, channel: str, name: str) -> Profile:
    """Somebody whose address on the channel is `name`."""
    if channel in COLUMNS:
        return Profile.objects.create(workspace=where, **{COLUMNS[channel]: name})
    person = Profile.objects.create(workspace=where)
    for value in (f"older {name}", name):
        Identity.objects.create(workspace=where, profile=person, namespace=NAMESPACES[channel], value=value)
    return person


def all_sorts(where: Workspace, channel: str) -> dict[int, tuple[str, str | None, str | None]]:
    """People by number: the address, what keeps marketing from them, what keeps everything."""
    no_address, no_consent, suppressed = CODES[channel]
    nobody = Profile.objects.create(workspace=where)
    sorts: dict[int, tuple[str, str | None, str | None]] = {
        nobody.pk: ("" if no_address else str(nobody.pk), no_address, no_address)
    }
    spoken = [(), (channel,), ("email", "fax")]
    for number, (listed, refused) in enumerate(itertools.product((None, "address", "erased"), spoken)):
        name = f"+88691234567{number}" if COLUMNS.get(channel) == "phone" else f"n{number}"
        name = SUBSCRIPTION % name if channel == "webpush" else name
        person = reached_as(where, channel, name)
        if listed == "erased":
            suppression.replace_by_hashes(where.pk, [(channel, name)], reason="erased", now=NOW)
        elif listed:
            suppression.suppress(workspace_id=where.pk, channel=channel, address=name, reason="x", now=NOW)
        for one in refused:
            Consent.objects.create(profile=person, channel=one, state="no", source="x", at=NOW)
        held = suppressed if listed else None
        sorts[person.pk] = (name, held or (no_consent if channel in refused else None), held)
    return sorts


@pytest.mark.parametrize("channel", CODES)
def test_fan_out_count_last_look_and_rules_agree_on_every_channel(where: Workspace, channel: str) -> None:
    sorts = all_sorts(where, channel)
    of = {"workspace_id": where.pk, "channel": channel}
    for place, category in ((1, "marketing"), (2, "transactional")):
        query = evaluate.targets(EVERYBODY, category=category, **of)
        with connection.cursor() as cursor:
            cursor.execute(query.sql, query.params)
            found = {pk: (address, reason) for pk, address, reason in cursor.fetchall()}
        assert found == {pk: (row[0], row[place]) for pk, row in sorts.items()}
        look = [(pk, address) for pk, (address, _reason) in found.items()]
        blocked = lastlook.blocked(where.pk, look, channel=channel, category=category)
        assert [blocked.get(at) for at in range(len(look))] == [reason for _, reason in found.values()]
        counts = Counter(reason or "" for _address, reason in found.values())
        assert evaluate.reach(EVERYBODY, category=category, **of) == counts
        assert set(counts) <= {"", *REASON_LABELS}
    asked = compile_rule({"reachable": channel, "op": "is"}, where)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT p.id FROM audiences_profile p WHERE {asked.sql}", asked.params)
        assert {pk for (pk,) in cursor.fetchall()} == {pk for pk, row in sorts.items() if row[1] is None}
    gone = lastlook.blocked(where.pk, [(0, "n")], channel=channel, category="transactional")
    assert gone == {0: CODES[channel][0] or "050029"}


def test_an_address_longer_than_the_list_takes_is_suppressed_by_its_hash(where: Workspace) -> None:
    value = SUBSCRIPTION % ("x" * 1500)
    person = reached_as(where, "webpush", value)
    suppression.suppress(workspace_id=where.pk, channel="webpush", address=value, reason="gone", now=NOW)
    reach = evaluate.reach(EVERYBODY, workspace_id=where.pk, channel="webpush", category="transactional")
    assert reach == {"050107": 1}
    assert [one.reason for one in suppression.holding(person)] == ["gone"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def test_thousands_of_statements_are_never_compared_each_with_each(where: Workspace) -> None:
    people = builders.profiles(where, 3000)
    said = [Said(one.pk, "email", "yes", "shop", "News from us") for one in people]
    # As an import's join does, it makes the planner expect one row.
    source = consent._source(said, NOW)
    few = f"SELECT * FROM ({source.sql}) x WHERE place + 0 = place AND profile_id + 0 = profile_id"
    with connection.cursor() as cursor:
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + consent.RECORD.format(source=few)
        cursor.execute(explain, (*source.params, ""))
        plan = json.loads(found) if isinstance(found := cursor.fetchone()[0], str) else found
    touched = [node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan[0]["Plan"])]
    thrown = [node.get("Rows Removed by Join Filter", 0) for node in nodes(plan[0]["Plan"])]
    assert max(touched) + max(thrown) < 20 * len(people)
    assert Consent.objects.filter(state="yes").count() == len(people)
