"""The people a call names, with what a message needs of them: two queries, however many are named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from accounts.models import Workspace
from audiences import identities, profiles
from audiences.reachability import WAYS
from common.errors import Invalid


@dataclass(frozen=True, slots=True)
class Known:
    """`addresses` holds one for each channel asked for; empty where the person has none."""

    profile_id: int
    locale: str
    addresses: dict[str, str]


def find(
    workspace: Workspace,
    named: Sequence[tuple[str, str]],
    channels: Sequence[str],
    *,
    now: datetime,
    create: bool,
) -> list[Known | Invalid | None]:
    """For each (namespace, value) who it is; None for who is not known, or why the name is none.

    With `create`, who is not known is made with the name they are called by, in the caller's transaction.
    """
    cleaned = [_cleaned(workspace, *one) for one in named]
    owners = identities.owners(workspace.pk, [one for one in cleaned if isinstance(one, tuple)])
    if create:
        for one in cleaned:
            if isinstance(one, tuple) and one not in owners:
                owners[one] = profiles.find_or_create(workspace, *one, now).pk
    people = _read(owners.values(), channels)
    return [people.get(owners.get(one, 0)) if isinstance(one, tuple) else one for one in cleaned]


def _cleaned(workspace: Workspace, namespace: str, value: str) -> tuple[str, str] | Invalid:
    try:
        return namespace, identities.clean(workspace, namespace, value)
    except Invalid as error:
        return error


def _read(profile_ids: Iterable[int], channels: Sequence[str]) -> dict[int, Known]:
    addresses = ", ".join(WAYS[channel].address for channel in channels)
    sql = f"SELECT p.id, p.locale, {addresses} FROM audiences_profile p WHERE p.id = ANY(%s)"
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(profile_ids)])
        return {
            pk: Known(pk, locale, dict(zip(channels, (one or "" for one in found), strict=True)))
            for pk, locale, *found in cursor.fetchall()
        }
