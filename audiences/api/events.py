"""The REST door of events."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from audiences import access, events
from audiences.api import bodies
from audiences.api.shapes import BulkEvents, BulkEventsAnswer


class Events(APIView):
    @extend_schema(operation_id="events_record", request=BulkEvents, responses=BulkEventsAnswer)
    def post(self, request: Request) -> Response:
        """Up to 5,000 events; each has its own result. Sending the same key and time again is harmless."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        also = ("createProfiles",)
        given = bodies.items_of(request.data, "events", events.MOST_EVENTS, bodies.event, also)
        outcomes = events.record(
            credential.workspace,
            given,
            create_profiles=bodies.flag(request.data, "createProfiles", False),
            actor=credential,
            now=timezone.now(),
        )
        statuses = (events.RECORDED, events.REPEATED, events.REJECTED)
        return Response(bodies.answer("events", outcomes, statuses))
