"""The REST doors of other calendars: holidays and events beside the campaigns. List, add, read, delete."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from campaigns import calendar
from campaigns.access import MANAGE
from campaigns.models import ExternalCalendar
from common.api import StrictSerializer, fields_of
from common.doors import Acting, body_of, pointing, shown, whole

PLACES = {"file": "content"}  # what the verb calls it → what the call does


class CalendarWrite(StrictSerializer):
    name = serializers.CharField(max_length=60)
    content = serializers.CharField(
        max_length=calendar.MOST_BYTES,
        trim_whitespace=False,
        help_text="The text of an iCalendar file, or CSV: name, first day, last day.",
    )


class CalendarEntryShape(StrictSerializer):
    name = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField(help_text="The last day, itself included.")


class CalendarShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    addedAt = serializers.DateTimeField(source="added_at")
    entries = CalendarEntryShape(many=True)

    def possible(self, row: ExternalCalendar) -> list[str]:
        return ["delete"]


class CalendarsShape(StrictSerializer):
    results = CalendarShape(many=True)


class Calendars(APIView):
    @extend_schema(
        operation_id="calendars_list", parameters=[fields_of(CalendarShape)], responses=CalendarsShape
    )
    def get(self, request: Request) -> Response:
        """All of them; there are at most three."""
        credential = credential_of(request)
        rows = calendar.calendars_of(credential, credential.workspace)
        return Response({"results": whole(request, rows, CalendarShape, rights_of(request))})

    @extend_schema(
        operation_id="calendars_add",
        request=CalendarWrite,
        responses={201: CalendarShape},
        examples=[
            OpenApiExample(
                "Holidays",
                value={"name": "Holidays", "content": "New Year,2027-01-01,2027-01-01\n"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, CalendarWrite)
        octets = given["content"].encode(errors="surrogatepass")  # refused as no UTF-8, like a file's
        with pointing(PLACES):
            made = calendar.add(
                credential.workspace,
                name=given["name"],
                content=octets,
                actor=credential,
                now=timezone.now(),
            )
        return shown(request, made, CalendarShape, rights_of(request), status=201)


class OneCalendar(APIView):
    @extend_schema(
        operation_id="calendars_read", parameters=[fields_of(CalendarShape)], responses=CalendarShape
    )
    def get(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = calendar.calendar_for(credential, credential.workspace, pk)
        return shown(request, row, CalendarShape, rights_of(request))

    @extend_schema(operation_id="calendars_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        calendar.remove(credential.workspace, pk, actor=credential, now=timezone.now())
        return Response(status=204)
