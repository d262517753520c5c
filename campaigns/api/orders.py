"""The REST doors of reports by mail: those of a campaign, one more, one changed, sent, and one less."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of, rights_of
from campaigns.access import campaign_for
from campaigns.models import Campaign, ReportOrder
from campaigns.reports import orders as ordering
from common.api import IF_MATCH, EmailOfSomebody, StrictSerializer, fields_of
from common.doors import Acting, body_of, pointing, shown, unchanged, whole
from common.errors import NotFound

PLACES = {"begins_at": "beginsAt"}
WEEKLY = OpenApiExample(
    "Every week",
    value={
        "every": "week",
        "form": "pdf",
        "people": ["mina@example.com"],
        "beginsAt": "2027-01-04T08:00:00Z",
    },
    request_only=True,
)


class ReportOrderWrite(StrictSerializer):
    every = serializers.ChoiceField(ReportOrder.Every.choices)
    form = serializers.ChoiceField(ReportOrder.Form.choices)
    people = serializers.ListField(
        child=EmailOfSomebody(),
        min_length=1,
        max_length=ordering.MOST_PEOPLE,
        help_text="People of the workspace who may see the report.",
    )
    beginsAt = serializers.DateTimeField(
        source="begins_at", help_text="The first time; months count from it."
    )


class ReportOrderShape(Acting):
    right = ordering.MANAGE
    moving = frozenset({"nextAt"})
    id = serializers.IntegerField()
    every = serializers.ChoiceField(ReportOrder.Every.choices)
    form = serializers.ChoiceField(ReportOrder.Form.choices)
    people = serializers.SerializerMethodField()
    beginsAt = serializers.DateTimeField(source="begins_at")
    nextAt = serializers.DateTimeField(source="next_at")
    createdAt = serializers.DateTimeField(source="created_at")

    def get_people(self, row: ReportOrder) -> list[str]:
        return sorted(one.email for one in row.people.all())

    def possible(self, row: ReportOrder) -> list[str]:
        return ["change", "send_now", "delete"]


class ReportOrdersShape(StrictSerializer):
    results = ReportOrderShape(many=True)


class ReportOrders(APIView):
    @extend_schema(
        operation_id="report_orders_list",
        parameters=[fields_of(ReportOrderShape)],
        responses=ReportOrdersShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        """All of the campaign's; there are at most ten."""
        rows = _orders_of(campaign_for(credential_of(request), pk, ordering.VIEW))
        return Response({"results": whole(request, rows, ReportOrderShape, rights_of(request))})

    @extend_schema(
        operation_id="report_orders_order",
        request=ReportOrderWrite,
        responses={201: ReportOrderShape},
        examples=[WEEKLY],
    )
    def post(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        campaign = campaign_for(credential, pk, ordering.MANAGE)
        with pointing(PLACES):
            given = _given(request, campaign)
            made = ordering.order(campaign, **given, actor=credential, now=timezone.now())
        return shown(request, made, ReportOrderShape, rights_of(request), status=201)


class OneReportOrder(APIView):
    @extend_schema(
        operation_id="report_orders_read",
        parameters=[fields_of(ReportOrderShape)],
        responses=ReportOrderShape,
    )
    def get(self, request: Request, pk: int, order: int) -> Response:
        row = _order(campaign_for(credential_of(request), pk, ordering.VIEW), order)
        return shown(request, row, ReportOrderShape, rights_of(request))

    @extend_schema(
        operation_id="report_orders_change",
        parameters=[IF_MATCH],
        request=ReportOrderWrite,
        responses=ReportOrderShape,
        examples=[WEEKLY],
    )
    def put(self, request: Request, pk: int, order: int) -> Response:
        """The whole order. A beginning that has passed may stay as it is; later times are counted from it."""
        credential = credential_of(request)
        campaign = campaign_for(credential, pk, ordering.MANAGE)
        row = _order(campaign, order)
        with unchanged(request, row, ReportOrderShape), pointing(PLACES):
            given = _given(request, campaign)
            ordering.change(row, **given, actor=credential, now=timezone.now())
        return shown(request, _order(campaign, order), ReportOrderShape, rights_of(request))

    @extend_schema(operation_id="report_orders_cancel", responses={204: None})
    def delete(self, request: Request, pk: int, order: int) -> Response:
        credential = credential_of(request)
        row = _order(campaign_for(credential, pk, ordering.MANAGE), order)
        ordering.cancel(row, actor=credential, now=timezone.now())
        return Response(status=204)


class SendReport(APIView):
    @extend_schema(operation_id="report_orders_send_now", request=None, responses=ReportOrderShape)
    def post(self, request: Request, pk: int, order: int) -> Response:
        """Once more than at its times, to its people, within a minute. Its times stay as they are."""
        credential = credential_of(request)
        row = _order(campaign_for(credential, pk, ordering.MANAGE), order)
        ordering.send_now(row, actor=credential, now=timezone.now())
        return shown(request, row, ReportOrderShape, rights_of(request))


def _given(request: Request, campaign: Campaign) -> dict[str, Any]:
    given = body_of(request, ReportOrderWrite)
    return {**given, "people": ordering.people_of(campaign, given["people"])}


def _orders_of(campaign: Campaign) -> QuerySet[ReportOrder]:
    return ReportOrder.objects.filter(campaign=campaign).prefetch_related("people")


def _order(campaign: Campaign, pk: int) -> ReportOrder:
    row = _orders_of(campaign).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("Somebody has removed it already."))
    return row
