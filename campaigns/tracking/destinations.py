"""Where the links of a run's messages lead. A version never changes, so what was read once stays right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from campaigns.models import Link, Run


@dataclass(frozen=True)
class Destinations:
    """Of one action's links, by their numbers; the configuration may add parameters to them."""

    urls: dict[int, str]
    configuration_id: int | None


class Unknown(LookupError):
    """There is no such run or action: not kept in mind, for it may come."""


def of(run_id: int, action: int) -> Destinations | None:
    """In one indexed look-up the first time, from memory afterwards."""
    try:
        return _read(run_id, action)
    except Unknown:
        return None


@lru_cache(maxsize=1000)
def _read(run_id: int, action: int) -> Destinations:
    found = Link.objects.filter(version__runs=run_id, action=action).values_list("number", "url")
    urls = dict(found)
    if not urls:
        raise Unknown
    run = Run.objects.select_related("version").get(pk=run_id)
    used = [one["configuration"] for one in run.version.definition["actions"] if one["position"] == action]
    return Destinations(urls, used[0] if used else None)
