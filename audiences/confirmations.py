"""Sends the mails that ask to confirm a subscription, from the queue of Confirmation rows.

A claim commits the next time first, so a worker that dies sends late, never twice at once; what may have left
is never sent again. Without an active configuration the rows wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Workspace
from accounts.switch import IS_ON
from audiences import lastlook, subscription
from audiences.models import Confirmation, ConsentState
from audiences.preferences import url_of as preferences_url
from channels import configurations
from channels.messages import Fact, Rendered
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import Lane
from common import place as places

log = structlog.get_logger(__name__)

PAGE, TRIES, LONGEST = 50, 8, timedelta(hours=6)
WAIT = timedelta(minutes=5)  # for a configuration
NEVER_AGAIN = (Fact.ACCEPTED, Fact.UNCERTAIN)

# The back-off: 2, 4, 8 … minutes after each try. Nothing leaves while the main switch is off.
CLAIM = f"""
UPDATE audiences_confirmation c SET tries = c.tries + 1,
    due_at = %(now)s + LEAST(%(longest)s, interval '1 minute' * 2 ^ (c.tries + 1))
WHERE c.id IN (SELECT d.id FROM audiences_confirmation d JOIN audiences_topic t ON t.id = d.topic_id
               JOIN accounts_workspace w ON w.id = t.workspace_id WHERE d.due_at <= %(now)s AND {IS_ON}
               ORDER BY d.due_at LIMIT %(page)s FOR UPDATE OF d SKIP LOCKED)
RETURNING c.id
"""


def send_due(now: datetime) -> int:
    """Everything that is due; how many mails left."""
    sent = 0
    while rows := _claim(now):
        for workspace, of_workspace in _by_workspace(rows):
            sent += _send_all(workspace, of_workspace, now)
    return sent


def configuration_for(workspace: Workspace) -> ChannelConfiguration | None:
    """The one that carries these mails: transactional before marketing."""
    for category in ("transactional", "marketing"):
        if found := configurations.active_for(workspace, subscription.CHANNEL, category).first():
            return found
    return None


def _claim(now: datetime) -> list[Confirmation]:
    values: dict[str, Any] = {"now": now, "longest": LONGEST, "page": PAGE, "place": places.place()}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        numbers = [row[0] for row in cursor.fetchall()]
    rows = Confirmation.objects.filter(pk__in=numbers).select_related("profile", "topic__workspace")
    return list(rows.order_by("pk"))


def _by_workspace(rows: Iterable[Confirmation]) -> list[tuple[Workspace, list[Confirmation]]]:
    found: dict[int, tuple[Workspace, list[Confirmation]]] = {}
    for row in rows:
        found.setdefault(row.topic.workspace_id, (row.topic.workspace, []))[1].append(row)
    return list(found.values())


def _send_all(workspace: Workspace, rows: list[Confirmation], now: datetime) -> int:
    configuration = configuration_for(workspace)
    if configuration is None:
        waiting = Confirmation.objects.filter(pk__in=[row.pk for row in rows])
        waiting.update(due_at=now + WAIT, tries=F("tries") - 1, problem="no_configuration")
        return 0
    wanted = _still_wanted(workspace, rows)
    lane = registry.get(configuration.provider).open(configuration)
    with asyncio.Runner() as loop:
        try:
            return sum(_send(loop, lane, row, configuration, now) for row in wanted)
        finally:
            loop.run(lane.close())


def _still_wanted(workspace: Workspace, rows: list[Confirmation]) -> list[Confirmation]:
    """The last look: not suppressed meanwhile, not confirmed, not withdrawn."""
    people = [(row.profile_id, row.profile.email or "") for row in rows]
    blocked = lastlook.blocked(workspace.pk, people, channel=subscription.CHANNEL, category="transactional")
    wanted = []
    for place, row in enumerate(rows):
        states = subscription.states(row.profile_id, row.topic_id)
        if place in blocked or row.confirmed_at or states[1] not in (ConsentState.PENDING, ConsentState.YES):
            _note(row, problem=blocked.get(place, "overtaken"))
        else:
            wanted.append(row)
    return wanted


def _send(
    loop: asyncio.Runner, lane: Lane, row: Confirmation, configuration: ChannelConfiguration, now: datetime
) -> int:
    said = loop.run(lane.send(letter(row, configuration, now)))
    if said.fact in NEVER_AGAIN:
        _note(row, sent_at=now)
        return 1
    problem = f"{said.fact}: {said.code}"[:200]
    log.warning("confirmation not sent", confirmation=row.pk, problem=problem)
    if said.fact == Fact.REFUSED or row.tries >= TRIES:
        _note(row, problem=problem)
    else:
        Confirmation.objects.filter(pk=row.pk).update(problem=problem)
    return 0


def _note(row: Confirmation, *, sent_at: datetime | None = None, problem: str = "") -> None:
    """Out of the queue, unless somebody asked anew in this moment."""
    mine = Confirmation.objects.filter(pk=row.pk, asked_at=row.asked_at)
    mine.update(due_at=None, problem=problem, **({"sent_at": sent_at} if sent_at else {}))


def letter(row: Confirmation, configuration: ChannelConfiguration, now: datetime) -> Rendered:
    """The mail, in the language the person read on the page. Its Message-ID is the same for every try."""
    with translation.override(row.language):
        page = {
            "sender": row.topic.workspace.name,
            "topic": row.topic.name,
            "wording": row.wording,
            "address": subscription.url_of(row, now=now),
            "preferences": preferences_url(row.profile_id),
            "language": row.language,
        }
        return Rendered(
            key=f"confirm-{row.pk}-{int(row.asked_at.timestamp())}",
            recipient=row.profile.email or "",
            sender_name=configuration.sender_name,
            sender_email=configuration.sender_email,
            reply_to=configuration.reply_to,
            subject=_("Please confirm: %(topic)s") % {"topic": row.topic.name},
            html=render_to_string("mail/confirm.html", page),
            text=render_to_string("mail/confirm.txt", page),
            headers={"Auto-Submitted": "auto-generated"},
        )
