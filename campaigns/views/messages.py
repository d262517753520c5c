"""One message: what became of it, every attempt and every event; and the message itself, locked away."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from accounts.access import explain
from accounts.doors.callers import actor_of
from campaigns.access import PUBLISH
from campaigns.delivery.content import action_of
from campaigns.delivery.uncertain import Decision
from campaigns.models import Event, Message, Outcome
from campaigns.reports import story
from campaigns.tracking import machines
from campaigns.views.common import run_of
from campaigns.views.previews import look, preview_page
from channels.kinds import KINDS
from channels.sandbox import RenderError
from common.errors import Invalid, NotFound

REPORT = "campaigns.view_report"


def message_of(request: HttpRequest, run_id: int, action: int, ref: int) -> Message:
    """Through the gate of its run."""
    run = run_of(request, run_id, REPORT)
    message = Message.objects.filter(run=run, action=action, ref=ref).first()
    if message is None:
        raise NotFound(_("There is no such message, or it was dropped after its time."))
    message.run = run
    return message


@login_required
@require_safe
def message(request: HttpRequest, run_id: int, action: int, ref: int) -> HttpResponse:
    told = story.tell(message_of(request, run_id, action, ref))
    page = {
        "decisions": Decision.choices,
        "allowed": explain(actor_of(request), PUBLISH, told.message.run.campaign),
        "story": told,
        "channel": KINDS[told.channel].label,
        "run": told.message.run,
        "campaign": told.message.run.campaign,
        "attempts": [(one, story.reason(one)) for one in told.attempts],
        "kinds": dict(Event.Kind.choices),
        "machines": machines.LABELS,
        "outcomes": dict(Outcome.choices),
        "states": {**dict(Outcome.choices), "queued": _("Queued"), "bounced": _("Bounced")},
    }
    return render(request, "campaigns/message.html", page)


@login_required
@require_safe
@xframe_options_sameorigin
def message_body(request: HttpRequest, run_id: int, action: int, ref: int) -> HttpResponse:
    """The message as it would be written now, under the policy of previews."""
    found = message_of(request, run_id, action, ref)
    action_sent = action_of(found.run.version.definition, found.action)
    page: dict[str, object] = {"channel": action_sent["channel"]}
    try:
        written = story.written(found)
        page |= {"message": written, **look(written, action_sent["channel"], is_dark=False)}
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    return preview_page(request, page)
