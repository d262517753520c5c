"""“Can Ana approve this campaign?”: whatever roles, rights, shares and labels there are, the explainer says
what the door then does, and a no names what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from accounts import access
from accounts.models import AccessLabel, ApiCredential, Role, User, Workspace
from accounts.roles import PERMISSION_LABELS
from campaigns import explainer, lifecycle
from campaigns.access import APPROVE, MANAGE, PUBLISH, VIEW, campaign_for
from campaigns.explainer import Person
from campaigns.models import Campaign
from common.errors import CarillonError, NotFound
from tests import builders
from tests.campaigns.test_lifecycle import STATES, campaign_in

pytestmark = pytest.mark.django_db
RIGHTS = (VIEW, MANAGE, PUBLISH, APPROVE)
some_rights = st.sets(st.sampled_from(RIGHTS))


@dataclass(frozen=True)
class Case:
    """What somebody holds; the roles of `elsewhere` are of another workspace and give nothing here."""

    here: frozenset[str] | None  # the rights of their role here; None: they hold none
    elsewhere: frozenset[str]
    shared: frozenset[str]
    shared_with_role: frozenset[str]
    labels: tuple[bool, ...]  # of the campaign; whether their role holds each
    is_active: bool
    is_credential: bool
    is_author: bool
    state: tuple[str, str]


cases = st.builds(
    Case,
    here=st.none() | some_rights.map(frozenset),
    elsewhere=some_rights.map(frozenset),
    shared=some_rights.map(frozenset),
    shared_with_role=st.just(frozenset()) | some_rights.map(frozenset),
    labels=st.just(()) | st.lists(st.sampled_from([True, True, False]), max_size=2).map(tuple),
    is_active=st.sampled_from([True, True, True, False]),
    is_credential=st.sampled_from([False, False, True]),
    is_author=st.booleans(),
    state=st.sampled_from(STATES),
)


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace(approval_required=True)
    builders.profiles(made, 1)
    return made


@pytest.mark.slow
@given(case=cases)
@settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_explainer_says_what_the_door_does_and_names_what_is_missing(
    where: Workspace, case: Case
) -> None:
    undo = transaction.savepoint()
    try:
        campaign = campaign_in(where, *case.state)
        person, label = _somebody(where, campaign, case)
        told = {one.verb: one for one in explainer.answers(person, campaign, now=timezone.now())}
        for verb in ("view", *lifecycle.PRESSABLE):
            answer = told.get(verb, told["view"])
            refused = _refused(lambda: _door(person, verb, campaign))  # noqa: B023  it is asked at once
            event(type(refused).__name__)
            assert answer.allowed == (refused is None), (verb, answer.sentence, refused)
            if refused is not None:
                assert _missing(refused, person, verb, campaign, label) in answer.sentence, (verb, refused)
    finally:
        transaction.savepoint_rollback(undo)


def _somebody(where: Workspace, campaign: Campaign, case: Case) -> tuple[Person, str]:
    """Who is asked about, and the first label that they lack."""
    role = _role(where, case.here or frozenset())
    other = _role(builders.workspace("other"), case.elsewhere)
    user = User.objects.create_user("ana@fernhill.example", name="Ana", is_active=case.is_active)
    user.groups.set([other.group_ptr] if case.here is None else [role.group_ptr, other.group_ptr])
    access.share(campaign, user, [right.partition(".")[2] for right in case.shared])
    access.share(campaign, role, [right.partition(".")[2] for right in case.shared_with_role])
    for number, holds in enumerate(case.labels):
        label = AccessLabel.objects.create(workspace=where, name=f"Label {number}")
        label.roles.set([role, other] if holds else [other])
        campaign.labels.add(label)
    if case.is_author:
        Campaign.objects.filter(pk=campaign.pk).update(created_by=user)
        campaign.refresh_from_db()
    is_in = case.here is not None and case.is_active
    lacks = [f"Label {number}" for number, holds in enumerate(case.labels) if not (holds and is_in)]
    person: Person = user
    if case.is_credential and case.here is not None:
        made = {"workspace": where, "role": role, "name": "Key", "prefix": "p", "secret_hash": ""}
        person = ApiCredential.objects.create(**made)
        lacks = [f"Label {number}" for number, holds in enumerate(case.labels) if not holds]
    return person, (lacks or [""])[0]


def _role(where: Workspace, rights: frozenset[str]) -> Role:
    made = Role.objects.create(workspace=where, title="Own", name=f"{where.slug}: Own")
    codenames = [right.partition(".")[2] for right in rights]
    app = {"content_type__app_label": "campaigns"}
    made.permissions.set(Permission.objects.filter(codename__in=codenames, **app))
    return made


def _door(person: Person, verb: str, campaign: Campaign) -> None:
    """As every door: first the gate, then the verb."""
    found, now = campaign_for(person, campaign.pk), timezone.now()
    if verb == "delete":
        lifecycle.delete(found, actor=person, now=now)
    elif verb == "duplicate":
        lifecycle.duplicate(found, actor=person, now=now)
    elif verb != "view":
        lifecycle.apply(found, verb, actor=person, now=now, comment="why")


def _refused(press: Callable[[], None]) -> CarillonError | None:
    undo = transaction.savepoint()
    try:
        press()
    except CarillonError as error:
        return error
    finally:
        transaction.savepoint_rollback(undo)
    return None


def _missing(refused: CarillonError, person: Person, verb: str, campaign: Campaign, label: str) -> str:
    """What the sentence has to name: the label or the right, else the state or the guard's own words."""
    permission = VIEW if isinstance(refused, NotFound) else getattr(refused, "permission", "")
    is_theirs = not permission or access.may(person, permission, campaign)
    if is_theirs:  # it is not the right that lacks
        row = lifecycle.PRESSABLE[verb]
        is_now = row.state_of(campaign) in row.sources
        return str(refused.detail) if is_now else campaign.get_status_display()
    if label and _has_but_for_labels(person, permission, campaign):
        return f"“{label}”"
    return f"“{PERMISSION_LABELS[permission]}”"


def _has_but_for_labels(person: Person, permission: str, campaign: Campaign) -> bool:
    undo = transaction.savepoint()
    campaign.labels.clear()
    has = access.may(person, permission, campaign)
    transaction.savepoint_rollback(undo)
    return has
