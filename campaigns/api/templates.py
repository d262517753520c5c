"""The REST doors of a workspace's own content templates: list, make, read, change, delete, versions."""

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
from campaigns import templates
from campaigns.access import MANAGE
from campaigns.api.campaign_shapes import AnObject
from campaigns.api.contents import parts_of
from campaigns.api.kept import KeptChange, KeptShape, placed
from campaigns.models import ContentTemplate
from channels.contents import SHAPES
from common.api import IF_MATCH, SparseSerializer, StrictSerializer, choice_of, fields_of, page_of
from common.doors import (
    NAMED,
    NUMBERED,
    SEARCH,
    body_of,
    listed,
    listing,
    searched,
    shown,
    unchanged,
)
from common.errors import Invalid, Problem


class ContentTemplateShape(KeptShape):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    channel = serializers.ChoiceField([*SHAPES])
    content = AnObject(help_text="As a campaign's content: the parts of the channel's message.")
    version = serializers.IntegerField(source="revision")
    changedAt = serializers.DateTimeField(source="changed_at")


class ContentTemplateWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    channel = serializers.ChoiceField([*SHAPES])
    content = AnObject()


class ContentTemplateChange(KeptChange):
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    content = AnObject(required=False, help_text="What is left out stays.")


class ContentTemplateVersionShape(SparseSerializer):
    number = serializers.IntegerField()
    content = AnObject()
    savedAt = serializers.DateTimeField(source="saved_at")


class ContentTemplates(APIView):
    @extend_schema(
        operation_id="content_templates_list",
        parameters=listing(
            ContentTemplateShape, NAMED, OpenApiParameter("channel", str, enum=[*SHAPES]), SEARCH
        ),
        responses=page_of(ContentTemplateShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = templates.list_for(credential, credential.workspace).prefetch_related("labels")
        if channel := choice_of(request, "channel", SHAPES):
            rows = rows.filter(channel=channel)
        rows = searched(request, rows)
        return listed(request, rows, ContentTemplateShape, NAMED, rights=rights_of(request))

    @extend_schema(
        operation_id="content_templates_create",
        request=ContentTemplateWrite,
        responses={201: ContentTemplateShape},
    )
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, ContentTemplateWrite)
        given["content"] = _content(given["content"], given["channel"])
        try:
            made = templates.create(credential.workspace, **given, actor=credential, now=timezone.now())
        except Invalid as error:
            raise _pointed(error) from error
        return _answer(request, made, 201)


class OneContentTemplate(APIView):
    @extend_schema(
        operation_id="content_templates_read",
        parameters=[fields_of(ContentTemplateShape)],
        responses=ContentTemplateShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        return _answer(request, templates.template_for(credential_of(request), pk))

    @extend_schema(
        operation_id="content_templates_change",
        parameters=[IF_MATCH],
        request=ContentTemplateChange,
        responses=ContentTemplateShape,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """A new version; what began with an older one stays as it is."""
        credential = credential_of(request)
        row = templates.template_for(credential, pk, MANAGE)
        given = body_of(request, ContentTemplateChange)
        if "content" in given:
            given["content"] = _content(given["content"], row.channel)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        try:
            with unchanged(request, row, ContentTemplateShape):
                if text := placed(row, given, **by):
                    templates.save(row, **text, revision=row.revision, **by)
        except Invalid as error:
            raise _pointed(error) from error
        return _answer(request, templates.template_for(credential, pk))

    @extend_schema(operation_id="content_templates_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """With its versions; what began with it stays."""
        credential = credential_of(request)
        templates.delete(templates.template_for(credential, pk, MANAGE), actor=credential, now=timezone.now())
        return Response(status=204)


class ContentTemplateVersions(APIView):
    @extend_schema(
        operation_id="content_templates_versions",
        parameters=listing(ContentTemplateVersionShape, NUMBERED),
        responses=page_of(ContentTemplateVersionShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        row = templates.template_for(credential_of(request), pk)
        return listed(request, row.versions.all(), ContentTemplateVersionShape, NUMBERED, "-number")


def _content(given: dict[str, Any], channel: str) -> dict[str, Any]:
    try:
        return parts_of(given, channel)
    except Invalid as error:
        raise _pointed(error) from error


def _answer(request: Request, row: ContentTemplate, status: int = 200) -> Response:
    return shown(request, row, ContentTemplateShape, rights_of(request), status=status)


def _pointed(error: Invalid) -> Invalid:
    """A part of the content is pointed to with a stroke before it, a field without."""
    return Invalid(
        Problem(one.code, one.detail, ("/content" if one.pointer.startswith("/") else "/") + one.pointer)
        for one in error.problems
    )
