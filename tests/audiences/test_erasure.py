"""Erasing a person: nothing of them is left anywhere, and every total reads as before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AuditEntry
from audiences import consent, erasure, lastlook, suppression
from audiences.models import Audience, Consent, ConsentEntry, Identity, Profile, Suppression
from audiences.profiles import find_or_create
from campaigns.delivery import clock, fanout
from campaigns.models import Attempt, Event, Message, MessageContext, Run
from campaigns.reports import metrics
from common.errors import PermissionMissing
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
MARKER = "marker-xq7"


def marked(where, local: str = MARKER) -> Profile:
    """A person whose every field holds the marker."""
    person = Profile.objects.create(
        workspace=where,
        email=f"{local}@example.com",
        phone="+886912345678",
        external_id=MARKER,
        attributes={"name": MARKER},
    )
    Identity.objects.create(workspace=where, profile=person, namespace="line_id", value=f"U{MARKER}")
    consent.say(person, channel="email", state="yes", source=MARKER, wording=MARKER, actor=SYSTEM, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE TABLE IF NOT EXISTS events_of_2026_11 PARTITION OF audiences_profileevent
               FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')"""
        )
        cursor.execute(
            """INSERT INTO audiences_profileevent
               (workspace_id, profile_id, name, at, properties, received_at)
               VALUES (%s, %s, 'bought', %s, '{"what": "marker-xq7"}', %s)""",
            [where.pk, person.pk, datetime(2026, 11, 20, tzinfo=UTC), NOW],
        )
    return person


def tables_holding(text: str) -> list[str]:
    """Every table in which some row, as text, holds the text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT 1 FROM "{table}" t WHERE t::text LIKE %s LIMIT 1', [f"%{text}%"])
            if cursor.fetchone():
                found.append(table)
    return found


def test_nothing_is_left_of_an_erased_person_and_the_report_reads_as_before() -> None:
    where = builders.workspace()
    builders.profiles(where, 4)
    # The sandbox refuses this address, and a server's refusal may repeat it.
    person = marked(where, f"refuse+{MARKER}")
    builders.live(where, now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    Attempt.objects.filter(run=run, ref=person.pk).update(detail=f"550 {MARKER} unknown")
    Event.objects.create(run=run, action=0, ref=person.pk, kind="open", at=NOW, user_agent=MARKER)
    MessageContext.objects.create(run=run, action=0, ref=person.pk, context={"a": MARKER})
    suppression.suppress(
        workspace_id=where.pk, channel="email", address=person.email, reason="complaint", now=NOW
    )
    before = (metrics.ledger(run), metrics.engagement(run), metrics.reasons(run, "failed"))
    assert len(tables_holding(MARKER)) >= 8

    erasure.erase(person, actor=SYSTEM, now=NOW)

    assert tables_holding(MARKER) == [] == tables_holding("912345678")
    assert (metrics.ledger(run), metrics.engagement(run), metrics.reasons(run, "failed")) == before
    assert Message.objects.filter(run=run).count() == 5
    assert set(Suppression.objects.values_list("kind", "reason")) == {("hash", "erased")}
    assert not ConsentEntry.objects.exists() and not Consent.objects.exists()
    entry = AuditEntry.objects.get(verb="erase_profile")
    assert entry.details == {"profile": person.pk}


def test_an_erased_address_stays_suppressed_when_it_is_imported_again() -> None:
    where = builders.workspace()
    person = marked(where)
    erasure.erase(person, actor=SYSTEM, now=NOW)
    again = find_or_create(where, "email", f"{MARKER.upper()}@Example.com.", NOW)
    look = [(again.pk, again.email), (None, f"{MARKER}+tag@example.com"), (None, "other@example.com")]
    assert lastlook.blocked(where.pk, look, channel="email", category="transactional") == {
        0: "050102",
        1: "050102",
    }
    elsewhere = builders.workspace("elsewhere")
    assert not lastlook.blocked(elsewhere.pk, look[1:], channel="email", category="marketing")


def test_a_message_that_was_waiting_never_leaves() -> None:
    where = builders.workspace()
    people = builders.profiles(where, 5)
    builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get()
    fanout.expand(run.pk, now=timezone.now())
    erasure.erase(people[2], actor=SYSTEM, now=NOW)
    call_command("deliver")
    run.refresh_from_db()
    assert Attempt.objects.get(run=run, ref=people[2].pk).outcome == "excluded"
    assert (metrics.ledger(run).accepted, metrics.ledger(run).balances, run.state) == (4, True, "completed")


def test_a_batch_in_a_workers_hands_excludes_who_was_erased() -> None:
    where = builders.workspace()
    person = builders.profiles(where, 1)[0]
    look = [(person.pk, person.email)]
    assert not lastlook.blocked(where.pk, look, channel="email", category="transactional")
    Profile.objects.filter(pk=person.pk).delete()
    assert lastlook.blocked(where.pk, look, channel="email", category="transactional") == {0: "050020"}


def test_who_may_not_manage_people_erases_nobody() -> None:
    where = builders.workspace()
    person = marked(where)
    with pytest.raises(PermissionMissing):
        erasure.erase(person, actor=builders.person(where, "viewer"), now=NOW)
    assert Profile.objects.filter(pk=person.pk).exists() and not Suppression.objects.exists()


def test_memberships_go_and_the_audience_stays() -> None:
    where = builders.workspace()
    person = marked(where)
    audience = builders.audience(where, kind=Audience.Kind.UPLOAD)
    audience.members.create(profile=person)
    erasure.erase(person, actor=SYSTEM, now=NOW)
    assert not audience.members.exists() and Audience.objects.filter(pk=audience.pk).exists()
