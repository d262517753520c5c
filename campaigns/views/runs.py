"""A run while it sends and after: its live progress; and what one person was sent."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiences.access import profile_for
from campaigns import access, lifecycle
from campaigns.delivery import bound
from campaigns.models import Outcome, Run
from campaigns.reports import metrics, progress
from campaigns.reports.waiting import waiting_for
from campaigns.views.common import actor_of, run_of

PAGE = 50


@login_required
@require_safe
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page, or only its moving part when htmx asks for it."""
    found = run_of(request, pk)
    page = _progress(request, found)
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, "campaigns/_progress.html" if is_fragment else "campaigns/run.html", page)


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
