"""A run while it sends and after: its live progress; and what one person was sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import may
from accounts.doors.callers import actor_of
from audiences.access import profile_for
from campaigns import access, lifecycle
from campaigns.delivery import bound, winners
from campaigns.models import Outcome, Run
from campaigns.reports import metrics, progress, trials
from campaigns.reports.waiting import waiting_for
from campaigns.views.common import run_of
from common.errors import Invalid

PAGE = 50


@login_required
@require_safe
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page, or only its moving part when htmx asks for it."""
    found = run_of(request, pk)
    page = _progress(request, found)
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, "campaigns/_progress.html" if is_fragment else "campaigns/run.html", page)


@login_required
@require_POST
def choose_winner(request: HttpRequest, pk: int) -> HttpResponse:
    """Which treatment those get who wait for the winner of an experiment."""
    found = run_of(request, pk, winners.PUBLISH)
    try:
        treatment = request.POST.get("treatment", "")
        winners.choose(found.pk, treatment, actor=actor_of(request), now=timezone.now())
    except Invalid as error:
        messages.error(request, " ".join(str(problem.detail) for problem in error.problems))
    else:
        messages.success(request, _("It is chosen: the rest goes within seconds."))
    return redirect("campaigns:run", pk)


def _progress(request: HttpRequest, run: Run) -> dict[str, Any]:
    now = timezone.now()
    told = progress.of(run, now=now)
    book = told.book
    return {
        "run": run,
        "campaign": run.campaign,
        "book": book,
        "progress": told,
        "share": 100 * book.settled / book.targeted if book.targeted else 0,
        "is_over": run.finished_at is not None,
        "waiting": waiting_for(run, now=now),
        "winner": winners.standing(run),
        "may_choose": may(actor_of(request), winners.PUBLISH, run.campaign),
        "decided": trials.words(run.decision, run.version) if run.decision else "",
        "bound": bound.may_leave(run),
        "left_after_stop": bound.did_leave(run),
        "failed": told.failed,
        "excluded": told.excluded,
        "actions": lifecycle.available(run.campaign, actor_of(request), now=now),
        "checked_at": now,
    }


@login_required
@require_safe
def history(request: HttpRequest, pk: int) -> HttpResponse:
    """A piece of the profile page: what this person was sent, of what the reader may see."""
    person = profile_for(actor_of(request), pk)
    mine = access.list_for(actor_of(request), person.workspace)
    rows = metrics.messages_to(person.pk, mine)
    page = {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "person": person,
        "labels": {**dict(Outcome.choices), "to_go": _("Still to go")},
        "reasons": metrics.REASON_LABELS,
    }
    return render(request, "campaigns/_history.html", page)
