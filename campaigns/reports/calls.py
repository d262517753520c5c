"""The calls another system made to a campaign, each with what became of its messages, in one query a page."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Execution, Message

FAILED, DONE, WAITING = "failed", "done", "waiting"
STATES: dict[str, Any] = {
    WAITING: _("Still to go"),
    DONE: _("Every message was accepted"),
    FAILED: _("Something did not leave"),
}
# A call is as good as its worst message; one without a message of its own (an audience) waits for its run.
STATE = """
(SELECT CASE WHEN count(*) FILTER (WHERE outcome NOT IN ('accepted', 'deferred')) > 0 THEN 'failed'
             WHEN count(*) = count(*) FILTER (WHERE outcome = 'accepted') AND count(*) > 0 THEN 'done'
             ELSE 'waiting' END
 FROM campaigns_message m
 LEFT JOIN LATERAL (SELECT a.outcome FROM campaigns_attempt a
                    WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref
                    ORDER BY a.n DESC LIMIT 1) last ON TRUE
 WHERE m.run_id = campaigns_execution.run_id
   AND m.ref BETWEEN campaigns_execution.first_ref
                 AND campaigns_execution.first_ref + campaigns_execution.size - 1)
"""


def of_campaign(campaign: Campaign, *, search: str = "", state: str = "") -> QuerySet[Execution, Any]:
    """The newest first; `search` is in the requestId, `state` one of STATES."""
    rows = Execution.objects.filter(campaign=campaign).select_related("credential")
    if search:
        rows = rows.filter(request_id__icontains=search)
    told = rows.annotate(state=RawSQL(STATE, (), output_field=CharField()))  # noqa: S611  a constant
    return (told.filter(state=state) if state in STATES else told).order_by("-created_at")


def messages_of(call: Execution) -> QuerySet[Message]:
    """One for each recipient: of the first action that has one."""
    last = call.first_ref + call.size - 1
    rows = Message.objects.filter(run=call.run_id, ref__range=(call.first_ref, last))
    return rows.select_related("profile").order_by("ref", "action").distinct("ref")


def user_id(message: Message) -> str:
    """A name the person can be called by again; their address where the profile is gone."""
    person = message.profile
    return (person.email or person.phone or person.external_id or "") if person else message.address
