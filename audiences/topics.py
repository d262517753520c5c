"""Topics, the subscription lists people may choose from: make one, change it, take it out of the offer.

A topic keeps its key, which stands in its public address. Archiving keeps what people said of it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, may, require
from accounts.models import Workspace
from audiences.access import MANAGE, VIEW
from audiences.models import ConsentState, Topic
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.text import has_control

KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
CHANGEABLE = ("name", "description", "is_public", "double_opt_in")


# ---- the gate -------------------------------------------------------------------------------------
def listed_for(actor: Actor, workspace: Workspace) -> QuerySet[Topic, Any]:
    """With how many people are subscribed, pending and withdrawn."""
    require(actor, VIEW, workspace)

    def people(state: str) -> Count:
        return Count("consents__profile", filter=Q(consents__state=state), distinct=True)

    counted = {
        "subscribed": people(ConsentState.YES),
        "pending": people(ConsentState.PENDING),
        "withdrawn": people(ConsentState.NO),
    }
    return Topic.objects.filter(workspace=workspace).annotate(**counted).order_by("name")


def topic_for(actor: Actor, pk: int, permission: str = VIEW) -> Topic:
    topic = Topic.objects.select_related("workspace").filter(pk=pk).first()
    if topic is None or not may(actor, VIEW, topic.workspace):
        raise NotFound(_("There is no such topic, or you may not see it."))
    require(actor, permission, topic.workspace)
    return topic


# ---- verbs ----------------------------------------------------------------------------------------
def create(
    workspace: Workspace,
    *,
    key: str,
    name: str,
    description: str = "",
    is_public: bool = True,
    double_opt_in: bool = True,
    actor: Actor,
    now: datetime,
) -> Topic:
    """Raises Invalid with a pointer per fault."""
    require(actor, MANAGE, workspace)
    topic = Topic(
        workspace=workspace,
        key=key.strip(),
        name=name.strip(),
        description=description.strip(),
        is_public=is_public,
        double_opt_in=double_opt_in,
        created_at=now,
    )
    problems = _faults(topic)
    if not KEY.fullmatch(topic.key):
        detail = _("Write small letters, digits and hyphens, such as shop-news.")
        problems.append(Problem("bad_key", detail, "key"))
    return _save(topic, problems, "create_topic", actor, now)


def change(topic: Topic, *, actor: Actor, now: datetime, **values: Any) -> Topic:
    """Sets name, description, is_public and double_opt_in. Raises Invalid with a pointer per fault."""
    if unknown := set(values) - set(CHANGEABLE):
        raise TypeError(f"not to be changed of a topic: {unknown}")
    with transaction.atomic():
        row = _locked(topic, actor)
        before = {name: getattr(row, name) for name in CHANGEABLE}
        for name, value in values.items():
            setattr(row, name, value.strip() if isinstance(value, str) else value)
        if before == {name: getattr(row, name) for name in CHANGEABLE}:
            return row
        return _save(row, _faults(row), "change_topic", actor, now)


@transaction.atomic
def archive(topic: Topic, *, actor: Actor, now: datetime) -> Topic:
    """It is no longer offered to anybody; who is subscribed stays subscribed."""
    row = _locked(topic, actor)
    if row.archived_at is not None:
        raise IllegalTransition(_("This topic is archived already."), state="archived")
    row.archived_at = now
    return _save(row, [], "archive_topic", actor, now)


@transaction.atomic
def reopen(topic: Topic, *, actor: Actor, now: datetime) -> Topic:
    row = _locked(topic, actor)
    if row.archived_at is None:
        raise IllegalTransition(_("This topic is not archived."), state="open")
    row.archived_at = None
    return _save(row, [], "reopen_topic", actor, now)


def _locked(topic: Topic, actor: Actor) -> Topic:
    row = Topic.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=topic.pk)
    require(actor, MANAGE, row.workspace)
    return row


def _faults(topic: Topic) -> list[Problem]:
    found = []
    if not topic.name:
        found.append(Problem("name_missing", _("Give the topic a name."), "name"))
    for field, most in (("name", 100), ("description", 500)):
        text = getattr(topic, field)
        if len(text) > most:
            detail = _("At most %(most)s characters can be kept.") % {"most": most}
            found.append(Problem("too_long", detail, field))
        if has_control(text, allowed="" if field == "name" else "\t\n\r"):
            found.append(Problem("control_char", _("Control characters cannot be kept."), field))
    return found


def _save(topic: Topic, problems: list[Problem], verb: str, actor: Actor, now: datetime) -> Topic:
    if problems:
        raise Invalid(problems)
    try:
        with transaction.atomic():
            topic.save()
            audit.record(actor=actor, verb=verb, obj=topic, workspace=topic.workspace, now=now)
    except IntegrityError as error:
        field = "key" if "topic_key_once" in str(error) else "name"
        detail = {
            "key": _("There is already a topic with this key."),
            "name": _("There is already a topic with this name."),
        }[field]
        raise Invalid(Problem(f"{field}_taken", detail, field)) from error
    return topic
