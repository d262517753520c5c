"""The REST doors of what holds messages back: a configuration's limits, and the allowed list."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from channels import access, allowed, breaker, limits
from channels.models import AllowedEntry, AllowedList, ChannelConfiguration
from common.api import IF_MATCH, SparseSerializer, StrictSerializer, fields_of, page_of
from common.doors import (
    NEWEST,
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

ORDERS = {**NEWEST, "address": "address"}


class LimitsWrite(StrictSerializer):
    """All limits anew: what is left out is not limited."""

    rate = serializers.FloatField(
        required=False, allow_null=True, default=None, help_text="Messages per second, 0.1 to 2,000."
    )
    urgentShare = serializers.IntegerField(
        source="urgent_share",
        required=False,
        default=0,
        min_value=0,
        max_value=90,
        help_text="Percent that are kept for API-triggered messages.",
    )
    domains = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        default=dict,
        help_text="Messages per second by domain, or by group such as “gmail”.",
    )


class BreakerShape(StrictSerializer):
    openedAt = serializers.DateTimeField(source="opened_at")
    probeAt = serializers.DateTimeField(source="probe_at", help_text="When the next message may try.")
    reason = serializers.CharField()


class LimitsShape(SparseSerializer):
    moving = frozenset({"breaker"})
    rate = serializers.FloatField(allow_null=True)
    urgentShare = serializers.IntegerField(source="urgent_share")
    domains = serializers.DictField(child=serializers.FloatField())
    breaker = BreakerShape(allow_null=True, help_text="Set while the provider is in trouble.")


class AllowedShape(Acting):
    right = access.MANAGE
    id = serializers.IntegerField()
    address = serializers.CharField(help_text="An address, or a domain as “@example.com”.")
    createdAt = serializers.DateTimeField(source="created_at")

    def possible(self, row: AllowedEntry) -> list[str]:
        return ["delete"]


class AllowedWrite(StrictSerializer):
    entries = serializers.ListField(
        child=serializers.CharField(max_length=254), min_length=1, max_length=allowed.MOST
    )


class AllowedFault(StrictSerializer):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class AllowedAnswer(StrictSerializer):
    added = serializers.IntegerField()
    known = serializers.IntegerField()
    rejected = AllowedFault(many=True)


class AllowedSwitch(StrictSerializer):
    active = serializers.BooleanField()


class AllowedStateShape(SparseSerializer):
    active = serializers.BooleanField()


class ConfigurationLimits(APIView):
    @extend_schema(
        operation_id="channel_configurations_limits_read",
        parameters=[fields_of(LimitsShape)],
        responses=LimitsShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        row = access.configuration_for(credential_of(request), pk)
        return shown(request, _told(row), LimitsShape)

    @extend_schema(
        operation_id="channel_configurations_limits_write",
        parameters=[IF_MATCH],
        request=LimitsWrite,
        responses=LimitsShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        """Counts at once, also for what is being sent."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        given = body_of(request, LimitsWrite)
        names = {"urgent_share": "urgentShare"}
        with unchanged(request, row, LimitsShape, told=_told), pointing(names):
            limits.change(row, **given, actor=credential, now=timezone.now())
        return shown(request, _told(row), LimitsShape)


def _told(row: ChannelConfiguration) -> dict[str, Any]:
    found = limits.of(row)
    given = {"rate": found.rate, "urgent_share": found.urgent_share, "domains": found.domains}
    return {**given, "breaker": breaker.of(row)}


class Allowed(APIView):
    @extend_schema(
        operation_id="allowed_list",
        parameters=listing(AllowedShape, ORDERS, SEARCH),
        responses=page_of(AllowedShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, allowed.entries_for(credential, credential.workspace), "address")
        return listed(request, rows, AllowedShape, ORDERS, rights=rights_of(request))

    @extend_schema(operation_id="allowed_add", request=AllowedWrite, responses=AllowedAnswer)
    def post(self, request: Request) -> Response:
        """Addresses and domains; each that is wrong is named and keeps no other out."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        entries = body_of(request, AllowedWrite)["entries"]
        told = allowed.add(credential.workspace, entries, actor=credential, now=timezone.now())
        rejected = [
            {"pointer": f"/entries/{place}", "code": fault.code, "detail": fault.detail}
            for place, fault in told.rejects
        ]
        return Response({"added": told.added, "known": told.known, "rejected": rejected})


class OneAllowed(APIView):
    @extend_schema(operation_id="allowed_read", parameters=[fields_of(AllowedShape)], responses=AllowedShape)
    def get(self, request: Request, pk: int) -> Response:
        entry = allowed.entry_for(credential_of(request), pk, access.VIEW)
        return shown(request, entry, AllowedShape, rights_of(request))

    @extend_schema(operation_id="allowed_remove", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        allowed.remove(allowed.entry_for(credential, pk, access.MANAGE), actor=credential, now=timezone.now())
        return Response(status=204)


class AllowedState(APIView):
    @extend_schema(
        operation_id="allowed_state",
        parameters=[fields_of(AllowedStateShape)],
        responses=AllowedStateShape,
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        allowed.entries_for(credential, credential.workspace)
        return self._answer(request)

    @extend_schema(
        operation_id="allowed_switch",
        parameters=[IF_MATCH],
        request=AllowedSwitch,
        responses=AllowedStateShape,
    )
    def put(self, request: Request) -> Response:
        """On, email goes to nobody who is not on the list; on and empty, nothing is sent."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        is_active = bool(body_of(request, AllowedSwitch)["active"])
        with unchanged(request, allowed.list_of(credential.workspace), AllowedStateShape, told=_switched):
            allowed.switch(credential.workspace, is_active=is_active, actor=credential, now=timezone.now())
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        state = {"active": allowed.is_active(credential_of(request).workspace)}
        return shown(request, state, AllowedStateShape)


def _switched(row: AllowedList) -> dict[str, bool]:
    return {"active": row.is_active}
