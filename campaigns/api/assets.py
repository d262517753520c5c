"""The REST doors of the asset library: list, upload, read, describe, delete; and where one is used."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from campaigns import assets, pictures
from campaigns.access import MANAGE
from campaigns.api.fragments import FragmentUsesShape
from campaigns.api.kept import KeptChange, KeptShape, placed
from campaigns.models import Asset
from common.api import IF_MATCH, FilePart, StrictSerializer, fields_of, page_of
from common.doors import (
    NEWEST,
    SEARCH,
    body_of,
    listed,
    listing,
    pointing,
    searched,
    shown,
    unchanged,
)

ORDERS = {**NEWEST, "name": "name", "size": "size"}


class AssetShape(KeptShape):
    id = serializers.IntegerField()
    reference = serializers.CharField(source="token", help_text="What a content names a file to attach by.")
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    mediaType = serializers.CharField(source="kind")
    size = serializers.IntegerField(help_text="Octets.")
    width = serializers.IntegerField(allow_null=True, help_text="Pixels; null where it is no picture.")
    height = serializers.IntegerField(allow_null=True)
    address = serializers.SerializerMethodField()
    copies = serializers.SerializerMethodField(help_text="Addresses of narrower copies, by their width.")
    createdAt = serializers.DateTimeField(source="created_at")

    def get_address(self, row: Asset) -> str:
        return assets.address(row)

    def get_copies(self, row: Asset) -> dict[str, str]:
        return {str(width): assets.address(row, width) for width in row.widths}


class AssetUpload(StrictSerializer):
    file = FilePart(allow_empty_file=True, help_text="At most 10 MB.")
    folder = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    description = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class AssetChange(KeptChange):
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)


class Assets(APIView):
    parser_classes = [parsers.MultiPartParser]

    @extend_schema(
        operation_id="assets_list",
        parameters=listing(AssetShape, ORDERS, SEARCH, OpenApiParameter("folder", str)),
        responses=page_of(AssetShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = assets.list_for(credential, credential.workspace).prefetch_related("labels")
        if folder := request.query_params.get("folder", "").replace("\0", ""):
            rows = rows.filter(folder=folder[:100])
        return listed(request, searched(request, rows), AssetShape, ORDERS, rights=rights_of(request))

    @extend_schema(
        operation_id="assets_upload",
        request={"multipart/form-data": AssetUpload},
        responses={201: AssetShape},
    )
    def post(self, request: Request) -> Response:
        """A picture (PNG, JPEG, GIF, WebP; drawn anew), PDF, DOCX, XLSX, PPTX, TXT, CSV or ICS."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, AssetUpload)
        file = given.pop("file")
        with pointing():
            made = assets.upload(
                credential.workspace,
                name=file.name,
                octets=file.read(pictures.MOST_OCTETS + 1),
                **given,
                actor=credential,
                now=timezone.now(),
            )
        return shown(request, made, AssetShape, rights_of(request), status=201)


class AssetSize(StrictSerializer):
    width = serializers.IntegerField(min_value=1, max_value=99_999, help_text="Pixels; less than it has.")


class AssetResize(APIView):
    @extend_schema(operation_id="assets_resize", request=AssetSize, responses={201: AssetShape})
    def post(self, request: Request, pk: int) -> Response:
        """A copy of a picture in another width, as a file of its own beside it, behind the same labels."""
        credential = credential_of(request)
        row = assets.asset_for(credential, pk, MANAGE)
        given = body_of(request, AssetSize)
        with pointing():
            made = assets.resize(row, **given, actor=credential, now=timezone.now())
        return shown(request, made, AssetShape, rights_of(request), status=201)


class OneAsset(APIView):
    @extend_schema(operation_id="assets_read", parameters=[fields_of(AssetShape)], responses=AssetShape)
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, assets.asset_for(credential_of(request), pk), AssetShape, rights_of(request))

    @extend_schema(
        operation_id="assets_describe", parameters=[IF_MATCH], request=AssetChange, responses=AssetShape
    )
    def patch(self, request: Request, pk: int) -> Response:
        """The file itself never changes: upload another one."""
        credential = credential_of(request)
        row = assets.asset_for(credential, pk, MANAGE)
        body = body_of(request, AssetChange)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        with unchanged(request, row, AssetShape), pointing():
            if given := placed(row, body, **by):
                assets.describe(row, **given, **by)
        return shown(request, assets.asset_for(credential, pk), AssetShape, rights_of(request))

    @extend_schema(operation_id="assets_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while anything names it."""
        credential = credential_of(request)
        assets.delete(assets.asset_for(credential, pk, MANAGE), actor=credential, now=timezone.now())
        return Response(status=204)


class AssetUses(APIView):
    @extend_schema(operation_id="assets_uses", responses=FragmentUsesShape)
    def get(self, request: Request, pk: int) -> Response:
        """What names it, in a draft or as it was frozen."""
        credential = credential_of(request)
        found = assets.uses(assets.asset_for(credential, pk), credential)
        return Response(
            {
                "campaigns": [one.pk for one in found.campaigns],
                "fragments": [one.pk for one in found.fragments],
                "templates": [one.pk for one in found.templates],
                "hiddenCount": found.hidden_count,
            }
        )
