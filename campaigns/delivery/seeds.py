"""Sends each seed address one copy of every variant of a run, beside the run and without its ledger.

The sweep writes the copies once a run has begun to send, and hands over what is due. A copy is marked before
it is handed over: what a dead worker may have sent is not sent again. Suppression and the allowed list hold
for seeds too, and so do pace and breaker of their configuration.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from audiences import lastlook
from audiences.context import audience_fields, contexts, memberships, names
from campaigns.delivery import content
from campaigns.delivery.content import action_of
from campaigns.models import Run, SeedCopy, SeedRound
from campaigns.tracking.tokens import SEEDS, MessageKey
from channels import allowed, attachments, breaker, pacing
from channels.messages import Fact, Outcome, Rendered
from channels.models import ChannelConfiguration, SeedList, SeedUse
from channels.providers import registry
from channels.sandbox import RenderError
from common.errors import Invalid
from common.place import place

State = SeedCopy.State
LOOKS_BACK, AGAIN, TRIES, AT_ONCE = timedelta(hours=1), timedelta(seconds=60), 5, 20


def send_due(*, now: datetime) -> int:
    """Writes the copies of runs that began, and sends some of those due; how many were sent."""
    if SeedList.objects.exists():
        write(now=now)
    sent = 0
    for configuration_id in _waiting(now):
        sent += _send(configuration_id, now)
    return sent


def write(*, now: datetime) -> None:
    runs = Run.objects.filter(kind=Run.Kind.SCHEDULED, expanded_at__gte=now - LOOKS_BACK, seed_round=None)
    for run in runs.select_related("version"):
        _write(run, now)


@transaction.atomic
def _write(run: Run, now: datetime) -> None:
    _row, is_new = SeedRound.objects.get_or_create(run=run, defaults={"written_at": now})
    if not is_new:
        return
    actions = run.version.definition["actions"]
    uses = SeedUse.objects.filter(configuration__in=[one["configuration"] for one in actions])
    lists = {use.configuration_id: use.seed_list for use in uses.select_related("seed_list")}
    SeedCopy.objects.bulk_create(
        SeedCopy(
            run=run,
            action=action["position"],
            variant=variant,
            address=address,
            test_profile=found.test_profile,
            due_at=now,
        )
        for action in actions
        if (found := lists.get(action["configuration"]))
        for variant in range(len(action["contents"]))
        for address in found.addresses
    )


def _waiting(now: datetime) -> set[int]:
    """The configurations over which copies are due."""
    due = _due(now)
    return {
        int(action_of(one.run.version.definition, one.action)["configuration"])
        for one in due.distinct("run", "action").order_by("run", "action")
    }


def _due(now: datetime) -> QuerySet[SeedCopy]:
    """While the main switch of their workspace is on."""
    due = SeedCopy.objects.filter(state=State.DUE, due_at__lte=now)
    return due.filter(run__campaign__workspace__sends_from=place()).select_related("run__version")


def _send(configuration_id: int, now: datetime) -> int:
    configuration = (
        ChannelConfiguration.objects.select_related("credential", "workspace")
        .filter(pk=configuration_id)
        .first()
    )
    stands = breaker.standing(configuration_id)
    if configuration is None or not stands.is_active or stands.is_open:
        return 0
    copies = [one for one in _claim(configuration_id, now) if _may_go(one, configuration)]
    written = [(one, message) for one in copies if (message := _message(one, configuration))]
    if not written:
        return 0
    lane = registry.get(configuration.provider).open(configuration)
    paces = [stands.limits.paces(configuration_id, one.address, is_urgent=False) for one, _message in written]
    reserved = pacing.reserve(paces, most=len(written))

    async def hand_over() -> list[tuple[SeedCopy, Outcome]]:
        said = []
        try:
            for slot in reserved.slots:
                one, message = written[slot.place]
                if await pacing.is_time(reserved.moment(slot)):
                    said.append((one, await lane.send(message)))
        finally:
            await lane.close()
        return said

    answers = asyncio.run(hand_over())
    left = {one.pk for one, _message in written} - {one.pk for one, _said in answers}
    SeedCopy.objects.filter(pk__in=left).update(state=State.DUE, tries=F("tries") - 1)
    for one, said in answers:
        _record(one, said, now)
    breaker.tell(configuration, [said for _one, said in answers], now=now)
    return sum(said.fact == Fact.ACCEPTED for _one, said in answers)


@transaction.atomic
def _claim(configuration_id: int, now: datetime) -> list[SeedCopy]:
    rows = _due(now)
    rows = rows.select_for_update(of=("self",), skip_locked=True).order_by("pk")
    mine = [
        one
        for one in rows[: AT_ONCE * 10]
        if action_of(one.run.version.definition, one.action)["configuration"] == configuration_id
    ][:AT_ONCE]
    SeedCopy.objects.filter(pk__in=[one.pk for one in mine]).update(state=State.HANDED, tries=F("tries") + 1)
    for one in mine:
        one.tries += 1
    return mine


def _may_go(copy: SeedCopy, configuration: ChannelConfiguration) -> bool:
    workspace_id = configuration.workspace_id
    asked = [(None, copy.address)]
    blocked = lastlook.blocked(workspace_id, asked, channel=configuration.channel, category="transactional")
    code = blocked.get(0) or allowed.not_allowed(workspace_id, [copy.address]).get(0)
    if code:
        SeedCopy.objects.filter(pk=copy.pk).update(state=State.FAILED, detail=code)
    return code is None


def _message(copy: SeedCopy, configuration: ChannelConfiguration) -> Rendered | None:
    try:
        return written(copy, configuration, leaves=True)
    except (RenderError, Invalid) as error:
        SeedCopy.objects.filter(pk=copy.pk).update(state=State.FAILED, detail=error.detail[:500])
        return None


def written(copy: SeedCopy, configuration: ChannelConfiguration, *, leaves: bool = False) -> Rendered:
    """With the data of the list's test profile, or with none; with its files where it leaves. Raises
    RenderError or Invalid.
    """
    of, blank = copy.test_profile, dict.fromkeys(names(configuration.workspace), "")
    profile = contexts([of], configuration.workspace_id).get(of, blank) if of else blank
    audience_id = copy.run.audience_id
    member = memberships([of], audience_id).get(of) if of else None
    letter = content.letter(copy.run.version_id, copy.action, copy.variant)
    return letter.write(
        MessageKey(copy.run_id, copy.action, SEEDS + copy.pk),
        copy.address,
        profile_id=None,
        profile=profile,
        audience=dict.fromkeys(audience_fields(audience_id), "") if member is None else member,
        context={},
        configuration=configuration,
        attachments=attachments.fetch(configuration.workspace_id, letter.files) if leaves else (),
        leaves=leaves,
    )


def _record(copy: SeedCopy, said: Outcome, now: datetime) -> None:
    detail = f"{said.code} {said.detail}".strip()[:500]
    rows = SeedCopy.objects.filter(pk=copy.pk)
    if said.fact in breaker.TROUBLE:  # nothing was handed over, and it was no try
        rows.update(state=State.DUE, tries=F("tries") - 1, due_at=now + AGAIN, detail=detail)
    elif said.fact == Fact.LATER and copy.tries < TRIES:
        rows.update(state=State.DUE, due_at=now + AGAIN * 2**copy.tries, detail=detail)
    elif said.fact in (Fact.ACCEPTED, Fact.UNCERTAIN):
        rows.update(state=State.SENT, detail=detail)
    else:
        rows.update(state=State.FAILED, detail=detail)
