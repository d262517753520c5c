"""The pages of the suppression list: search, add, remove, and the list as a file both ways."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from audiences import suppression, suppressionlists
from audiences.forms.consent import SuppressForm, SuppressionFileForm
from audiences.reachability import CHANNELS
from audiences.suppression import Added, Entry
from audiences.views.common import show_faults
from channels.access import MANAGE
from common.errors import Conflict, Invalid

PAGE, TOLD = 50, 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_list(request: HttpRequest) -> HttpResponse:
    """POST adds one address or domain, or a file of them."""
    workspace, actor = workspace_of(request), actor_of(request)
    search = request.GET.get("search", "")[:300]
    rows = suppression.listed_for(actor, workspace, search)
    form, file_form, page = SuppressForm(), SuppressionFileForm(), dict[str, Any]()
    if request.method == "POST" and "file-channel" in request.POST:
        file_form = SuppressionFileForm(request.POST, request.FILES)
        page["outcome"] = _add_file(request, file_form)
    elif request.method == "POST":
        form = SuppressForm(request.POST)
        if _add_one(request, form):
            return redirect("audiences:suppression")
    page |= {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "search": search,
        "channels": CHANNELS,
        "form": form,
        "file_form": file_form,
    }
    status = 400 if form.errors or file_form.errors else 200
    return render(request, "audiences/suppression.html", page, status=status)


def _add_one(request: HttpRequest, form: SuppressForm) -> bool:
    require(actor_of(request), MANAGE, workspace_of(request))
    if not form.is_valid():
        return False
    done = _add(request, [Entry(**form.cleaned_data)])
    if done.rejects:
        show_faults(Invalid(done.rejects[0].problem), form)
        return False
    said = _("It is on the list now.") if done.added else _("It was on the list already.")
    messages.success(request, said)
    return True


def _add_file(request: HttpRequest, form: SuppressionFileForm) -> Added | None:
    require(actor_of(request), MANAGE, workspace_of(request))
    if not form.is_valid():
        return None
    given = form.cleaned_data
    try:
        done = _add(
            request,
            suppressionlists.read(given["file"].file, channel=given["channel"], reason=given["reason"]),
        )
    except Invalid as error:
        show_faults(error, form, "file")
        return None
    done.rejects = done.rejects[:TOLD]
    return done


def _add(request: HttpRequest, entries: Any) -> Added:
    return suppression.add(workspace_of(request), entries, actor=actor_of(request), now=timezone.now())


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks once; for what a person asked for themselves, also for their word."""
    entry = suppression.entry_for(actor_of(request), pk)
    request.workspace = entry.workspace  # type: ignore[attr-defined]
    require(actor_of(request), MANAGE, entry.workspace)
    page: dict[str, Any] = {"entry": entry, "asks_again": suppression.asks_again(entry)}
    if request.method == "POST":
        is_sure = request.POST.get("sure") == "1"
        try:
            suppression.remove(entry, is_sure=is_sure, actor=actor_of(request), now=timezone.now())
        except Conflict as error:
            page["fault"] = error.detail
        else:
            messages.success(request, _("Removed from the list."))
            return redirect("audiences:suppression")
    return render(request, "audiences/unsuppress.html", page, status=409 if "fault" in page else 200)


@login_required
@require_POST
def export(request: HttpRequest) -> StreamingHttpResponse:
    rows = suppression.exported(actor_of(request), workspace_of(request), now=timezone.now())
    lines = suppressionlists.write(rows.iterator(chunk_size=2000))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="suppression.csv"'
    response["Cache-Control"] = "no-store"
    return response
