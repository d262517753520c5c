"""The REST doors of the asset library: list, upload, read, describe, delete; and where one is used."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from campaigns import assets, pictures
from campaigns.access import MANAGE
from campaigns.api.callers import credential_of
from campaigns.api.fragments import FragmentUsesShape
from campaigns.api.kept import KeptChange, KeptShape, placed
from campaigns.models import Asset
from common.api import PAGING, CursorPages, StrictSerializer, page_of
from common.errors import Invalid, Problem


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
    file = serializers.FileField(allow_empty_file=True, help_text="At most 10 MB.")
    folder = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    description = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class AssetChange(KeptChange):
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)


class Assets(APIView):
    parser_classes = [parsers.MultiPartParser]

    @extend_schema(
        operation_id="assets_list",
        parameters=[
            OpenApiParameter("search", str, description="A part of the name."),
            OpenApiParameter("folder", str),
            *PAGING,
        ],
        responses=page_of(AssetShape),
    )
    def get(self, request: Request) -> Response:
        credential, asked = credential_of(request), request.query_params
        rows = assets.list_for(credential, credential.workspace).prefetch_related("labels")
        for name, lookup in (("search", "name__icontains"), ("folder", "folder")):
            if text := asked.get(name, "").replace("\0", ""):
                rows = rows.filter(**{lookup: text[:100]})
        pages = CursorPages()
        found: Any = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(AssetShape(found, many=True).data)

    @extend_schema(
        operation_id="assets_upload",
        request={"multipart/form-data": AssetUpload},
        responses={201: AssetShape},
    )
    def post(self, request: Request) -> Response:
        """A picture (PNG, JPEG, GIF, WebP; drawn anew), PDF, DOCX, XLSX, PPTX, TXT, CSV or ICS."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        body = AssetUpload(data=request.data)
        body.is_valid(raise_exception=True)
        file = body.validated_data.pop("file")
        try:
            made = assets.upload(
                credential.workspace,
                name=file.name,
                octets=file.read(pictures.MOST_OCTETS + 1),
                **body.validated_data,
                actor=credential,
                now=timezone.now(),
            )
        except Invalid as error:
            raise _pointed(error) from error
        return Response(AssetShape(made).data, status=201)


class OneAsset(APIView):
    @extend_schema(operation_id="assets_read", responses=AssetShape)
    def get(self, request: Request, pk: int) -> Response:
        return Response(AssetShape(assets.asset_for(credential_of(request), pk)).data)

    @extend_schema(operation_id="assets_describe", request=AssetChange, responses=AssetShape)
    def patch(self, request: Request, pk: int) -> Response:
        """The file itself never changes: upload another one."""
        credential = credential_of(request)
        row = assets.asset_for(credential, pk, MANAGE)
        body = AssetChange(data=request.data)
        body.is_valid(raise_exception=True)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        try:
            with transaction.atomic():
                if given := placed(row, body.validated_data, **by):
                    assets.describe(row, **given, **by)
        except Invalid as error:
            raise _pointed(error) from error
        return Response(AssetShape(assets.asset_for(credential, pk)).data)

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


def _pointed(error: Invalid) -> Invalid:
    return Invalid(Problem(one.code, one.detail, f"/{one.pointer}") for one in error.problems)
