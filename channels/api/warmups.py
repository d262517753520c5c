"""The REST doors of warm-up plans: list, make, read, change, delete, start, complete."""

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
from channels import access, warming, warmups
from channels.access import MANAGE
from channels.models import WarmupPlan
from channels.warmups import PlanValues
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
from common.errors import Invalid, NotFound, Problem

CAMEL = {"own_groups": "ownGroups", "configuration": "configurationId", "on": "startsOn"}


class Day(serializers.DictField):
    child = serializers.IntegerField(min_value=0, max_value=warmups.MOST_VOLUME)


class WarmupWrite(StrictSerializer):
    """`days` holds the messages of each day by group, “others” among them; all days name the same groups."""

    name = serializers.CharField(max_length=100)
    description = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    configurationId = serializers.IntegerField(help_text="A marketing email configuration.")
    days = serializers.ListField(
        child=Day(), min_length=1, max_length=warmups.MOST_DAYS, help_text='[{"gmail": 50, "others": 100}, …]'
    )
    ownGroups = serializers.DictField(
        child=serializers.CharField(max_length=40),
        required=False,
        default=dict,
        help_text='Groups of your own by domain: {"bigbank.example": "partners"}.',
    )


class WarmupStart(StrictSerializer):
    startsOn = serializers.DateField(
        required=False, allow_null=True, default=None, help_text="Empty: today. Until then nothing leaves."
    )


class WarmupShape(Acting):
    right = MANAGE
    moving = frozenset({"state", "today"})
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    configurationId = serializers.IntegerField(source="configuration_id")
    state = serializers.SerializerMethodField()
    startsOn = serializers.DateField(source="starts_on", allow_null=True)
    days = serializers.ListField(child=Day())
    ownGroups = serializers.DictField(source="own_groups", child=serializers.CharField())
    today = serializers.SerializerMethodField(help_text="Its number, and volume and sent messages by group.")
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def get_state(self, row: WarmupPlan) -> str:
        return warming.state(row, timezone.now())

    def possible(self, row: WarmupPlan) -> tuple[str, ...]:
        return warmups.possible(row, timezone.now())

    def get_today(self, row: WarmupPlan) -> dict[str, Any] | None:
        found = warming.today(row, timezone.now())
        if found is None:
            return None
        sent = warming.sent_by_day(row).get(found.day, {})
        return {"number": found.number, "volume": found.volume, "sent": sent}


class Warmups(APIView):
    @extend_schema(
        operation_id="warm_up_plans_list",
        parameters=listing(WarmupShape, NAMED, SEARCH),
        responses=page_of(WarmupShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, warmups.plans_for(credential, credential.workspace))
        return listed(request, rows, WarmupShape, NAMED, rights=rights_of(request))

    @extend_schema(operation_id="warm_up_plans_create", request=WarmupWrite, responses={201: WarmupShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        with pointing(CAMEL):
            values = _values(request)
            made = warmups.create(credential.workspace, values, actor=credential, now=timezone.now())
        return shown(request, made, WarmupShape, rights_of(request), status=201)


class OneWarmup(APIView):
    @extend_schema(
        operation_id="warm_up_plans_read", parameters=[fields_of(WarmupShape)], responses=WarmupShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, warmups.plan_for(credential_of(request), pk), WarmupShape, rights_of(request))

    @extend_schema(
        operation_id="warm_up_plans_change",
        parameters=[IF_MATCH],
        request=WarmupWrite,
        responses=WarmupShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        """Counts at once, also for what is being sent."""
        credential = credential_of(request)
        row = warmups.plan_for(credential, pk, MANAGE)
        with pointing(CAMEL):
            values = _values(request)
        with unchanged(request, row, WarmupShape), pointing(CAMEL):
            changed = warmups.change(row, values, actor=credential, now=timezone.now())
        return shown(request, changed, WarmupShape, rights_of(request))

    @extend_schema(operation_id="warm_up_plans_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Only one that was never started; else 409."""
        credential = credential_of(request)
        warmups.delete(warmups.plan_for(credential, pk, MANAGE), actor=credential, now=timezone.now())
        return Response(status=204)


class Start(APIView):
    @extend_schema(operation_id="warm_up_plans_start", request=WarmupStart, responses=WarmupShape)
    def post(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = warmups.plan_for(credential, pk, MANAGE)
        on = body_of(request, WarmupStart)["startsOn"]
        with pointing(CAMEL):
            started = warmups.start(row, on=on, actor=credential, now=timezone.now())
        return shown(request, started, WarmupShape, rights_of(request))


class Complete(APIView):
    @extend_schema(operation_id="warm_up_plans_complete", request=None, responses=WarmupShape)
    def post(self, request: Request, pk: int) -> Response:
        """From now on nothing is limited by it."""
        credential = credential_of(request)
        row = warmups.plan_for(credential, pk, MANAGE)
        done = warmups.complete(row, actor=credential, now=timezone.now())
        return shown(request, done, WarmupShape, rights_of(request))


def _values(request: Request) -> PlanValues:
    given = body_of(request, WarmupWrite)
    try:
        configuration = access.configuration_for(credential_of(request), given["configurationId"])
    except NotFound as error:
        raise Invalid(Problem("unknown", error.detail, "configuration")) from error
    return PlanValues(
        name=given["name"],
        description=given["description"],
        configuration=configuration,
        days=given["days"],
        own_groups=given["ownGroups"],
    )
