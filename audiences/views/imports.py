"""The pages of an import: choose a file, match its columns, see what it would do, watch it come in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from audiences import access
from audiences.forms.imports import ColumnsForm, FileForm, reading_of
from audiences.imports import jobs, problems
from audiences.imports.mapping import Known
from audiences.imports.progress import progress_of
from audiences.models import Audience, Import, ImportProblem
from audiences.tasks import ring_import
from audiences.views.common import show_faults
from common.errors import Invalid

SHOWN = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    workspace, actor = workspace_of(request), actor_of(request)
    require(actor, access.MANAGE, workspace)
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            job = jobs.upload(
                workspace, file=file, name=file.name, size=file.size, actor=actor, now=timezone.now()
            )
        except Invalid as error:
            show_faults(error, form, "file")
        else:
            return redirect("audiences:import_status", job.pk)
    latest = access.imports_for(actor, workspace).filter(content=Import.Content.PEOPLE)[:10]
    page = {"form": form, "imports": latest}
    return render(request, "audiences/import.html", page, status=400 if form.errors else 200)


@login_required
@require_safe
def import_status(request: HttpRequest, pk: int) -> HttpResponse:
    """The step the import is at: its columns to be matched, or how far it came."""
    job = access.import_for(actor_of(request), pk)
    if job.state == Import.State.UPLOADED:
        return _columns(request, job)
    template = "audiences/_import.html" if _is_fragment(request) else "audiences/import_status.html"
    return render(request, template, _status(job))


def _is_fragment(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _status(job: Import) -> dict[str, Any]:
    reasons = ImportProblem.objects.filter(job=job).values("code", "is_rejected").annotate(rows=Count("row"))
    told = [
        (problems.sentence(one["code"], "…"), one["rows"], one["is_rejected"])
        for one in reasons.order_by("-rows", "code")
    ]
    return {
        "job": job,
        "progress": progress_of(job, timezone.now()),
        "actions": jobs.actions(job),
        "reasons": told,
        "problems": [
            (one, problems.sentence(one.code, one.extra))
            for one in ImportProblem.objects.filter(job=job).order_by("row", "id")[:SHOWN]
        ],
    }


# ---- matching the columns ---------------------------------------------------------------------


def _columns(
    request: HttpRequest, job: Import, form: ColumnsForm | None = None, status: int = 200
) -> HttpResponse:
    """The form with the first rows, read as the request or the job says."""
    given = request.POST if request.method == "POST" else request.GET
    reading, fault = reading_of(job, given), ""
    if form is None:
        try:
            form = _form(request, job, given)
        except Invalid as error:
            fault, status = error.detail, 400
    page = {"job": job, "reading": reading, "form": form, "fault": fault}
    template = "_import_columns.html" if _is_fragment(request) else "import_columns.html"
    # htmx shows no answer but a good one; the fault stands in it.
    return render(request, f"audiences/{template}", page, status=200 if _is_fragment(request) else status)


def _form(request: HttpRequest, job: Import, given: Any, posted: Any = None) -> ColumnsForm:
    encoding, delimiter = (given.get(name) or getattr(job, name) for name in ("encoding", "delimiter"))
    preview = jobs.preview(job, encoding=encoding, delimiter=delimiter)
    choosable = access.choosable(actor_of(request), job.workspace).filter(kind=Audience.Kind.UPLOAD)
    return ColumnsForm(posted, preview=preview, known=Known.of(job.workspace), audiences=choosable)


@login_required
@require_POST
def import_check(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.import_for(actor_of(request), pk)
    try:
        form = _form(request, job, request.POST, request.POST)
    except Invalid:
        return _columns(request, job)
    if form.is_valid():
        try:
            jobs.check(
                job,
                how=form.as_mapping(),
                encoding=request.POST.get("encoding", ""),
                delimiter=request.POST.get("delimiter", ""),
                audience=form.cleaned_data["audience"],
                new_audience=form.cleaned_data["name"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except Invalid as error:
            for problem in error.problems:
                form.add_error(form.field_of(problem.pointer), problem.detail)
        else:
            ring_import(job.pk)
            return redirect("audiences:import_status", pk)
    return _columns(request, job, form, 400)


@login_required
@require_POST
def import_act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    job = access.import_for(actor_of(request), pk)
    if verb not in jobs.VERBS:
        raise Http404
    jobs.VERBS[verb](job, actor=actor_of(request), now=timezone.now())
    ring_import(job.pk)
    return redirect("audiences:import_status", pk)


@login_required
@require_safe
def import_rejected(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    job = access.import_for(actor_of(request), pk)
    answer = StreamingHttpResponse(problems.as_csv(job), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="rejected-{job.pk}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer
