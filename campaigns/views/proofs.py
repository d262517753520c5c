"""Sends a proof of one message, and shows what became of the last ones while they leave."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.doors.callers import actor_of
from campaigns import access
from campaigns.delivery import proofs
from campaigns.forms.proofs import ProofForm, title
from campaigns.models import Action, Campaign, Outcome
from campaigns.views.common import campaign_of
from channels.kinds import KINDS
from common.errors import CarillonError, Invalid, NotFound
from common.text import whole_number

FIELDS = {"prefix": "subject_prefix", "person": "profile"}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def send(request: HttpRequest, pk: int) -> HttpResponse:
    """`?action=` is a message's position; htmx asks for the moving part alone."""
    campaign = campaign_of(request, pk, access.MANAGE)
    action = _action(request, campaign)
    page: dict[str, Any] = {"campaign": campaign, "action": action, "outcomes": dict(Outcome.choices)}
    page["hidden_configurations"] = access.hidden_configurations(actor_of(request))
    if action is None:
        return render(request, "campaigns/proofs.html", page)
    form = ProofForm(request.POST or None, campaign=campaign, action=action, person=actor_of(request))
    if request.method == "POST" and form.is_valid() and _sent(request, campaign, action, form):
        return redirect(f"{reverse('campaigns:proofs', args=[pk])}?action={action.position}")
    page["proofs"] = [
        (one, [(told, title(campaign, told.treatment, told.language)) for told in one.messages])
        for one in proofs.of_campaign(campaign)
    ]
    page |= {
        "form": form,
        "kinds": KINDS,
        "moves": any(not one.is_over for one, _messages in page["proofs"]),
    }
    is_fragment = bool(getattr(request, "htmx", False)) and request.method != "POST"
    template = "campaigns/_proofs.html" if is_fragment else "campaigns/proofs.html"
    return render(request, template, page, status=400 if form.errors else 200)


def _sent(request: HttpRequest, campaign: Campaign, action: Action, form: ProofForm) -> bool:
    try:
        proofs.send(
            campaign,
            action=action.position,
            **form.values(),
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        for problem in error.problems:
            name = FIELDS.get(problem.pointer, problem.pointer).partition("/")[0]
            form.add_error(name if name in form.fields else None, problem.detail)
        return False
    except CarillonError as error:
        form.add_error(None, error.detail)
        return False
    return True


def _action(request: HttpRequest, campaign: Campaign) -> Action | None:
    """The one asked for, else the first; None where the campaign has no message."""
    rows = campaign.actions.select_related("configuration")
    asked = request.GET.get("action", "")
    if not asked:
        return rows.first()
    number = whole_number(asked, 999)
    found = None if number is None else rows.filter(position=number).first()
    if found is None:
        raise NotFound(_("This campaign has no such message."))
    return found
