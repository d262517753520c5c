"""The REST doors of imports: a file and its mapping in, the dry run, the verbs, the refused rows out."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from accounts.models import ApiCredential
from audiences import access, eventfiles
from audiences.imports import jobs, problems
from audiences.imports.progress import progress_of
from audiences.imports.sniff import DELIMITERS, ENCODINGS
from audiences.models import Audience, Import
from audiences.tasks import ring_import
from common.api import (
    FilePart,
    SparseSerializer,
    StrictSerializer,
    choice_of,
    chosen_fields,
    fields_of,
    only,
    ordered,
    page_of,
)
from common.doors import NEWEST, body_of, listing
from common.errors import Invalid, NotFound, Problem


class ImportCounts(StrictSerializer):
    rows = serializers.IntegerField()
    staged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    merged = serializers.IntegerField(help_text="of events: rows gone through, the rejected ones too")
    new = serializers.IntegerField(help_text="people, or events recorded")
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="people, or events that were there already")


class ImportForecast(StrictSerializer):
    """What the merge would do, told by the dry run."""

    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class ImportShape(SparseSerializer):
    id = serializers.IntegerField()
    content = serializers.ChoiceField(choices=Import.Content.choices)
    fileName = serializers.CharField()
    size = serializers.IntegerField(help_text="bytes")
    state = serializers.ChoiceField(choices=Import.State.choices)
    actions = serializers.ListField(child=serializers.CharField())
    audienceId = serializers.IntegerField(allow_null=True)
    encoding = serializers.CharField()
    delimiter = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    mapping = serializers.DictField()
    forecast = ImportForecast(allow_null=True)
    counts = ImportCounts()
    progress = serializers.FloatField(help_text="percent")
    reason = serializers.CharField(help_text="why it failed, or is held")
    createdAt = serializers.DateTimeField()
    finishedAt = serializers.DateTimeField(allow_null=True)


class TrueOrFalse(serializers.BooleanField):
    """A boolean in a form, where everything is a text; a 0 or a "yes" is neither."""

    TRUE_VALUES = {"true", "True", True}
    FALSE_VALUES = {"false", "False", False}
    NULL_VALUES = set()


@extend_schema_field({"type": "string", "contentMediaType": "application/json", "pattern": r"^\s*\{"})
class JsonObject(serializers.CharField):
    """An object as JSON text."""


class ImportWrite(StrictSerializer):
    """Without a mapping the columns are guessed by their names; `check` false leaves the import at that."""

    file = FilePart(allow_empty_file=True)
    mapping = JsonObject(required=False, help_text="JSON: match, dateFormat, columns, …")
    encoding = serializers.ChoiceField([*ENCODINGS], required=False)
    delimiter = serializers.ChoiceField([*DELIMITERS], required=False)
    audienceId = serializers.IntegerField(required=False)
    newAudience = serializers.CharField(required=False, max_length=100)
    check = TrueOrFalse(required=False, default=True)


class Mapped(StrictSerializer):
    """How the file is to be read; without a mapping the one it has, at first the guessed one."""

    mapping = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        help_text="match, dateFormat, columns, …",
    )
    encoding = serializers.ChoiceField([*ENCODINGS], required=False)
    delimiter = serializers.ChoiceField([*DELIMITERS], required=False)
    audienceId = serializers.IntegerField(required=False)
    newAudience = serializers.CharField(required=False, max_length=100)


class EventImportWrite(StrictSerializer):
    """A file of one event per row: a column that names the person, `name`, `time`, `key`, properties."""

    file = FilePart(allow_empty_file=True)
    createProfiles = TrueOrFalse(
        required=False, default=False, help_text="make a profile for everybody who is not known yet"
    )


def answer(job: Import) -> dict[str, Any]:
    return {
        "id": job.pk,
        "content": job.content,
        "fileName": job.file_name,
        "size": job.size,
        "state": job.state,
        "actions": [one.verb for one in jobs.actions(job)],
        "audienceId": job.audience_id,
        "encoding": job.encoding,
        "delimiter": job.delimiter,
        "columns": job.header,
        "mapping": job.mapping,
        "forecast": job.forecast or None,
        "counts": {
            "rows": job.row_count,
            "staged": job.staged_count,
            "rejected": job.rejected_count,
            "merged": job.merged,
            "new": job.created_count,
            "changed": job.changed_count,
            "unchanged": job.unchanged_count,
        },
        "progress": round(progress_of(job, timezone.now()).share, 1),
        "reason": job.reason,
        "createdAt": job.created_at,
        "finishedAt": job.finished_at,
    }


class Imports(APIView):
    parser_classes = [parsers.MultiPartParser]

    @extend_schema(
        operation_id="imports_list",
        parameters=listing(ImportShape, NEWEST, OpenApiParameter("state", str, enum=Import.State.values)),
        responses=page_of(ImportShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        wanted, pages = chosen_fields(request, ImportShape), ordered(request, NEWEST, "-created")
        rows = access.imports_for(credential, credential.workspace)
        if state := choice_of(request, "state", Import.State.values):
            rows = rows.filter(state=state)
        found = pages.paginate_queryset(rows, request) or []
        return pages.get_paginated_response([only(answer(job), wanted) for job in found])

    @extend_schema(
        operation_id="imports_create",
        request={"multipart/form-data": ImportWrite},
        responses={201: ImportShape},
    )
    def post(self, request: Request) -> Response:
        """The file and how to read it; every row is checked, and nothing is merged before `start`."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, ImportWrite)
        job = _uploaded(credential, given)
        if given["check"]:
            ring_import(job.pk)
        return Response(answer(job), status=201)


class EventImports(APIView):
    parser_classes = [parsers.MultiPartParser]

    @extend_schema(
        operation_id="imports_events_create",
        request={"multipart/form-data": EventImportWrite},
        responses={202: ImportShape},
    )
    def post(self, request: Request) -> Response:
        """Takes in a file of events. It is read to its end first, then recorded without `start`."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, EventImportWrite)
        file = given["file"]
        job = eventfiles.bring_in(
            credential.workspace,
            file=file,
            name=file.name,
            size=file.size,
            create_profiles=given["createProfiles"],
            actor=credential,
            now=timezone.now(),
        )
        ring_import(job.pk)
        return Response(answer(job), status=202)


def _uploaded(credential: ApiCredential, given: dict[str, Any]) -> Import:
    """Nothing is left of a file whose mapping is refused."""
    now, file = timezone.now(), given["file"]
    with transaction.atomic():
        job = jobs.upload(
            credential.workspace, file=file, name=file.name, size=file.size, actor=credential, now=now
        )
        if not given["check"]:
            return job
        how = _mapping(given["mapping"]) if "mapping" in given else None
        return _checked(job, credential, {**given, "mapping": how})


def _checked(job: Import, credential: ApiCredential, given: dict[str, Any]) -> Import:
    return jobs.check(
        job,
        how=given.get("mapping"),
        encoding=given.get("encoding", ""),
        delimiter=given.get("delimiter", ""),
        audience=_audience(credential, given.get("audienceId")),
        new_audience=given.get("newAudience", ""),
        actor=credential,
        now=timezone.now(),
    )


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(Problem("bad_json", _("Give a JSON object."), "/mapping")) from error
    if not isinstance(found, dict):
        raise Invalid(Problem("not_an_object", _("Give a JSON object."), "/mapping"))
    return found


def _audience(credential: ApiCredential, pk: int | None) -> Audience | None:
    if pk is None:
        return None
    try:
        return access.audience_for(credential, pk)
    except NotFound as error:
        raise Invalid(Problem("unknown_audience", error.detail, "/audienceId")) from error


class OneImport(APIView):
    @extend_schema(operation_id="imports_read", parameters=[fields_of(ImportShape)], responses=ImportShape)
    def get(self, request: Request, pk: int) -> Response:
        wanted = chosen_fields(request, ImportShape)
        return Response(only(answer(access.import_for(credential_of(request), pk)), wanted))


class Check(APIView):
    @extend_schema(operation_id="imports_check", request=Mapped, responses=ImportShape)
    def post(self, request: Request, pk: int) -> Response:
        """Begins the dry run of a file that was only sent (`check` false), or that `remap` took back."""
        credential = credential_of(request)
        job = access.import_for(credential, pk)
        require(credential, access.MANAGE, job.workspace)
        job = _checked(job, credential, body_of(request, Mapped))
        ring_import(job.pk)
        return Response(answer(job))


def verb_view(verb: str) -> Any:
    """One address per verb of an import; each is described by itself."""

    @extend_schema(operation_id=f"imports_{verb}", request=None, responses=ImportShape)
    def post(view: APIView, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        job = access.import_for(credential, pk)
        job = jobs.VERBS[verb](job, actor=credential, now=timezone.now())
        ring_import(job.pk)
        return Response(answer(job))

    made: Any = type(f"Import{verb.title()}", (APIView,), {"post": post})
    return made.as_view()


class Rejected(APIView):
    @extend_schema(operation_id="imports_rejected", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """Row, column, value and reason of each refused cell."""
        job = access.import_for(credential_of(request), pk)
        found = StreamingHttpResponse(problems.as_csv(job), content_type="text/csv; charset=utf-8")
        found["Content-Disposition"] = f'attachment; filename="rejected-{job.pk}.csv"'
        found["Cache-Control"] = "no-store"
        return found
