"""The REST doors of fragments: list, make, read, change, publish, archive, delete; versions and uses."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from campaigns import fragments
from campaigns.access import MANAGE
from campaigns.api.callers import credential_of
from campaigns.api.kept import KeptChange, KeptShape, placed
from campaigns.models import Fragment
from common.api import (
    IF_MATCH,
    PAGING,
    CursorPages,
    StrictSerializer,
    choice_of,
    etag_of,
    flag_of,
    page_of,
    require_match,
)
from common.errors import Invalid, Problem


class FragmentShape(KeptShape):
    id = serializers.IntegerField()
    key = serializers.CharField(help_text='Contents take it in by `{{ fragment("key") }}`.')
    name = serializers.CharField()
    kind = serializers.ChoiceField(Fragment.Kind.choices)
    source = serializers.CharField(allow_blank=True, help_text="The draft.")  # type: ignore[assignment]
    state = serializers.ChoiceField(["draft", "published", "archived"])
    publishedVersion = serializers.SerializerMethodField()
    hasChanges = serializers.BooleanField(source="has_changes", help_text="The draft says something else.")
    changedAt = serializers.DateTimeField(source="changed_at")

    def get_publishedVersion(self, row: Fragment) -> int | None:
        return row.published.number if row.published else None


class FragmentWrite(StrictSerializer):
    key = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(Fragment.Kind.choices)
    source = serializers.CharField(  # type: ignore[assignment]
        allow_blank=True, required=False, default="", max_length=fragments.LONGEST, trim_whitespace=False
    )


class FragmentChange(KeptChange):
    name = serializers.CharField(max_length=100, required=False)
    source = serializers.CharField(  # type: ignore[assignment]
        allow_blank=True, required=False, max_length=fragments.LONGEST, trim_whitespace=False
    )


class FragmentVersionShape(StrictSerializer):
    number = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]
    publishedAt = serializers.DateTimeField(source="saved_at")


class FragmentUsesShape(StrictSerializer):
    campaigns = serializers.ListField(child=serializers.IntegerField())
    fragments = serializers.ListField(child=serializers.IntegerField())
    templates = serializers.ListField(child=serializers.IntegerField())
    hiddenCount = serializers.IntegerField(help_text="Others that you may not see.")


class Fragments(APIView):
    @extend_schema(
        operation_id="fragments_list",
        parameters=[
            OpenApiParameter("kind", str, enum=Fragment.Kind.values),
            OpenApiParameter("archived", bool, description="Those that are archived instead."),
            *PAGING,
        ],
        responses=page_of(FragmentShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = fragments.list_for(credential, credential.workspace).prefetch_related("labels")
        rows = rows.filter(archived_at__isnull=not flag_of(request, "archived"))
        if kind := choice_of(request, "kind", Fragment.Kind.values):
            rows = rows.filter(kind=kind)
        pages = CursorPages()
        found: Any = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(FragmentShape(found, many=True).data)

    @extend_schema(operation_id="fragments_create", request=FragmentWrite, responses={201: FragmentShape})
    def post(self, request: Request) -> Response:
        """A draft; contents can take it in once it is published."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        body = FragmentWrite(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            made = fragments.create(
                credential.workspace, **body.validated_data, actor=credential, now=timezone.now()
            )
        except Invalid as error:
            raise _pointed(error) from error
        return _answer(made, 201)


class OneFragment(APIView):
    @extend_schema(operation_id="fragments_read", responses=FragmentShape)
    def get(self, request: Request, pk: int) -> Response:
        return _answer(fragments.fragment_for(credential_of(request), pk))

    @extend_schema(
        operation_id="fragments_change",
        parameters=[IF_MATCH],
        request=FragmentChange,
        responses=FragmentShape,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """The draft; what is published stays until it is published again."""
        credential = credential_of(request)
        row = fragments.fragment_for(credential, pk, MANAGE)
        body = FragmentChange(data=request.data)
        body.is_valid(raise_exception=True)
        require_match(request, etag_of(FragmentShape(row).data))
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        try:
            with transaction.atomic():
                if given := placed(row, body.validated_data, **by):
                    text = {"name": row.name, "source": row.source, **given}
                    fragments.save(row, **text, revision=row.revision, **by)
        except Invalid as error:
            raise _pointed(error) from error
        return _answer(fragments.fragment_for(credential, pk))

    @extend_schema(operation_id="fragments_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 once it was published: archive it instead."""
        credential = credential_of(request)
        fragments.delete(fragments.fragment_for(credential, pk, MANAGE), actor=credential, now=timezone.now())
        return Response(status=204)


class PublishFragment(APIView):
    @extend_schema(operation_id="fragments_publish", request=None, responses=FragmentShape)
    def post(self, request: Request, pk: int) -> Response:
        """Drafts take it in at once; what is in review, approved or running keeps what it was frozen with."""
        credential = credential_of(request)
        row = fragments.fragment_for(credential, pk, MANAGE)
        try:
            fragments.publish(row, actor=credential, now=timezone.now())
        except Invalid as error:
            raise _pointed(error) from error
        return _answer(fragments.fragment_for(credential, pk))


class ArchiveFragment(APIView):
    @extend_schema(operation_id="fragments_archive", request=None, responses=FragmentShape)
    def post(self, request: Request, pk: int) -> Response:
        return _archived(request, pk, back=False)

    @extend_schema(operation_id="fragments_unarchive", responses={200: FragmentShape})
    def delete(self, request: Request, pk: int) -> Response:
        """Takes it out of the archive."""
        return _archived(request, pk, back=True)


class FragmentVersions(APIView):
    @extend_schema(
        operation_id="fragments_versions", parameters=PAGING, responses=page_of(FragmentVersionShape)
    )
    def get(self, request: Request, pk: int) -> Response:
        row, pages = fragments.fragment_for(credential_of(request), pk), CursorPages()
        found: Any = pages.paginate_queryset(row.versions.all(), request, view=self)
        return pages.get_paginated_response(FragmentVersionShape(found, many=True).data)


class FragmentUses(APIView):
    @extend_schema(operation_id="fragments_uses", responses=FragmentUsesShape)
    def get(self, request: Request, pk: int) -> Response:
        """What names it, in a draft or as it runs."""
        credential = credential_of(request)
        found = fragments.uses(fragments.fragment_for(credential, pk), credential)
        return Response(
            {
                "campaigns": [one.pk for one in found.campaigns],
                "fragments": [one.pk for one in found.fragments],
                "templates": [one.pk for one in found.templates],
                "hiddenCount": found.hidden_count,
            }
        )


def _archived(request: Request, pk: int, *, back: bool) -> Response:
    credential = credential_of(request)
    row = fragments.fragment_for(credential, pk, MANAGE)
    fragments.archive(row, actor=credential, now=timezone.now(), back=back)
    return _answer(fragments.fragment_for(credential, pk))


def _answer(row: Fragment, status: int = 200) -> Response:
    shown = FragmentShape(row).data
    return Response(shown, status=status, headers={"ETag": etag_of(shown)})


def _pointed(error: Invalid) -> Invalid:
    return Invalid(Problem(one.code, one.detail, f"/{one.pointer}") for one in error.problems)
