"""How fast a configuration may send: over all, per destination, and what is kept for the urgent lane.

A limit is no setting that a provider checks, so it changes at once, also while a run is sending.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from channels import domaingroups
from channels.access import MANAGE
from channels.models import ChannelConfiguration, PaceLimit
from channels.models.pace import LEAST, MOST
from channels.pacing import Pace, Paces, strict
from common.errors import Invalid, Problem

MOST_DOMAINS, MOST_SHARE = 50, 90
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+\Z")


@dataclass(frozen=True)
class Limits:
    """`domains` holds a rate per group of `domaingroups.py`, or per domain."""

    rate: float | None = None
    urgent_share: int = 0
    domains: dict[str, float] = field(default_factory=dict)

    @property
    def are_set(self) -> bool:
        return bool(self.rate or self.domains)

    def paces(self, configuration_id: int, address: str, *, is_urgent: bool) -> Paces:
        """The limits a message to the address falls under."""
        found = []
        if self.rate:
            key = f"c{configuration_id}"
            kept = self._kept()
            is_apart = is_urgent and kept
            found.append(strict(f"{key}:urgent", kept) if is_apart else strict(key, self.rate - kept))
        if self.domains:
            domain = address.rpartition("@")[2].lower()
            for name in (domain, domaingroups.group_of(address)):
                if name in self.domains:
                    found.append(strict(f"c{configuration_id}:{name}", self.domains[name]))
                    break
        return tuple(found)

    def instead(self, configuration_id: int, *, is_urgent: bool) -> dict[str, Pace]:
        """An urgent message takes the share that is kept for it, or the rest where that is free sooner."""
        if not (is_urgent and self.rate and (kept := self._kept())):
            return {}
        key = f"c{configuration_id}"
        return {f"{key}:urgent": strict(key, self.rate - kept)}

    def _kept(self) -> int:
        """Whole messages a second, so that both parts together never pass the limit."""
        if not self.rate or not self.urgent_share or self.rate < 2:
            return 0
        return min(max(1, round(self.rate * self.urgent_share / 100)), math.floor(self.rate) - 1)


def of(configuration: ChannelConfiguration) -> Limits:
    row = PaceLimit.objects.filter(pk=configuration.pk).first()
    return Limits(row.rate, row.urgent_share, row.domains) if row else Limits()


@transaction.atomic
def change(
    configuration: ChannelConfiguration,
    *,
    rate: float | None,
    urgent_share: int = 0,
    domains: Mapping[str, Any] | None = None,
    actor: Actor,
    now: datetime,
) -> Limits:
    """Sets all of them anew. Raises Invalid with the field's name as pointer."""
    require(actor, MANAGE, configuration)
    ChannelConfiguration.objects.select_for_update(of=("self",), no_key=True).get(pk=configuration.pk)
    before = of(configuration)
    given = Limits(_rate(rate, "rate"), _share(urgent_share), _domains(domains or {}))
    if given != before:
        values = {"rate": given.rate, "urgent_share": given.urgent_share, "domains": given.domains}
        PaceLimit.objects.update_or_create(configuration=configuration, defaults=values)
        audit.record(
            actor=actor,
            verb="change_limits",
            obj=configuration,
            workspace=configuration.workspace,
            now=now,
            before={"rate": before.rate, "urgent_share": before.urgent_share, "domains": before.domains},
            after=values,
        )
    return given


def _rate(value: Any, pointer: str) -> float | None:
    if value is None:
        return None
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if isinstance(value, bool) or not LEAST <= rate <= MOST:
        detail = _("Give a number of messages per second from %(least)s to %(most)s.")
        raise Invalid(Problem("bad_rate", detail % {"least": LEAST, "most": MOST}, pointer))
    return round(rate, 2)


def _share(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SHARE:
        detail = _("Give a whole percentage from 0 to %(most)s.") % {"most": MOST_SHARE}
        raise Invalid(Problem("bad_share", detail, "urgent_share"))
    return value


def _domains(given: Mapping[str, Any]) -> dict[str, float]:
    if len(given) > MOST_DOMAINS:
        detail = _("At most %(most)s destinations can have a limit.") % {"most": MOST_DOMAINS}
        raise Invalid(Problem("too_many", detail, "domains"))
    found = {}
    for name, value in given.items():
        key = str(name).strip().lower().lstrip("@")
        if key not in domaingroups.LABELS and (len(key) > 100 or not DOMAIN.match(key)):
            detail = _("“%(name)s” is neither a domain nor one of the groups: %(groups)s.")
            named = {"name": str(name)[:80], "groups": ", ".join(domaingroups.LABELS)}
            raise Invalid(Problem("bad_domain", detail % named, "domains"))
        rate = _rate(value, "domains")
        if rate is not None:
            found[key] = rate
    return found
