"""The REST doors of seed lists: list, make, read, change, delete."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from campaigns import seedlists
from channels.access import MANAGE
from channels.models import ChannelConfiguration, SeedList
from common.api import IF_MATCH, StrictSerializer, fields_of, page_of
from common.doors import (
    NAMED,
    SEARCH,
    Acting,
    body_of,
    listed,
    listing,
    pointing,
    searched,
    shown,
    unchanged,
)
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


class SeedListShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    addresses = serializers.ListField(child=serializers.CharField())
    testProfile = serializers.IntegerField(source="test_profile", allow_null=True)
    configurations = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def get_configurations(self, row: SeedList) -> list[int]:
        return sorted(use.configuration_id for use in row.uses.all())


class SeedLists(APIView):
    @extend_schema(
        operation_id="seed_lists_list",
        parameters=listing(SeedListShape, NAMED, SEARCH),
        responses=page_of(SeedListShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, seedlists.lists_for(credential, credential.workspace))
        return listed(request, rows, SeedListShape, NAMED, rights=rights_of(request))

    @extend_schema(operation_id="seed_lists_create", request=SeedListWrite, responses={201: SeedListShape})
    def post(self, request: Request) -> Response:
        """Each address gets one copy of every variant that its configurations carry."""
        return shown(request, _save(request, None), SeedListShape, rights_of(request), status=201)


class OneSeedList(APIView):
    @extend_schema(
        operation_id="seed_lists_read", parameters=[fields_of(SeedListShape)], responses=SeedListShape
    )
    def get(self, request: Request, pk: int) -> Response:
        row = seedlists.list_for(credential_of(request), pk)
        return shown(request, row, SeedListShape, rights_of(request))

    @extend_schema(
        operation_id="seed_lists_change",
        parameters=[IF_MATCH],
        request=SeedListWrite,
        responses=SeedListShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        row = seedlists.list_for(credential_of(request), pk, MANAGE)
        return shown(request, _save(request, row), SeedListShape, rights_of(request))

    @extend_schema(operation_id="seed_lists_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while a running campaign sends over a configuration that uses it."""
        credential = credential_of(request)
        row = seedlists.list_for(credential, pk, MANAGE)
        seedlists.delete(row, actor=credential, now=timezone.now())
        return Response(status=204)


def _told(request: Request) -> Callable[[SeedList], SeedList]:
    """As it is read: with the configurations only that the credential may see."""
    return lambda row: seedlists.list_for(credential_of(request), row.pk, MANAGE)


def _save(request: Request, row: SeedList | None) -> SeedList:
    credential = credential_of(request)
    require(credential, MANAGE, credential.workspace)
    given = body_of(request, SeedListWrite)
    wanted = given.pop("configurations")
    known: dict[int, ChannelConfiguration] = seedlists.attachable(credential, credential.workspace).in_bulk(
        wanted
    )
    if missing := [place for place, pk in enumerate(wanted) if pk not in known]:
        detail = _("Choose email configurations of this workspace.")
        raise Invalid(
            Problem("unknown_configuration", detail, f"/configurations/{place}") for place in missing
        )
    seen = unchanged(request, row, SeedListShape, told=_told(request)) if row else nullcontext()
    with seen, pointing(CAMEL):
        return seedlists.save(
            row,
            workspace=credential.workspace,
            **given,
            configurations=known.values(),
            actor=credential,
            now=timezone.now(),
        )
