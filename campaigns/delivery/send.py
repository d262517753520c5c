"""Delivers one batch: claim, fetch, last look, then window by window: commit the horizon, render, hand over,
record. Whatever kills the worker, at most one window is uncertain.

A window is WINDOW messages over LANES connections. Pausing or stopping takes effect between windows, so at
most WINDOW messages per working batch leave after it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.utils import timezone

from audiences import lastlook
from audiences.context import contexts
from campaigns.delivery import claims, limits
from campaigns.delivery.claims import TRIES, Claim, Due, LeaseLost, Tried
from campaigns.delivery.content import Letter, action_of, letter
from campaigns.delivery.gate import Gate, Opening
from campaigns.models import MessageContext, Outcome, Run
from campaigns.tracking.tokens import MessageKey
from channels import breaker, pacing
from channels.messages import Fact, Rendered
from channels.messages import Outcome as Said
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import Lane
from channels.sandbox import RenderError
from common.errors import Invalid

log = structlog.get_logger(__name__)

WINDOW, LANES = 20, 4
LONGEST = timedelta(minutes=4)  # well below the task's hard limit, which would make a window uncertain
FIRST_RETRY = timedelta(seconds=60)
PAUSES = {Fact.UNREACHABLE: timedelta(seconds=30), Fact.MISCONFIGURED: timedelta(seconds=60)}
RENDERING_FAILED = "050302"  # RuntimeRenderingError in the catalogue


@dataclass
class _Delivery:
    """One claimed batch on its way out."""

    claimed: Claim
    letter: Letter
    configuration: ChannelConfiguration
    gate: Gate
    due: list[Due]
    profiles: dict[int, dict[str, Any]]
    contexts: dict[int, MessageContext]


def deliver(batch_id: int) -> bool:
    """Delivers what is due of the batch. True when it was ours; False when there was nothing to claim."""
    claimed = claims.claim(batch_id, owner=f"{socket.gethostname()}:{os.getpid()}", now=timezone.now())
    if claimed is None:
        return False
    try:
        _deliver(claimed)
    except LeaseLost:
        log.warning("lease lost", batch=batch_id, epoch=claimed.epoch)
    return True


def _deliver(claimed: Claim) -> None:
    delivery = _prepare(claimed)
    lanes = [
        registry.get(delivery.configuration.provider).open(delivery.configuration)
        for _lane in range(min(LANES, len(delivery.due)))
    ]
    held = _send_windows(delivery, lanes) if lanes else None
    now = timezone.now()
    _note_trouble(claimed.run_id, held.trouble if held else None)
    claims.release(claimed, now=now, send_after=now + held.until if held else None)


def _prepare(claimed: Claim) -> _Delivery:
    """Everything the batch needs, in a handful of queries, and the last look."""
    run = Run.objects.select_related("version", "campaign__workspace").get(pk=claimed.run_id)
    action = action_of(run.version.definition, claimed.action)
    written = letter(run.version_id, claimed.action, 0)
    due, excluded = _look(run.campaign.workspace_id, written, claims.fetch(claimed))
    looked = limits.look(run, action, due, now=timezone.now())
    due, excluded = looked.due, [*excluded, *looked.tried]
    if excluded:
        claims.record(claimed, excluded, horizon=None, now=timezone.now())
    beside: dict[int, MessageContext] = {}
    if run.kind == Run.Kind.STANDING:
        rows = MessageContext.objects.filter(run=run, action=claimed.action)
        beside = {row.ref: row for row in rows.filter(ref__in=[one.ref for one in due])}
    configurations = ChannelConfiguration.objects.select_related("credential", "workspace")
    configuration = configurations.get(pk=action["configuration"])
    return _Delivery(
        claimed=claimed,
        letter=written,
        configuration=configuration,
        gate=Gate(
            configuration,
            run_id=run.pk,
            rate=run.version.definition.get("rate"),
            is_urgent=run.kind == Run.Kind.STANDING,
            size=WINDOW,
        ),
        due=due,
        profiles=contexts([one.profile_id for one in due if one.profile_id], run.campaign.workspace_id),
        contexts=beside,
    )


def _look(workspace_id: int, written: Letter, due: list[Due]) -> tuple[list[Due], list[Tried]]:
    """Who may still get it, and the exclusions of the others."""
    blocked = lastlook.blocked(
        workspace_id,
        [(one.profile_id, one.address) for one in due],
        channel=written.channel,
        category="marketing" if written.is_marketing else "transactional",
    )
    excluded = [Tried(due[at].ref, due[at].n, Outcome.EXCLUDED, code) for at, code in blocked.items()]
    return [one for at, one in enumerate(due) if at not in blocked], excluded


@dataclass
class _Window:
    """What is handed over now: each message with the moment it may leave, in seconds from now."""

    opening: Opening
    due: list[tuple[Due, float]]
    horizon: int
    passed_over: list[int]  # below the horizon, and not in this window
    tried: list[Tried] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    late: list[Due] = field(default_factory=list)  # their moment passed before a lane was free
    trouble: Said | None = None


def _send_windows(delivery: _Delivery, lanes: list[Lane]) -> Opening | None:
    """Sends window after window until the end or a pause, or until the gate opens for nobody: how it said so.

    Before each window it looks once more, so that who leaves meanwhile gets at most what is in flight. The
    network runs in an event loop, the database between its turns.
    """
    tried: list[Tried] = []
    waiting, horizon = delivery.due, 0
    held = None
    with asyncio.Runner() as loop:
        try:
            while waiting:
                if horizon and timezone.now() - delivery.claimed.claimed_at > LONGEST:
                    break
                opening = delivery.gate.ask(waiting)
                if not opening.window:
                    if opening.trouble is None and delivery.gate.stays(opening):
                        time.sleep(opening.until.total_seconds())
                        continue
                    held = opening
                    break
                window, excluded = _window(delivery, opening, waiting, horizon)
                horizon = window.horizon
                done = {one.ref for one, _wait in window.due} | {one.ref for one in excluded}
                waiting = [one for one in waiting if one.ref not in done]
                may_go = _record(delivery, window, [*tried, *excluded])
                tried = []
                if not may_go:
                    break
                if window.due:
                    _run_window(loop, delivery, window, lanes)
                    delivery.gate.tell(window.said, opening, now=timezone.now())
                    tried, waiting = window.tried, sorted(waiting + window.late, key=lambda one: one.ref)
                if window.trouble:
                    held = Opening(until=PAUSES[window.trouble.fact], trouble=window.trouble)
                    break
            if tried:
                claims.record(delivery.claimed, tried, horizon=None, now=timezone.now())
        finally:
            loop.run(_close(lanes))
    return held


def _window(
    delivery: _Delivery, opening: Opening, waiting: list[Due], horizon: int
) -> tuple[_Window, list[Tried]]:
    """The window that the gate opens for, after one more look at its people; and who was excluded by it."""
    chosen, excluded = [one for one, _wait in opening.window], list[Tried]()
    highest = max(horizon, *(one.ref for one in chosen))
    if horizon:
        chosen, excluded = _look(delivery.configuration.workspace_id, delivery.letter, chosen)
    refs = {one.ref for one in chosen}
    passed = [one.ref for one in waiting if one.ref < highest and one.ref not in refs]
    due = [(one, wait) for one, wait in opening.window if one.ref in refs]
    return _Window(opening, due, highest, passed), excluded


def _record(delivery: _Delivery, window: _Window, tried: list[Tried]) -> bool:
    return claims.record(
        delivery.claimed,
        tried,
        horizon=window.horizon,
        passed_over=window.passed_over,
        now=timezone.now(),
    )


def _run_window(loop: asyncio.Runner, delivery: _Delivery, window: _Window, lanes: list[Lane]) -> None:
    """Sends one window. A server may take ten minutes for its last word (RFC 5321, 4.5.3.2.6), so the lease
    is renewed while we wait.
    """
    sending = loop.get_loop().create_task(_send_window(delivery, window, lanes))
    try:
        while not sending.done():
            loop.run(_wait(sending))
            if not sending.done():
                _record(delivery, window, [])
    finally:
        sending.cancel()  # when the lease was lost; else it is done and this does nothing
    sending.result()


async def _wait(sending: asyncio.Task[None]) -> None:
    await asyncio.wait({sending}, timeout=claims.LEASE.total_seconds() / 4)


async def _close(lanes: list[Lane]) -> None:
    await asyncio.gather(*(lane.close() for lane in lanes), return_exceptions=True)


async def _send_window(delivery: _Delivery, window: _Window, lanes: list[Lane]) -> None:
    waiting = iter(window.due)
    begun = time.monotonic()

    async def drain(lane: Lane) -> None:
        for one, wait in waiting:
            message = _write(delivery, one)
            if isinstance(message, Tried):
                window.tried.append(message)
                continue
            if wait and not await pacing.is_time(begun + wait):
                window.late.append(one)
                continue
            said = await lane.send(message)
            window.said.append(said)
            if said.fact in breaker.TROUBLE:
                window.trouble = said  # nothing was handed over: the message stays as it was
                return
            window.tried.append(outcome(one, said, timezone.now()))

    await asyncio.gather(*(drain(lane) for lane in lanes))


def _write(delivery: _Delivery, one: Due) -> Rendered | Tried:
    """The message for one person, or their exclusion when it cannot be written for them."""
    beside = delivery.contexts.get(one.ref)
    profile = delivery.profiles.get(one.profile_id or 0, {})
    key = MessageKey(delivery.claimed.run_id, delivery.claimed.action, one.ref)
    try:
        return delivery.letter.write(
            key,
            one.address,
            profile_id=one.profile_id,
            profile={**profile, **(beside.profile_override if beside else {})},
            context=beside.context if beside else {},
            configuration=delivery.configuration,
        )
    except RenderError as error:
        return Tried(one.ref, one.n, Outcome.EXCLUDED, RENDERING_FAILED, error.detail[:500])
    except Invalid as error:
        return Tried(one.ref, one.n, Outcome.EXCLUDED, RENDERING_FAILED, error.detail[:500])


def outcome(one: Due, said: Said, now: datetime) -> Tried:
    """What the provider's fact means for the message."""
    detail = said.detail[:500] or None
    if said.fact == Fact.ACCEPTED:
        return Tried(one.ref, one.n, Outcome.ACCEPTED, said.code, provider_id=said.provider_id[:128] or None)
    retry_at = now + FIRST_RETRY * 2 ** (one.n - 1)
    if said.fact == Fact.UNCERTAIN:
        return Tried(one.ref, one.n, Outcome.UNCERTAIN, said.code, detail, retry_at)
    if said.fact == Fact.LATER and one.n < TRIES:
        return Tried(one.ref, one.n, Outcome.DEFERRED, said.code, detail, retry_at)
    return Tried(one.ref, one.n, Outcome.FAILED, said.code, detail)


def _note_trouble(run_id: int, trouble: Said | None) -> None:
    """What the run is waiting for, shown on its page until the provider answers again."""
    reason = f"{trouble.fact}: {trouble.code} {trouble.detail}".strip()[:200] if trouble else ""
    Run.objects.filter(pk=run_id).exclude(reason=reason).update(reason=reason)
