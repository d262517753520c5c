"""Lanes that stay open between batches: a worker's event loop keeps one pool for all its configurations.

A lane is lent to one task at a time. It is opened for a configuration as it stands, so a changed host, secret
or sender gets new lanes, and the old ones are closed when their rest is over.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field

from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import Lane

REST_SECONDS = 60.0  # shorter than the patience of the usual servers

Key = tuple[object, ...]


@dataclass
class LanePool:
    """Belongs to one event loop; close it there."""

    resting: dict[Key, list[tuple[float, Lane]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, configuration: ChannelConfiguration, count: int) -> list[Lane]:
        """So many lanes, the ones used last first. Reads the database for a new one: call it outside the
        loop's turn; the credential is loaded.
        """
        idle = self.resting.get(_key(configuration), [])
        kept = [idle.pop()[1] for _lane in range(min(count, len(idle)))]
        provider = registry.get(configuration.provider)
        return kept + [provider.open(configuration) for _lane in range(count - len(kept))]

    def give_back(self, configuration: ChannelConfiguration, lanes: list[Lane]) -> None:
        """Those that are at rest. After an error close them instead: what is on their lines is not known."""
        now = time.monotonic()
        self.resting[_key(configuration)] += [(now, lane) for lane in lanes]

    async def sweep(self, *, everything: bool = False) -> None:
        """Closes what rested for long."""
        limit = time.monotonic() - REST_SECONDS
        done: list[Lane] = []
        for key, idle in list(self.resting.items()):
            done += [lane for since, lane in idle if everything or since < limit]
            self.resting[key] = [one for one in idle if not everything and one[0] >= limit]
            if not self.resting[key]:
                del self.resting[key]
        await asyncio.gather(*(lane.close() for lane in done), return_exceptions=True)

    async def close(self) -> None:
        await self.sweep(everything=True)


def _key(configuration: ChannelConfiguration) -> Key:
    """Equal as long as nothing that a lane is opened with has changed. A check of a sending domain changes
    who signs, at the latest when a lane's connection is due anyway.
    """
    credential = configuration.credential
    return (
        configuration.pk,
        configuration.serving,
        configuration.changed_at,
        credential and (credential.pk, credential.changed_at),
    )
