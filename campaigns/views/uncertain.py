"""The form below uncertain messages: a person decides what became of one, or of all of a run."""

from __future__ import annotations

import re

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.doors.callers import actor_of
from campaigns.access import PUBLISH
from campaigns.delivery import uncertain
from campaigns.views.common import run_of
from common.errors import Invalid, Problem

ONE = re.compile(r"([0-9]{1,4})\.([0-9]{1,18})")


@login_required
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_of(request, pk, PUBLISH)
    decision, one = request.POST.get("decision", ""), request.POST.get("message", "")
    if decision not in uncertain.Decision.values:
        raise Invalid(Problem("unknown_decision", _("Choose what became of it."), "decision"))
    found = ONE.fullmatch(one)
    if one and found is None:
        raise Invalid(Problem("unknown_message", _("There is no such message."), "message"))
    count = uncertain.decide(
        run,
        decision,
        messages=[(int(found[1]), int(found[2]))] if found else None,
        why=request.POST.get("why", ""),
        actor=actor_of(request),
        now=timezone.now(),
    )
    told = ngettext("%(num)s message is decided.", "%(num)s messages are decided.", count)
    messages.success(request, told % {"num": count})
    if found:
        return redirect("campaigns:message", run.pk, int(found[1]), int(found[2]))
    return redirect("campaigns:messages", run.pk)
