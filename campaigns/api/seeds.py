"""The REST doors of seed lists: list, make, read, change, delete."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.models import ApiCredential
from campaigns import seedlists
from channels.access import MANAGE
from channels.models import ChannelConfiguration, SeedList
from common.api import PAGING, CursorPages, StrictSerializer, page_of
from common.errors import Invalid, Problem

CAMEL = {"test_profile": "testProfile"}


class SeedListWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=254), min_length=1, max_length=seedlists.MOST
    )
    testProfile = serializers.IntegerField(
        source="test_profile", required=False, allow_null=True, default=None, min_value=1, max_value=2**63 - 1
    )
    configurations = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        default=list,
        max_length=100,
        help_text="Ids of email configurations; each has one seed list.",
    )


class SeedListShape(StrictSerializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    addresses = serializers.ListField(child=serializers.CharField())
    testProfile = serializers.IntegerField(source="test_profile", allow_null=True)
    configurations = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def get_configurations(self, row: SeedList) -> list[int]:
        return sorted(use.configuration_id for use in row.uses.all())


def _credential(request: Request) -> ApiCredential:
    return cast(ApiCredential, request.user)


class SeedLists(APIView):
    @extend_schema(operation_id="seed_lists_list", parameters=PAGING, responses=page_of(SeedListShape))
    def get(self, request: Request) -> Response:
        credential = _credential(request)
        pages = CursorPages()
        rows = seedlists.lists_for(credential, credential.workspace)
        found: Any = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(SeedListShape(found, many=True).data)

    @extend_schema(operation_id="seed_lists_create", request=SeedListWrite, responses={201: SeedListShape})
    def post(self, request: Request) -> Response:
        """Each address gets one copy of every variant that its configurations carry."""
        return Response(SeedListShape(_save(request, None)).data, status=201)


class OneSeedList(APIView):
    @extend_schema(operation_id="seed_lists_read", responses=SeedListShape)
    def get(self, request: Request, pk: int) -> Response:
        return Response(SeedListShape(seedlists.list_for(_credential(request), pk)).data)

    @extend_schema(operation_id="seed_lists_change", request=SeedListWrite, responses=SeedListShape)
    def put(self, request: Request, pk: int) -> Response:
        row = seedlists.list_for(_credential(request), pk, MANAGE)
        return Response(SeedListShape(_save(request, row)).data)

    @extend_schema(operation_id="seed_lists_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while a running campaign sends over a configuration that uses it."""
        credential = _credential(request)
        row = seedlists.list_for(credential, pk, MANAGE)
        seedlists.delete(row, actor=credential, now=timezone.now())
        return Response(status=204)


def _save(request: Request, row: SeedList | None) -> SeedList:
    credential = _credential(request)
    require(credential, MANAGE, credential.workspace)
    body = SeedListWrite(data=request.data)
    body.is_valid(raise_exception=True)
    given = dict(body.validated_data)
    wanted = given.pop("configurations")
    known: dict[int, ChannelConfiguration] = seedlists.attachable(credential, credential.workspace).in_bulk(
        wanted
    )
    if missing := [place for place, pk in enumerate(wanted) if pk not in known]:
        detail = _("Choose email configurations of this workspace.")
        raise Invalid(
            Problem("unknown_configuration", detail, f"/configurations/{place}") for place in missing
        )
    try:
        return seedlists.save(
            row,
            workspace=credential.workspace,
            **given,
            configurations=known.values(),
            actor=credential,
            now=timezone.now(),
        )
    except Invalid as error:
        raise Invalid(
            Problem(one.code, one.detail, f"/{CAMEL.get(one.pointer, one.pointer)}") for one in error.problems
        ) from error
