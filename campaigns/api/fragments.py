"""The REST doors of fragments: list, make, read, change, publish, archive, delete; versions and uses."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from campaigns import fragments
from campaigns.access import MANAGE
from campaigns.api.kept import KeptChange, KeptShape, placed
from campaigns.models import Fragment
from common.api import (
    IF_MATCH,
    SparseSerializer,
    StrictSerializer,
    choice_of,
    fields_of,
    flag_of,
    page_of,
)
from common.doors import (
    NAMED,
    NUMBERED,
    SEARCH,
    body_of,
    listed,
    listing,
    pointing,
    searched,
    shown,
    unchanged,
)

FILTERS = [
    OpenApiParameter("kind", str, enum=Fragment.Kind.values),
    OpenApiParameter("archived", bool, description="Those that are archived instead."),
]


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

    def possible(self, row: Fragment) -> list[str]:
        if row.archived_at:
            return ["unarchive"]
        unpublished = ["publish"] if row.has_changes else []
        return ["change", *unpublished, "archive", *([] if row.published_id else ["delete"])]


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


class FragmentVersionShape(SparseSerializer):
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
        parameters=listing(FragmentShape, NAMED, *FILTERS, SEARCH),
        responses=page_of(FragmentShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = fragments.list_for(credential, credential.workspace).prefetch_related("labels")
        rows = rows.filter(archived_at__isnull=not flag_of(request, "archived"))
        if kind := choice_of(request, "kind", Fragment.Kind.values):
            rows = rows.filter(kind=kind)
        return listed(request, searched(request, rows), FragmentShape, NAMED, rights=rights_of(request))

    @extend_schema(operation_id="fragments_create", request=FragmentWrite, responses={201: FragmentShape})
    def post(self, request: Request) -> Response:
        """A draft; contents can take it in once it is published."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, FragmentWrite)
        with pointing():
            made = fragments.create(credential.workspace, **given, actor=credential, now=timezone.now())
        return _answer(request, made, 201)


class OneFragment(APIView):
    @extend_schema(
        operation_id="fragments_read", parameters=[fields_of(FragmentShape)], responses=FragmentShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return _answer(request, fragments.fragment_for(credential_of(request), pk))

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
        body = body_of(request, FragmentChange)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        with unchanged(request, row, FragmentShape), pointing():
            if given := placed(row, body, **by):
                text = {"name": row.name, "source": row.source, **given}
                fragments.save(row, **text, revision=row.revision, **by)
        return _answer(request, fragments.fragment_for(credential, pk))

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
        with pointing():
            fragments.publish(row, actor=credential, now=timezone.now())
        return _answer(request, fragments.fragment_for(credential, pk))


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
        operation_id="fragments_versions",
        parameters=listing(FragmentVersionShape, NUMBERED),
        responses=page_of(FragmentVersionShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        row = fragments.fragment_for(credential_of(request), pk)
        return listed(request, row.versions.all(), FragmentVersionShape, NUMBERED, "-number")


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
    return _answer(request, fragments.fragment_for(credential, pk))


def _answer(request: Request, row: Fragment, status: int = 200) -> Response:
    return shown(request, row, FragmentShape, rights_of(request), status=status)
