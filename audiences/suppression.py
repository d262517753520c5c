"""Addresses nobody writes to. They are kept by the address itself, so they outlive profiles and imports.

An entry is an address in its one stored form, a whole domain as “@example.com” (that domain exactly, not the
ones below it), or, after an erasure, “sha256:” and the hash of workspace, channel and address.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from audiences.models import Suppression
from audiences.reachability import HASH
from channels.kinds import clean_email, clean_phone

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


def suppress(*, workspace_id: int, channel: str, address: str, reason: str, now: datetime) -> None:
    """For the product itself (bounces, complaints). The first reason stays."""
    _kind, stored = as_stored(channel, address)
    Suppression.objects.get_or_create(
        workspace_id=workspace_id, channel=channel, address=stored, defaults={"reason": reason, "at": now}
    )


def as_stored(channel: str, text: str) -> tuple[str, str]:
    """(kind, address) in the one stored form. Raises Invalid."""
    given = text.strip()
    if channel == "email" and (given.startswith(("@", "*@")) or ("@" not in given and "." in given)):
        # The domain is cleaned as part of an address, so both have one spelling.
        return Suppression.Kind.DOMAIN, "@" + clean_email("x@" + given.lstrip("*@")).partition("@")[2]
    if channel == "email":
        return Suppression.Kind.ADDRESS, clean_email(given)
    return Suppression.Kind.ADDRESS, clean_phone(given) if channel == "sms" else given


def replace_by_hashes(
    workspace_id: int, addresses: Sequence[tuple[str, str]], *, reason: str, now: datetime
) -> None:
    """(channel, address) pairs: what stood on the list in the clear goes, its hash stays."""
    channels, plain = [channel for channel, _ in addresses], [address for _, address in addresses]
    with connection.cursor() as cursor:
        cursor.execute(REPLACE, (workspace_id, channels, plain, reason, now))
