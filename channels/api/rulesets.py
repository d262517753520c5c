"""The REST doors of rule sets: list, make, read, change, delete, switch, and the same for their rules."""

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
from channels import rulesets
from channels.access import MANAGE
from channels.kinds import KINDS
from channels.models import Rule, RuleSet, RuleState
from channels.rulesets import RuleValues
from common.api import IF_MATCH, StrictSerializer, choice_of, fields_of, page_of
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

CAMEL = {"default_zone": "defaultZone"}
STATE = OpenApiParameter("state", str, enum=RuleState.values)


class PeriodShape(StrictSerializer):
    days = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6),
        required=False,
        max_length=7,
        help_text="0 is Monday.",
    )
    dates = serializers.ListField(
        child=serializers.CharField(max_length=10), required=False, max_length=60, help_text="2026-12-24"
    )
    start = serializers.CharField(required=False, allow_blank=True, max_length=5, help_text="21:00")
    end = serializers.CharField(required=False, allow_blank=True, max_length=5)


class RuleWrite(StrictSerializer):
    """Of a cap count `count`, `every` and `unit`; of quiet hours the zones, `handling` and `periods`."""

    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(Rule.Kind.choices)
    channels = serializers.ListField(
        child=serializers.CharField(max_length=20), min_length=1, max_length=len(KINDS)
    )
    count = serializers.IntegerField(required=False, min_value=1)
    every = serializers.IntegerField(required=False, min_value=1, max_value=30)
    unit = serializers.ChoiceField(Rule.Unit.choices, required=False)
    zone = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="Empty: the recipient's own."
    )
    defaultZone = serializers.CharField(
        source="default_zone", required=False, allow_blank=True, max_length=64
    )
    handling = serializers.ChoiceField(Rule.Handling.choices, required=False)
    periods = PeriodShape(many=True, required=False)


class RuleShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Rule.Kind.choices)
    state = serializers.ChoiceField(RuleState.choices)
    channels = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()
    every = serializers.IntegerField()
    unit = serializers.ChoiceField(Rule.Unit.choices)
    zone = serializers.CharField()
    defaultZone = serializers.CharField(source="default_zone")
    handling = serializers.ChoiceField(Rule.Handling.choices)
    periods = PeriodShape(many=True)

    def possible(self, row: Rule) -> list[str]:
        return rulesets.possible(row)


class RuleSetWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)


class RuleSetShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    isGlobal = serializers.BooleanField(source="is_global")
    state = serializers.ChoiceField(RuleState.choices)
    rules = RuleShape(many=True)
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def possible(self, row: RuleSet) -> list[str]:
        return rulesets.possible(row)


class RuleSets(APIView):
    @extend_schema(
        operation_id="rule_sets_list",
        parameters=listing(RuleSetShape, NAMED, STATE, SEARCH),
        responses=page_of(RuleSetShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = rulesets.sets_for(credential, credential.workspace).prefetch_related("rules")
        if state := choice_of(request, "state", RuleState.values):
            rows = rows.filter(state=state)
        return listed(request, searched(request, rows), RuleSetShape, NAMED, rights=rights_of(request))

    @extend_schema(operation_id="rule_sets_create", request=RuleSetWrite, responses={201: RuleSetShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, RuleSetWrite)
        with pointing(CAMEL):
            made = rulesets.create(credential.workspace, **given, actor=credential, now=timezone.now())
        return shown(request, made, RuleSetShape, rights_of(request), status=201)


class OneRuleSet(APIView):
    @extend_schema(
        operation_id="rule_sets_read", parameters=[fields_of(RuleSetShape)], responses=RuleSetShape
    )
    def get(self, request: Request, pk: int) -> Response:
        row = rulesets.set_for(credential_of(request), pk)
        return shown(request, row, RuleSetShape, rights_of(request))

    @extend_schema(
        operation_id="rule_sets_change",
        parameters=[IF_MATCH],
        request=RuleSetWrite,
        responses=RuleSetShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = rulesets.set_for(credential, pk, MANAGE)
        given = body_of(request, RuleSetWrite)
        with unchanged(request, row, RuleSetShape), pointing(CAMEL):
            changed = rulesets.change(row, **given, actor=credential, now=timezone.now())
        return shown(request, changed, RuleSetShape, rights_of(request))

    @extend_schema(operation_id="rule_sets_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Only a draft; else 409."""
        credential = credential_of(request)
        row = rulesets.set_for(credential, pk, MANAGE)
        rulesets.delete(row, actor=credential, now=timezone.now())
        return Response(status=204)


class Rules(APIView):
    @extend_schema(operation_id="rules_create", request=RuleWrite, responses={201: RuleShape})
    def post(self, request: Request, pk: int) -> Response:
        """A draft; it counts once it is active and its set is."""
        credential = credential_of(request)
        row = rulesets.set_for(credential, pk, MANAGE)
        values = _values(request)
        with pointing(CAMEL):
            made = rulesets.add_rule(row, values, actor=credential, now=timezone.now())
        return shown(request, made, RuleShape, rights_of(request), status=201)


class OneRule(APIView):
    @extend_schema(operation_id="rules_read", parameters=[fields_of(RuleShape)], responses=RuleShape)
    def get(self, request: Request, pk: int, rule: int) -> Response:
        row = rulesets.rule_of(rulesets.set_for(credential_of(request), pk), rule)
        return shown(request, row, RuleShape, rights_of(request))

    @extend_schema(operation_id="rules_change", parameters=[IF_MATCH], request=RuleWrite, responses=RuleShape)
    def put(self, request: Request, pk: int, rule: int) -> Response:
        """Counts at once, also for what is being sent."""
        credential = credential_of(request)
        row = rulesets.rule_of(rulesets.set_for(credential, pk, MANAGE), rule)
        values = _values(request)
        with unchanged(request, row, RuleShape, lock=row.rule_set), pointing(CAMEL):
            changed = rulesets.change_rule(row, values, actor=credential, now=timezone.now())
        return shown(request, changed, RuleShape, rights_of(request))

    @extend_schema(operation_id="rules_delete", responses={204: None})
    def delete(self, request: Request, pk: int, rule: int) -> Response:
        credential = credential_of(request)
        row = rulesets.rule_of(rulesets.set_for(credential, pk, MANAGE), rule)
        rulesets.delete_rule(row, actor=credential, now=timezone.now())
        return Response(status=204)


def switch_view(verb: str) -> Any:
    class Switch(APIView):
        @extend_schema(operation_id=f"rule_sets_{verb}", request=None, responses=RuleSetShape)
        def post(self, request: Request, pk: int) -> Response:
            credential = credential_of(request)
            row = rulesets.set_for(credential, pk, MANAGE)
            done = rulesets.switch(row, verb, actor=credential, now=timezone.now())
            return shown(request, done, RuleSetShape, rights_of(request))

    return Switch.as_view()


def switch_rule_view(verb: str) -> Any:
    class Switch(APIView):
        @extend_schema(operation_id=f"rules_{verb}", request=None, responses=RuleShape)
        def post(self, request: Request, pk: int, rule: int) -> Response:
            credential = credential_of(request)
            row = rulesets.rule_of(rulesets.set_for(credential, pk, MANAGE), rule)
            done = rulesets.switch_rule(row, verb, actor=credential, now=timezone.now())
            return shown(request, done, RuleShape, rights_of(request))

    return Switch.as_view()


def _values(request: Request) -> RuleValues:
    given = body_of(request, RuleWrite)
    periods = [dict(one) for one in given.get("periods", [])]
    return RuleValues(**{**given, "channels": tuple(given["channels"]), "periods": periods})
