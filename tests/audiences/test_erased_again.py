"""Somebody erased who arrives again, by whichever door: a new person, and still nobody writes to them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import consent, erasure, evaluate, eventfiles, lastlook, suppression
from audiences.models import Identity, Profile, ProfileEvent, Suppression
from audiences.reachability import WAYS
from tests import builders
from tests.api import Caller
from tests.audiences import imported
from tests.builders import NOW

pytestmark = pytest.mark.django_db
LINE = "U0123456789abcdef0123456789abcdef"
# The channel, the namespace, and how the address is written this time.
AGAIN = [
    ("email", "email", "Gone@Example.COM."),
    ("email", "email", "gone+news@example.com"),
    ("sms", "phone", "+886 912-345-678"),
    ("whatsapp", "phone", "+886912345678"),
    ("line", "line_id", LINE),
]


@pytest.fixture
def where() -> Workspace:
    """Who is erased was reachable on every channel, and had said yes to marketing."""
    made = builders.workspace()
    gone = Profile.objects.create(workspace=made, email="gone@example.com", phone="+886912345678")
    Identity.objects.create(workspace=made, profile=gone, namespace="line_id", value=LINE)
    consent.say(gone, channel="email", state="yes", source="form", wording="Yes", actor=SYSTEM, now=NOW)
    suppression.suppress(
        workspace_id=made.pk, channel="email", address="gone@example.com", reason="complaint", now=NOW
    )
    erasure.erase(gone, actor=SYSTEM, now=NOW)
    assert not Profile.objects.exists()
    return made


def by_event_file(where: Workspace, namespace: str, value: str) -> None:
    raw = f"{namespace},name,time\n{value},seen,{timezone.now():%Y-%m-%dT%H:%MZ}\n".encode()
    job = eventfiles.bring_in(
        where,
        file=io.BytesIO(raw),
        name="e.csv",
        size=len(raw),
        create_profiles=True,
        actor=SYSTEM,
        now=timezone.now(),
    )
    assert imported.worked(job).created_count == 1
    assert ProfileEvent.objects.count() == 1


def by_events(where: Workspace, namespace: str, value: str) -> None:
    event = {
        "identity": {"namespace": namespace, "value": value},
        "name": "seen",
        "at": timezone.now().isoformat(),
    }
    answer = Caller(where).post("/api/events/", {"events": [event], "createProfiles": True})
    assert answer.status_code == 200 and answer.json()["recorded"] == 1, answer.json()


def by_bulk(where: Workspace, namespace: str, value: str) -> None:
    person = {"identities": [{"namespace": namespace, "value": value}]}
    answer = Caller(where).post("/api/profiles/bulk/", {"profiles": [person]})
    assert answer.json()["created"] == 1, answer.json()


def by_import(where: Workspace, namespace: str, value: str) -> None:
    raw = f"external_id,{namespace},subscribed\nnew-1,{value},yes\n"
    job = imported.put(raw, where)
    assert (job.state, job.created_count) == ("completed", 1)


DOORS = [by_event_file, by_events, by_bulk, by_import]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("channel", "namespace", "value"), AGAIN)
@pytest.mark.parametrize("arrives", DOORS)
def test_who_was_erased_comes_back_as_somebody_nobody_writes_to(
    where: Workspace, arrives: Callable[..., None], channel: str, namespace: str, value: str
) -> None:
    arrives(where, namespace, value)
    again = Profile.objects.get()
    everybody: dict[str, Any] = {"id": None, "kind": "rule", "name": "", "rule": {"all": []}}
    for category in ("marketing", "transactional"):
        reach = evaluate.reach(everybody, workspace_id=where.pk, channel=channel, category=category)
        assert reach == {WAYS[channel].suppressed: 1}
        (target,) = targets(where, channel, category)
        look = [(again.pk, target)]
        blocked = lastlook.blocked(where.pk, look, channel=channel, category=category)
        assert blocked == {0: WAYS[channel].suppressed}
    # Nothing of the address is written down again beside the person, and the hashes stay.
    assert set(Suppression.objects.values_list("kind", flat=True)) == {"hash"}


def targets(where: Workspace, channel: str, category: str) -> list[str]:
    everybody: dict[str, Any] = {"id": None, "kind": "rule", "name": "", "rule": {"all": []}}
    query = evaluate.targets(everybody, workspace_id=where.pk, channel=channel, category=category)
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        return [row[1] for row in cursor.fetchall()]


@pytest.mark.parametrize("arrives", DOORS)
def test_a_suppression_list_that_is_imported_again_does_not_bring_the_address_back(
    where: Workspace, arrives: Callable[..., None]
) -> None:
    arrives(where, "email", "gone@example.com")
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="gone@example.com", reason="complaint", now=NOW
    )
    look = [(Profile.objects.get().pk, "gone@example.com")]
    assert lastlook.blocked(where.pk, look, channel="email", category="marketing") == {0: "050102"}


@pytest.mark.parametrize("arrives", DOORS)
def test_somebody_else_who_arrives_the_same_way_is_written_to(
    where: Workspace, arrives: Callable[..., None]
) -> None:
    arrives(where, "email", "other@example.com")
    look = [(Profile.objects.get().pk, "other@example.com")]
    assert not lastlook.blocked(where.pk, look, channel="email", category="marketing")
