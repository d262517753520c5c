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
from channels import access, allowed, breaker, limits
from channels.api.configurations import credential_of
from channels.models import ChannelConfiguration
from common.api import PAGING, CursorPages, StrictSerializer, page_of
from common.errors import Invalid, Problem


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


class LimitsShape(StrictSerializer):
    rate = serializers.FloatField(allow_null=True)
    urgentShare = serializers.IntegerField(source="urgent_share")
    domains = serializers.DictField(child=serializers.FloatField())
    breaker = BreakerShape(allow_null=True, help_text="Set while the provider is in trouble.")


class AllowedShape(StrictSerializer):
    id = serializers.IntegerField()
    address = serializers.CharField(help_text="An address, or a domain as “@example.com”.")
    createdAt = serializers.DateTimeField(source="created_at")


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


class ConfigurationLimits(APIView):
    @extend_schema(operation_id="channel_configurations_limits_read", responses=LimitsShape)
    def get(self, request: Request, pk: int) -> Response:
        return _answer(access.configuration_for(credential_of(request), pk))

    @extend_schema(
        operation_id="channel_configurations_limits_write", request=LimitsWrite, responses=LimitsShape
    )
    def put(self, request: Request, pk: int) -> Response:
        """Counts at once, also for what is being sent."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        body = LimitsWrite(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            limits.change(row, **body.validated_data, actor=credential, now=timezone.now())
        except Invalid as error:
            named = {"urgent_share": "urgentShare"}
            raise Invalid(
                Problem(one.code, one.detail, f"/{named.get(one.pointer, one.pointer)}")
                for one in error.problems
            ) from error
        return _answer(row)


def _answer(row: ChannelConfiguration) -> Response:
    found = limits.of(row)
    given = {"rate": found.rate, "urgent_share": found.urgent_share, "domains": found.domains}
    return Response(LimitsShape({**given, "breaker": breaker.of(row)}).data)


class Allowed(APIView):
    @extend_schema(operation_id="allowed_list", parameters=PAGING, responses=page_of(AllowedShape))
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        pages = CursorPages()
        rows = allowed.entries_for(credential, credential.workspace)
        found: Any = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(AllowedShape(found, many=True).data)

    @extend_schema(operation_id="allowed_add", request=AllowedWrite, responses=AllowedAnswer)
    def post(self, request: Request) -> Response:
        """Addresses and domains; each that is wrong is named and keeps no other out."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        body = AllowedWrite(data=request.data)
        body.is_valid(raise_exception=True)
        told = allowed.add(
            credential.workspace, body.validated_data["entries"], actor=credential, now=timezone.now()
        )
        rejected = [
            {"pointer": f"/entries/{place}", "code": fault.code, "detail": fault.detail}
            for place, fault in told.rejects
        ]
        return Response({"added": told.added, "known": told.known, "rejected": rejected})


class OneAllowed(APIView):
    @extend_schema(operation_id="allowed_remove", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        allowed.remove(allowed.entry_for(credential, pk), actor=credential, now=timezone.now())
        return Response(status=204)


class AllowedState(APIView):
    @extend_schema(operation_id="allowed_state", responses=AllowedSwitch)
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        allowed.entries_for(credential, credential.workspace)
        return Response({"active": allowed.is_active(credential.workspace)})

    @extend_schema(operation_id="allowed_switch", request=AllowedSwitch, responses=AllowedSwitch)
    def put(self, request: Request) -> Response:
        """On, email goes to nobody who is not on the list; on and empty, nothing is sent."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        body = AllowedSwitch(data=request.data)
        body.is_valid(raise_exception=True)
        is_active = bool(body.validated_data["active"])
        allowed.switch(credential.workspace, is_active=is_active, actor=credential, now=timezone.now())
        return Response({"active": is_active})
