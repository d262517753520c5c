"""Turns a signed token into an event. A token that is not ours changes nothing and writes nothing.

Whoever has a token of ours is led on, however often and whether or not the database is there; what is not
recorded at once is kept (`spool.py`), and what no person does is not recorded (`floods.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import structlog
from django.db import InterfaceError, OperationalError

from campaigns.models import Event, Message
from campaigns.tracking import destinations, floods, leaving, machines, spool, tokens
from campaigns.tracking.parameters import with_parameters
from campaigns.tracking.tokens import MessageKey
from common import prepared

log = structlog.get_logger(__name__)

AGENT_LENGTH = 200
DOWN = (OperationalError, InterfaceError)

# One round trip: nothing of whoever wants not to be followed, and what the configuration adds to its links.
APPEND = """
WITH told AS (
    INSERT INTO campaigns_event (run_id, action, ref, kind, at, link, user_agent, signals, machine, judged)
    SELECT %(run_id)s::bigint, %(action)s::smallint, %(ref)s::bigint, %(kind)s::text, %(at)s::timestamptz,
           %(link)s::smallint, %(user_agent)s::text, %(signals)s::smallint, %(machine)s::text, 0
    WHERE NOT EXISTS (
        SELECT 1 FROM campaigns_message m JOIN audiences_profile p ON p.id = m.profile_id AND p.is_untracked
        WHERE m.run_id = %(run_id)s::bigint AND m.ref = %(ref)s::bigint AND m.action = %(action)s::smallint)
)
SELECT settings->>'url_parameters' FROM channels_channelconfiguration WHERE id = %(configuration)s::bigint
"""


def _seen(
    key: MessageKey, kind: str, *, now: datetime, agent: str, link: int | None = None, signals: int = 0
) -> dict[str, Any]:
    """The event, by the names of its columns."""
    agent = _printable(agent)
    machine = machines.at_door(kind, agent, signals)
    seen = {"user_agent": agent, "signals": signals, "machine": machine}
    return {**key._asdict(), "kind": kind, "at": now, "link": link, **seen}


def _append(event: dict[str, Any], configuration: int | None = None) -> str:
    """The parameters that the configuration adds to links, as it has them written."""
    with prepared.cursor() as cursor:
        row = cursor.execute(APPEND, {**event, "configuration": configuration}).fetchone()
    return str(row[0] or "") if row else ""


def _printable(agent: str) -> str:
    return "".join(letter for letter in agent[:AGENT_LENGTH] if letter.isprintable())


def click(
    token: str, number: int, *, now: datetime, agent: str, signals: int = 0, sealed: str = ""
) -> str | None:
    """Where the link leads; None for a forged token or a link that never was, empty for the trap."""
    key = tokens.read(tokens.CLICK, token)
    if key is None:
        return None
    again = floods.again((key, number), now)
    if not again.is_flood:
        if number == machines.TRAP:
            signals |= machines.Signal.TRAP
        event = _seen(key, Event.Kind.CLICK, now=now, agent=agent, link=number, signals=signals)
        try:
            again.url = _followed(key, number, event)
        except DOWN as error:
            again.url = "" if number == machines.TRAP else tokens.unseal(sealed)
            if again.url is not None:
                _keep(key, event, error)
    return again.url


def _followed(key: MessageKey, number: int, event: dict[str, Any]) -> str | None:
    found = destinations.of(key.run_id, key.action)
    url = "" if number == machines.TRAP else found.urls.get(number) if found else None
    if found is None or url is None:
        return None
    is_seed = key.ref >= tokens.SEEDS
    added = "" if is_seed else _append(event, found.configuration_id)
    return with_parameters(url, key) if url and (added or is_seed) else url


def opened(token: str, *, now: datetime, agent: str, signals: int = 0) -> None:
    key = tokens.read(tokens.OPEN, token)
    if key is None or key.ref >= tokens.SEEDS or floods.again((key, None), now).is_flood:
        return
    event = _seen(key, Event.Kind.OPEN, now=now, agent=agent, signals=signals)
    try:
        _append(event)
    except DOWN as error:
        _keep(key, event, error)


def _keep(key: MessageKey, event: dict[str, Any], error: Exception) -> None:
    if key.ref < tokens.SEEDS:
        log.error("the database is away", message=str(key), kind=event["kind"], error=type(error).__name__)
        spool.keep(event)


def message_of(key: MessageKey) -> Message | None:
    """The message that the token of a link names, with its run, version, campaign and profile's id."""
    rows = Message.objects.select_related("run__campaign__workspace", "run__version")
    return rows.filter(**key._asdict()).first()


class Sender(NamedTuple):
    """A workspace's name, and by which channel it wrote."""

    name: str = ""
    channel: str = ""


def sender_of(token: str) -> Sender | None:
    """Whose message an unsubscribe link stands in: None for a link that is not ours, and empty while the
    database is away, since who wants to leave is let go then too.
    """
    key = tokens.read(tokens.UNSUBSCRIBE, token)
    if key is None:
        return None
    try:
        message = message_of(key)
    except DOWN:
        return Sender()
    if message is None:
        return None
    return Sender(message.run.campaign.workspace.name, leaving.channel_of(message))


def leave(token: str, *, now: datetime, agent: str, source: str) -> None:
    """Done when it returns, or on the disk: then it is done once the database is back. Raises what the
    database raised if not even the disk takes it, so that whoever asked hears that nothing was done.
    """
    key = tokens.read(tokens.UNSUBSCRIBE, token)
    if key is None:
        return
    agent = _printable(agent)
    try:
        leaving.withdraw(key, at=now, agent=agent, source=source)
    except DOWN as error:
        log.error("the database is away", message=str(key), kind=spool.LEAVES, error=type(error).__name__)
        told = {"kind": spool.LEAVES, "at": now, "user_agent": agent, "source": source}
        if not spool.keep({**key._asdict(), **told}):
            raise
