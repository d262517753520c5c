"""Lanes outlive a batch, and never outlive what they were opened with."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from channels.messages import Fact, Rendered
from channels.models import ChannelConfiguration
from channels.providers import pool
from channels.providers.pool import LanePool
from tests.fakes.relay import FakeRelay


def message(n: int) -> Rendered:
    return Rendered(
        key=f"1-{n}", recipient=f"p{n}@example.com", sender_name="", sender_email="a@fernhill.example",
        reply_to="", subject="x", html="x", text="x",
    )  # fmt: skip


def configuration(relay: FakeRelay) -> ChannelConfiguration:
    return ChannelConfiguration(pk=5, provider="smtp", settings=relay.settings, changed_at=timezone.now())


async def batch(lanes: LanePool, row: ChannelConfiguration, first: int) -> None:
    taken = lanes.take(row, 2)
    for place, lane in enumerate(taken):
        assert (await lane.send(message(first + place))).fact is Fact.ACCEPTED
    lanes.give_back(row, taken)


def test_two_batches_share_their_lines_and_a_changed_configuration_gets_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(relay: FakeRelay) -> None:
        lanes, row = LanePool(), configuration(relay)
        await batch(lanes, row, 1)
        await batch(lanes, row, 3)
        assert relay.connections == 2
        row.changed_at += timedelta(seconds=1)
        await batch(lanes, row, 5)
        assert relay.connections == 4
        monkeypatch.setattr(pool, "REST_SECONDS", -1.0)
        await lanes.sweep()
        assert lanes.resting == {}
        await batch(lanes, row, 7)
        assert relay.connections == 6
        await lanes.close()

    with FakeRelay() as relay:
        asyncio.run(run(relay))
        assert len(relay.accepted) == 8
