"""State × verb × door: whatever door a verb comes through, it works in its own states and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User, Workspace
from campaigns import bulk
from campaigns.lifecycle import CLOCK, TRANSITIONS
from campaigns.models import Campaign
from tests import builders
from tests.api import Caller
from tests.campaigns.test_lifecycle import STATES, campaign_in, is_possible

pytestmark = pytest.mark.django_db
# A new version's states are asked over a live campaign only; test_lifecycle.py asks the rest by the verb.
ASKED = [(status, writing) for status, writing in STATES if not writing or status == "live"]


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 2)
    return made


def doors(where: Workspace, person: User) -> Iterator[tuple[str, Callable[[Campaign, str], Any]]]:
    client, call = Client(raise_request_exception=False), Caller(where, "administrator")
    client.force_login(person)
    yield "page", lambda one, verb: client.post(f"/campaigns/{one.pk}/act/{verb}/", {"comment": "why"})
    yield "api", lambda one, verb: call.post(f"/api/campaigns/{one.pk}/actions/{verb}/", {"comment": "why"})
    by: dict[str, Any] = {"workspace": where, "actor": person, "now": timezone.now()}
    yield "many", lambda one, verb: bulk.apply(verb, [one.pk], **by) if verb in bulk.LABELS else None


@pytest.mark.parametrize(("status", "new_version"), ASKED)
def test_a_verb_works_in_its_own_states_by_every_door(
    where: Workspace, status: str, new_version: str
) -> None:
    campaign, person = campaign_in(where, status, new_version), builders.person(where, "administrator")
    wrong = []
    for door, press in doors(where, person):
        for verb, row in TRANSITIONS.items():
            undo = transaction.savepoint()
            press(campaign, verb)
            done = AuditEntry.objects.filter(verb=verb, object_key=str(campaign.pk)).count()
            expected = row.permission != CLOCK and is_possible(verb, status, new_version)
            if door == "api" and verb == "approve":
                expected = False  # a credential is nobody
            if door == "many" and verb not in bulk.LABELS:
                expected = False
            after = Campaign.objects.get(pk=campaign.pk)
            is_same = (after.status, after.draft_status, after.revision) == (
                campaign.status,
                campaign.draft_status,
                campaign.revision,
            )
            if done != int(expected) or not (expected or is_same):
                wrong.append((door, verb, done))
            transaction.savepoint_rollback(undo)
    assert wrong == []
