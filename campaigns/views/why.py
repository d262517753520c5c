"""“Why did (or didn't) this person get it?”, for who may see reports and manage people."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from audiences import identities
from audiences.access import profile_for, profiles_for
from audiences.models import Profile
from campaigns.models import Run
from campaigns.reports import why
from campaigns.views.common import run_of
from common.errors import NotFound
from common.text import whole_number

PAGE = 25


@login_required
@require_safe
def ask(request: HttpRequest) -> HttpResponse:
    run, asked = _run(request), request.GET.get("who", "").replace("\0", "").strip()[:500]
    person = _numbered(request, run) if not asked else None
    require(actor_of(request), why.REPORT, workspace_of(request))
    profiles_for(actor_of(request), workspace_of(request))
    person = identities.named(workspace_of(request), asked) if asked else person
    page: dict[str, Any] = {"asked": asked, "person": person, "run": run}
    if person is None and asked:
        page["fault"] = _("Nobody in the workspace has this address or number.")
    if person is not None:
        page |= _answer(request, person, run)
    return render(request, "campaigns/why.html", page)


def _number(request: HttpRequest, name: str) -> int | None:
    return whole_number(request.GET.get(name, ""))


def _run(request: HttpRequest) -> Run | None:
    number = _number(request, "run")
    return run_of(request, number, why.REPORT) if number is not None else None


def _numbered(request: HttpRequest, run: Run | None) -> Profile | None:
    """As the links of other pages name a person; the page then stands in that person's workspace."""
    number = _number(request, "person")
    if number is None:
        return None
    person = profile_for(actor_of(request), number)
    if run is not None and run.campaign.workspace_id != person.workspace_id:
        raise NotFound(_("There is no such person, or you may not see them."))
    request.workspace = person.workspace  # type: ignore[attr-defined]
    return person


def _answer(request: HttpRequest, person: Profile, run: Run | None) -> dict[str, Any]:
    actor, is_all = actor_of(request), run is not None or request.GET.get("show") == "all"
    rows = why.runs_of(actor, person, is_considered=not is_all)
    if run is not None:
        rows = rows.filter(pk=run.pk)
    shown = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    page: dict[str, Any] = {
        "page": shown,
        "told": why.tell(shown, person),
        "is_all": is_all,
        "kept": {"person": person.pk, **({"show": "all"} if is_all else {})},
    }
    if run is not None:
        page["anew"] = why.asked_anew(run, person, actor=actor, now=timezone.now())
    return page
