"""A run while it sends and after: live progress, the report, its messages, and both as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiences.access import profile_for
from campaigns import access, lifecycle
from campaigns.delivery import bound
from campaigns.models import Outcome, Run
from campaigns.reports import metrics, progress
from campaigns.reports.traffic import traffic
from campaigns.reports.waiting import waiting_for
from campaigns.views.common import actor_of, run_of
from common.csvfiles import safe_cell

REPORT = "campaigns.view_report"
PAGE = 50
OUTCOMES = ("accepted", "failed", "excluded", "cancelled", "expired", "uncertain", "to_go")


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
def report(request: HttpRequest, pk: int) -> HttpResponse:
    found = run_of(request, pk, REPORT)
    book, people = metrics.ledger(found), metrics.engagement(found)
    delivered = book.accepted - people.bounced
    page = {
        "run": found,
        "campaign": found.campaign,
        "book": book,
        "people": people,
        "delivered": delivered,
        "traffic": traffic(found),
        "steps": [
            (_("Targeted"), _("Everybody in the audience when the run began."), book.targeted, None),
            (_("Accepted"), _("Handed over to the provider, which took them."), book.accepted, book.targeted),
            (_("Delivered"), _("Accepted and not bounced."), delivered, book.accepted),
            (_("Opened"), _("People who loaded the message's picture."), people.opened, delivered),
            (_("Clicked"), _("People who followed a tracked link."), people.clicked, delivered),
        ],
        "links": metrics.links(found),
        "failed": metrics.reasons(found, Outcome.FAILED),
        "excluded": metrics.reasons(found, Outcome.EXCLUDED),
    }
    return render(request, "campaigns/report.html", page)


@login_required
@require_safe
def messages(request: HttpRequest, pk: int) -> HttpResponse:
    """The people behind a number."""
    found = run_of(request, pk, REPORT)
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in OUTCOMES else ""
    rows = metrics.messages_with(found, outcome).order_by("action", "ref")
    search = request.GET.get("search", "").replace("\0", "").strip()
    if search:
        rows = rows.filter(address__icontains=search)
    page = {
        "run": found,
        "campaign": found.campaign,
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "outcome": outcome,
        "outcomes": OUTCOMES,
        "labels": {**dict(Outcome.choices), "to_go": _("Still to go")},
        "reasons": metrics.REASON_LABELS,
        "search": search,
    }
    return render(request, "campaigns/messages.html", page)


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


class _Echo:
    """What csv.writer writes to; it gives the line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def harmless(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return safe_cell("" if cell is None else str(cell))


@login_required
@require_safe
def export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Every message of the run with its last outcome, streamed."""
    found = run_of(request, pk, REPORT)
    rows = metrics.messages_with(found, "").order_by("action", "ref")
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield "\ufeff" + writer.writerow(["address", "outcome", "code", "detail", "at"])
        columns = ("address", "outcome", "code", "detail", "at")
        for row in rows.values_list(*columns).iterator(chunk_size=5000):
            yield writer.writerow([harmless(cell) for cell in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{found.pk}.csv"'
    response["Cache-Control"] = "no-store"
    return response
