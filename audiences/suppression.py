"""Addresses nobody writes to. They are kept by the address itself, so they outlive profiles and imports.

An entry is an address in its one stored form, a whole domain as “@example.com” (that domain exactly, not the
ones below it), or, after an erasure, “sha256:” and the hash of workspace, channel and address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, may, require
from accounts.models import User, Workspace
from audiences.access import MANAGE as SEE
from audiences.models import Profile, Suppression
from audiences.reachability import CHANNELS, HASH, every_address_of
from channels.access import MANAGE
from channels.kinds import clean_email, clean_phone
from common.errors import Conflict, Invalid, NotFound, Problem
from common.text import has_control

PAGE, MOST_TOLD, LONGEST_REASON, LONGEST_ADDRESS = 5000, 5000, 60, 254
# Somebody asked for this themselves: taking it back needs a second look.
ASKED_FOR = ("complaint", "unsubscribe", "erased")

REPLACE = f"""
WITH given AS (
    SELECT DISTINCT %s::bigint AS workspace_id, channel, address FROM unnest(%s::text[], %s::text[])
        AS t(channel, address)
), gone AS (
    DELETE FROM audiences_suppression s USING given g
    WHERE s.workspace_id = g.workspace_id AND s.address = g.address
    RETURNING s.workspace_id, s.channel, s.address
), hashed AS (
    SELECT DISTINCT workspace_id, channel,
           {HASH.format(workspace="workspace_id", address="address").replace("%s", "channel")} AS hash
    FROM (SELECT * FROM given UNION SELECT * FROM gone) held
)
INSERT INTO audiences_suppression (workspace_id, channel, kind, address, reason, at)
SELECT workspace_id, channel, 'hash', hash, %s, %s FROM hashed ON CONFLICT DO NOTHING
"""
# Who was erased is not brought back in the clear: their hash holds already.
ADD = f"""
INSERT INTO audiences_suppression (workspace_id, channel, kind, address, reason, created_by_id, at)
SELECT DISTINCT ON (channel, address) w.id, channel, kind, address, reason, %s::bigint, %s
FROM (SELECT %s::bigint AS id) w
CROSS JOIN unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS t(place, channel, kind, address, reason)
WHERE NOT EXISTS (SELECT 1 FROM audiences_suppression s WHERE s.workspace_id = w.id AND s.channel = t.channel
    AND s.address = {HASH.format(workspace="w.id", address="t.address").replace("%s", "t.channel")})
ORDER BY channel, address, place
ON CONFLICT DO NOTHING RETURNING channel, address
"""


@dataclass(frozen=True)
class Entry:
    """What somebody gives; the address may also be a domain."""

    channel: str
    address: str
    reason: str


@dataclass(frozen=True)
class Reject:
    place: int
    problem: Problem


@dataclass
class Added:
    """`known` were on the list before, `new` holds the places of the others. Keeps 5,000 rejects."""

    added: int = 0
    known: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    new: set[int] = field(default_factory=set)


# ---- the gate -------------------------------------------------------------------------------------
def listed_for(actor: Actor, workspace: Workspace, search: str = "") -> QuerySet[Suppression]:
    """The newest first. A whole address also finds what is kept of it as a hash."""
    require(actor, SEE, workspace)
    rows = Suppression.objects.filter(workspace=workspace).select_related("created_by").order_by("-pk")
    text = search.replace("\0", "").strip()
    if not text:
        return rows
    hashed = Q(kind=Suppression.Kind.HASH, address__in=_hashes([_whole(text)]))
    return rows.filter(Q(address__icontains=text) | hashed)


def exported(actor: Actor, workspace: Workspace, *, now: datetime) -> QuerySet[Suppression]:
    """The whole list, for a file. That it left is noted."""
    rows = listed_for(actor, workspace)
    audit.record(actor=actor, verb="export_suppression", obj=workspace, workspace=workspace, now=now)
    return rows


def _whole(text: str) -> str:
    for clean in (clean_email, clean_phone):
        try:
            return clean(text)
        except Invalid:
            continue
    return text


def entry_for(actor: Actor, pk: int) -> Suppression:
    entry = Suppression.objects.select_related("workspace").filter(pk=pk).first()
    if entry is None or not may(actor, SEE, entry.workspace):
        raise NotFound(_("There is no such entry, or you may not see it."))
    return entry


# ---- the one form ---------------------------------------------------------------------------------
def as_stored(channel: str, text: str) -> tuple[str, str]:
    """(kind, address) in the one stored form. Raises Invalid."""
    given = text.strip()
    if channel == "email" and (given.startswith(("@", "*@")) or ("@" not in given and "." in given)):
        # The domain is cleaned as part of an address, so both have one spelling.
        return Suppression.Kind.DOMAIN, "@" + clean_email("x@" + given.lstrip("*@")).partition("@")[2]
    if channel == "email":
        return Suppression.Kind.ADDRESS, clean_email(given)
    return Suppression.Kind.ADDRESS, clean_phone(given) if channel in ("sms", "whatsapp") else given


def cleaned(entry: Entry) -> tuple[str, str, str, str]:
    """(channel, kind, address, reason). Raises Invalid with the field's name as pointer."""
    if entry.channel not in CHANNELS:
        detail = _("There is no channel “%(name)s”; use one of %(known)s.")
        named = {"name": entry.channel[:80], "known": ", ".join(CHANNELS)}
        raise Invalid(Problem("unknown_channel", detail % named, "channel"))
    reason = entry.reason.strip()
    if not reason or len(reason) > LONGEST_REASON or has_control(reason):
        detail = _("Give a reason of 1 to %(most)s characters.") % {"most": LONGEST_REASON}
        raise Invalid(Problem("bad_reason", detail, "reason"))
    if not entry.address.strip() or len(entry.address) > 1000 or has_control(entry.address):
        raise Invalid(Problem("bad_address", _("Give an address or a domain."), "address"))
    try:
        kind, address = as_stored(entry.channel, entry.address)
    except Invalid as error:
        raise Invalid(Problem(error.code, error.detail, "address")) from error
    if len(address) > LONGEST_ADDRESS:
        raise Invalid(Problem("too_long", _("The address is too long."), "address"))
    return entry.channel, kind, address, reason


# ---- verbs ----------------------------------------------------------------------------------------
def suppress(*, workspace_id: int, channel: str, address: str, reason: str, now: datetime) -> None:
    """For the product itself (bounces, complaints, devices that are gone). The first reason stays.

    An address too long for the list, as a browser's subscription is, is kept as its hash.
    """
    kind, stored = as_stored(channel, address)
    if len(stored) > LONGEST_ADDRESS:
        replace_by_hashes(workspace_id, [(channel, stored)], reason=reason, now=now)
        return
    given = {"kind": kind, "reason": reason, "at": now}
    Suppression.objects.get_or_create(
        workspace_id=workspace_id, channel=channel, address=stored, defaults=given
    )


@transaction.atomic
def add(workspace: Workspace, entries: Iterable[Entry], *, actor: Actor, now: datetime) -> Added:
    """Any number of entries, read in pages; what is wrong is told by its place and keeps nothing else out."""
    require(actor, MANAGE, workspace)
    tally, rest = Added(), enumerate(entries)
    while page := list(islice(rest, PAGE)):
        _add_page(workspace, list(_good(page, tally)), tally, actor, now)
    if tally.added:
        audit.record(
            actor=actor, verb="suppress", obj=workspace, workspace=workspace, now=now, added=tally.added
        )
    return tally


def _good(page: Iterable[tuple[int, Entry]], tally: Added) -> Iterator[tuple[Any, ...]]:
    for place, entry in page:
        try:
            yield (place, *cleaned(entry))
        except Invalid as error:
            tally.rejected += 1
            if len(tally.rejects) < MOST_TOLD:
                tally.rejects.append(Reject(place, error.problems[0]))


def _add_page(
    workspace: Workspace, rows: list[tuple[Any, ...]], tally: Added, actor: Actor, now: datetime
) -> None:
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    author = actor.pk if isinstance(actor, User) else None
    with connection.cursor() as cursor:
        cursor.execute(ADD, (author, now, workspace.pk, *columns))
        added = set(cursor.fetchall())
    first: dict[tuple[str, str], int] = {}
    for place, channel, _kind, address, _reason in rows:
        first.setdefault((channel, address), place)
    tally.new |= {place for key, place in first.items() if key in added}
    tally.added += len(added)
    tally.known += len(rows) - len(added)


def asks_again(entry: Suppression) -> bool:
    """Whether the person asked for it themselves."""
    return entry.reason.casefold().startswith(ASKED_FOR)


@transaction.atomic
def remove(entry: Suppression, *, is_sure: bool = False, actor: Actor, now: datetime) -> None:
    """Raises Conflict `confirmation_needed` for what a person asked for, unless `is_sure`."""
    require(actor, MANAGE, entry.workspace)
    row = Suppression.objects.select_for_update(of=("self",)).select_related("workspace")
    held = row.filter(pk=entry.pk).first()
    if held is None:
        raise NotFound(_("There is no such entry, or you may not see it."))
    if asks_again(held) and not is_sure:
        detail = _("This person asked for it (%(reason)s). Confirm that they want messages again.")
        raise Conflict(detail % {"reason": held.reason}, code="confirmation_needed")
    number, was_asked_for = held.pk, asks_again(held)
    held.delete()
    # By number only: the log is kept for ever, and must not hold the address of one who is erased.
    audit.record(
        actor=actor,
        verb="unsuppress",
        obj=entry.workspace,
        workspace=entry.workspace,
        now=now,
        entry=number,
        was_asked_for=was_asked_for,
    )


def holding(person: Profile) -> list[Suppression]:
    """The entries that keep messages from the person: by address, by domain, by hash."""
    found = Q(pk=None)
    for channel, address in every_address_of(person):
        plain = [address]
        if channel == "email":
            plain.append(re.sub(r"[+][^@]*@", "@", address))
        forms = [*plain, "@" + address.rpartition("@")[2]] if channel == "email" else plain
        found |= Q(channel=channel, address__in=forms) | Q(channel=channel, address__in=_hashes(plain))
    rows = Suppression.objects.filter(found, workspace=person.workspace_id)
    return list(rows.order_by("channel", "pk"))


def _hashes(addresses: Sequence[str]) -> list[Any]:
    """As expressions over a row of the list."""
    sql = HASH.format(workspace="workspace_id", address="%s").replace("%s", "channel", 1)
    return [RawSQL(sql, (address,)) for address in addresses]  # noqa: S611  our own columns; texts are bound


def replace_by_hashes(
    workspace_id: int, addresses: Sequence[tuple[str, str]], *, reason: str, now: datetime
) -> None:
    """(channel, address) pairs: what stood on the list in the clear goes, its hash stays."""
    channels, plain = [channel for channel, _ in addresses], [address for _, address in addresses]
    with connection.cursor() as cursor:
        cursor.execute(REPLACE, (workspace_id, channels, plain, reason, now))
