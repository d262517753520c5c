"""The review page, and the one door through which every verb of a campaign is pressed."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEntry, User
from audiences import definitions
from campaigns import lifecycle, versions
from campaigns.models import Campaign, Status
from campaigns.views.common import actor_of, campaign_of
from campaigns.views.editor import sample_people, summary
from common.errors import Invalid, NotFound


@login_required
@require_safe
def review(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk)
    history = AuditEntry.objects.filter(object_type="campaigns.campaign", object_key=str(pk))
    page = {
        **summary(campaign, actor_of(request)),
        "actions": lifecycle.available(campaign, actor_of(request), now=timezone.now()),
        "people": sample_people(campaign, actor_of(request)),
        "rule": _rule(campaign, actor_of(request)),
        "history": history.exclude(verb="save")[:10],
        "verb_label": verb_label,
        "fingerprint": versions.fingerprint(versions.definition(campaign)),
        "content": campaign.actions.all()[0].content,
        "configuration": campaign.actions.select_related("configuration")[0].configuration,
    }
    return render(request, "campaigns/review.html", page)


def verb_label(verb: str) -> str:
    """A verb of the audit log as its button reads."""
    row = lifecycle.TRANSITIONS.get(verb) or lifecycle.PRESSABLE.get(verb)
    return str(row.label) if row else {"create": _("Create")}.get(verb, verb)


def _rule(campaign: Campaign, actor: User) -> str:
    """The audience in words."""
    return definitions.words(campaign.audience, actor) if campaign.audience else ""


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Applies one verb. What cannot be done is told on the page it was pressed on."""
    campaign, actor, now = campaign_of(request, pk), actor_of(request), timezone.now()
    if verb == "delete":
        lifecycle.delete(campaign, actor=actor, now=now)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": campaign.name})
        return redirect("campaigns:list")
    if verb == "duplicate":
        copy = lifecycle.duplicate(campaign, actor=actor, now=now)
        return redirect("campaigns:edit", copy.pk, "properties")
    verbs = ["approve", "activate"] if verb == "approve_and_activate" else [verb]
    if any(one not in lifecycle.PRESSABLE for one in verbs):
        raise NotFound(_("There is no such verb."))
    comment = request.POST.get("comment", "").replace("\0", "").strip()[:2000]
    try:
        with transaction.atomic():
            for one in verbs:
                details = {"comment": comment} if comment else {}
                campaign = lifecycle.apply(campaign, one, actor=actor, now=now, **details)
    except Invalid as error:
        messages.error(request, " ".join(str(problem.detail) for problem in error.problems))
        return redirect("campaigns:review", pk)
    messages.success(request, told(campaign))
    return redirect("campaigns:detail", pk)


def told(campaign: Campaign) -> str:
    """What happened, in words."""
    if campaign.status == Status.PAUSED:
        return _("Paused. At most the messages on their way still leave; the rest wait until you resume.")
    if campaign.status == Status.STOPPED:
        return _("Stopped. At most the messages on their way still leave; the rest is cancelled.")
    return _("“%(name)s” is now “%(state)s”.") % {
        "name": campaign.name,
        "state": campaign.get_status_display(),
    }
