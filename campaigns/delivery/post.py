"""What a claimed batch needs to be written: its letters, its configuration, and who is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from audiences.context import Reader
from campaigns.delivery import due as people
from campaigns.delivery import limits
from campaigns.delivery.answers import Retries, retries
from campaigns.delivery.claims import Claim, Tried
from campaigns.delivery.content import Letter, action_of, letter
from campaigns.delivery.due import Due
from campaigns.delivery.gate import Gate
from campaigns.models import MessageContext, Outcome, Run
from campaigns.tracking.tokens import MessageKey
from channels import attachments, sending
from channels.messages import Attachment, Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from common.errors import Invalid

BESIDE = (Run.Kind.STANDING, Run.Kind.PROOF)  # their messages' values stand beside them
RENDERING_FAILED = "050302"  # RuntimeRenderingError in the catalogue


@dataclass(frozen=True)
class Post:
    """One claimed batch, ready to be written person by person.

    `letters` are the action's contents in order; `excluded` those whom the last look took out. `waits` is how
    long the batch as a whole is to wait; nobody may leave after `leaves_before`.
    """

    claimed: Claim
    workspace_id: int
    letters: list[Letter]
    configuration: ChannelConfiguration
    gate: Gate
    due: list[Due]
    excluded: list[Tried]
    retries: Retries
    contexts: dict[int, MessageContext] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)  # the same for everybody
    files: dict[int, tuple[Attachment, ...] | Invalid] = field(default_factory=dict)  # of each content
    waits: timedelta = timedelta(0)
    leaves_before: datetime | None = None

    def write(self, one: Due) -> Rendered | Tried:
        """The message for one person, or their exclusion when it cannot be written for them."""
        beside = self.contexts.get(one.ref)
        key = MessageKey(self.claimed.run_id, self.claimed.action, one.ref)
        try:
            return self.letters[one.variant].write(
                key,
                one.address,
                profile_id=one.profile_id,
                profile={**one.profile, **beside.profile_override} if beside else one.profile,
                audience={**one.audience, **beside.audience_override} if beside else one.audience,
                context=beside.context if beside else self.context,
                configuration=self.configuration,
                attachments=self._files(one.variant),
                is_followed=not one.is_untracked,
                leaves=True,
            )
        except (RenderError, Invalid) as error:
            said = str(error.detail)[:500]
            return Tried(one.ref, one.n, Outcome.EXCLUDED, RENDERING_FAILED, said, before=one.before)

    def _files(self, variant: int) -> tuple[Attachment, ...]:
        """Raises Invalid: without a file its author promised nobody gets the message."""
        found = self.files.get(variant, ())
        if isinstance(found, Invalid):
            raise found
        return found


def open_post(claimed: Claim, run: Run) -> Post:
    """In a handful of queries, whatever the size of the batch. The run is `holding.whole`."""
    action = action_of(run.version.definition, claimed.action)
    letters = [letter(run.version_id, claimed.action, place) for place in range(len(action["contents"]))]
    configurations = ChannelConfiguration.objects.select_related("credential", "workspace")
    configuration = configurations.get(pk=action["configuration"])
    names = {name for one in letters for name in one.compiled.names} | sending.names(configuration)
    found = people.fetch(claimed, Reader(names, run.campaign.workspace_id, run.audience_id))
    due, excluded = people.look(run.campaign.workspace_id, letters[0], configuration, found)
    now = timezone.now()
    looked = limits.look(run, action, due, is_whole=len(found) == claimed.size, now=now)
    claimed.holds = looked.holds
    return Post(
        claimed=claimed,
        workspace_id=run.campaign.workspace_id,
        letters=letters,
        configuration=configuration,
        gate=Gate(
            configuration,
            run_id=run.pk,
            rate=run.version.definition.get("rate"),
            is_urgent=run.kind in BESIDE,
        ),
        due=looked.due,
        excluded=[*excluded, *looked.tried],
        retries=retries(configuration),
        contexts=_contexts(run, claimed, looked.due),
        context=run.context,
        files={place: _fetched(run.campaign.workspace_id, one) for place, one in enumerate(letters)},
        waits=looked.until - now if looked.until else timedelta(0),
        leaves_before=looked.leaves_before,
    )


def _fetched(workspace_id: int, one: Letter) -> tuple[Attachment, ...] | Invalid:
    try:
        return attachments.fetch(workspace_id, one.files)
    except Invalid as error:
        return error


def _contexts(run: Run, claimed: Claim, due: list[Due]) -> dict[int, Any]:
    if run.kind not in BESIDE:
        return {}
    rows = MessageContext.objects.filter(run=run, action=claimed.action, ref__in=[one.ref for one in due])
    return {row.ref: row for row in rows}
