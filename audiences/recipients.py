"""The people a call names, with what a message needs of them: one column of a query, for any number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Workspace
from audiences import identities, namespaces, profiles, reachability
from audiences.addresses import sql
from audiences.reachability import WAYS
from common import prepared
from common.errors import Invalid

COLUMN = f"""
(SELECT jsonb_agg(jsonb_build_array(o.namespace, o.value, p.id, p.locale, {{addresses}}))
 FROM ({identities.OWNERS}) o JOIN audiences_profile p ON p.id = o.id)"""


@dataclass(frozen=True, slots=True)
class Known:
    """`addresses` holds one for each channel, and for each configuration (by its number as text) that takes
    its addresses from elsewhere; empty where the person has none.
    """

    profile_id: int
    locale: str
    addresses: dict[str, str]

    def address(self, channel: str, configuration: int) -> str:
        through = str(configuration)
        return self.addresses[through if through in self.addresses else channel]


class Search:
    """Who each (namespace, value) is. Select its `column` with its `parameters` in a statement that is asked
    anyway, which spares a second way to the database; then `read` what came.
    """

    def __init__(self, workspace: Workspace, named: Sequence[tuple[str, str]]) -> None:
        self.workspace = workspace
        columns = {channel: reachability.address(channel, workspace) for channel in WAYS}
        columns |= {one: sql(sources) for one, sources in workspace.address_from.items() if one not in WAYS}
        self.places, self.column = tuple(columns), COLUMN.format(addresses=", ".join(columns.values()))
        is_own = any(namespace not in namespaces.LABELS for namespace, _value in named)
        known = namespaces.namespaces_of(workspace) if is_own else None
        self.cleaned = [_cleaned(workspace, *one, known) for one in named]
        self.asked = [one for one in self.cleaned if isinstance(one, tuple)]

    @property
    def parameters(self) -> dict[str, Any]:
        return identities.asked_of(self.workspace.pk, self.asked)

    def read(self, found: str | None, *, now: datetime, create: bool) -> list[Known | Invalid | None]:
        """Each in their place, by the column's JSON; None for who is not known, or why the name is none.

        With `create`, who is not known is made with the name they are called by, in the open transaction.
        """
        people = self._known(found)
        if create and (unknown := [one for one in dict.fromkeys(self.asked) if one not in people]):
            for namespace, value in unknown:
                profiles.find_or_create(self.workspace, namespace, value, now)
            asked = identities.asked_of(self.workspace.pk, unknown)
            with prepared.cursor() as cursor:
                made = cursor.execute(f"SELECT {self.column}", asked).fetchone()
            people |= self._known(made[0] if made else None)
        return [people.get(one) if isinstance(one, tuple) else one for one in self.cleaned]

    def _known(self, found: str | None) -> dict[tuple[str, str], Known]:
        return {
            (namespace, value): Known(
                pk, locale, dict(zip(self.places, (one or "" for one in addresses), strict=True))
            )
            for namespace, value, pk, locale, *addresses in json.loads(found or "[]")
        }


def _cleaned(
    workspace: Workspace, namespace: str, value: str, known: Mapping[str, namespaces.Namespace] | None
) -> tuple[str, str] | Invalid:
    try:
        return namespace, identities.clean(workspace, namespace, value, known=known)
    except Invalid as error:
        return error
