"""The people a call names, with what a message needs of them: one query, however many are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Workspace
from audiences import identities, profiles
from audiences.reachability import WAYS
from common import prepared
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
    asked = [one for one in cleaned if isinstance(one, tuple)]
    people = _read(workspace, asked, channels)
    if create and (unknown := [one for one in dict.fromkeys(asked) if one not in people]):
        for namespace, value in unknown:
            profiles.find_or_create(workspace, namespace, value, now)
        people |= _read(workspace, unknown, channels)
    return [people.get(one) if isinstance(one, tuple) else one for one in cleaned]


def _cleaned(workspace: Workspace, namespace: str, value: str) -> tuple[str, str] | Invalid:
    try:
        return namespace, identities.clean(workspace, namespace, value)
    except Invalid as error:
        return error


def _read(
    workspace: Workspace, asked: Sequence[tuple[str, str]], channels: Sequence[str]
) -> dict[tuple[str, str], Known]:
    if not asked:
        return {}
    addresses = ", ".join(WAYS[channel].address for channel in channels)
    sql = f"""SELECT o.namespace, o.value, p.id, p.locale, {addresses}
        FROM ({identities.OWNERS}) o JOIN audiences_profile p ON p.id = o.id"""
    with prepared.cursor() as cursor:
        cursor.execute(sql, identities.asked_of(workspace.pk, asked))
        return {
            (namespace, value): Known(
                pk, locale, dict(zip(channels, (one or "" for one in found), strict=True))
            )
            for namespace, value, pk, locale, *found in cursor.fetchall()
        }
