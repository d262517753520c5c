"""The REST doors of what campaigns are kept in order with: folders and tags."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from accounts.models import ApiCredential
from campaigns import access, folders, listing
from campaigns.access import MANAGE
from campaigns.api.campaign_shapes import number
from campaigns.models import Folder
from common.api import IF_MATCH, StrictSerializer, fields_of
from common.doors import Acting, body_of, shown, unchanged, whole
from common.errors import Invalid, NotFound, Problem


class FolderWrite(StrictSerializer):
    name = serializers.CharField(max_length=folders.LONGEST)
    parent = number(required=False, allow_null=True, default=None)  # type: ignore[assignment]


class FolderShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    parent = serializers.IntegerField(allow_null=True, source="parent_id")  # type: ignore[assignment]


class FoldersShape(StrictSerializer):
    results = FolderShape(many=True)


class TagsShape(StrictSerializer):
    results = serializers.ListField(child=serializers.CharField())


class Folders(APIView):
    @extend_schema(operation_id="folders_list", parameters=[fields_of(FolderShape)], responses=FoldersShape)
    def get(self, request: Request) -> Response:
        """All of them, each after the one it lies in."""
        credential = credential_of(request)
        rows = [branch.folder for branch in folders.tree(credential, credential.workspace)]
        return Response({"results": whole(request, rows, FolderShape, rights_of(request))})

    @extend_schema(operation_id="folders_create", request=FolderWrite, responses={201: FolderShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        given = _given(request, credential)
        made = folders.create(credential.workspace, **given, actor=credential, now=timezone.now())
        return shown(request, made, FolderShape, rights_of(request), status=201)


class OneFolder(APIView):
    @extend_schema(operation_id="folders_read", parameters=[fields_of(FolderShape)], responses=FolderShape)
    def get(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = folders.folder_for(credential, credential.workspace, pk)
        return shown(request, row, FolderShape, rights_of(request))

    @extend_schema(
        operation_id="folders_change", parameters=[IF_MATCH], request=FolderWrite, responses=FolderShape
    )
    def put(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = folders.folder_for(credential, credential.workspace, pk)
        given = _given(request, credential)
        with unchanged(request, row, FolderShape):
            changed = folders.change(row, **given, actor=credential, now=timezone.now())
        return shown(request, changed, FolderShape, rights_of(request))

    @extend_schema(operation_id="folders_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while something lies in it."""
        credential = credential_of(request)
        row = folders.folder_for(credential, credential.workspace, pk)
        folders.delete(row, actor=credential, now=timezone.now())
        return Response(status=204)


class Tags(APIView):
    @extend_schema(operation_id="tags_list", responses=TagsShape)
    def get(self, request: Request) -> Response:
        """Every tag on a campaign that the credential may see."""
        credential = credential_of(request)
        return Response({"results": listing.tags_of(access.list_for(credential, credential.workspace))})


def _given(request: Request, credential: ApiCredential) -> dict[str, Any]:
    require(credential, MANAGE, credential.workspace)
    given = body_of(request, FolderWrite)
    return {"name": given["name"], "parent": _parent(credential, given["parent"])}


def _parent(credential: ApiCredential, pk: int | None) -> Folder | None:
    try:
        return folders.folder_for(credential, credential.workspace, pk) if pk else None
    except NotFound as error:
        detail = _("There is no such thing here, or you may not see it.")
        raise Invalid(Problem("unknown", detail, "/parent")) from error
