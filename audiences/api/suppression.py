"""The REST doors of the suppression list: search it, add to it, take off it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from audiences import suppression
from audiences.api import bodies
from audiences.api.shapes import ItemFault
from audiences.models import Suppression
from audiences.reachability import CHANNELS
from audiences.suppression import Added, Entry
from channels.access import MANAGE
from common.api import StrictSerializer, choice_of, fields_of, flag_of, page_of
from common.doors import Acting, listed, listing, shown
from common.errors import Invalid, Problem

ORDERS = {"created": "pk"}  # of a list that may hold millions
MOST_ITEMS = 5000
ADDED, KNOWN, REJECTED = STATUSES = ("added", "known", "rejected")
KEYS = ("channel", "address", "reason")


class SuppressionShape(Acting):
    """`address` is an address, a domain as “@example.com”, or “sha256:…” of an erased one."""

    right = MANAGE
    id = serializers.IntegerField()
    channel = serializers.ChoiceField(list(CHANNELS))
    kind = serializers.ChoiceField(Suppression.Kind.choices)
    address = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()

    def possible(self, row: Suppression) -> list[str]:
        return ["delete"]


class SuppressionWrite(StrictSerializer):
    channel = serializers.ChoiceField(list(CHANNELS))
    address = serializers.CharField(max_length=254)
    reason = serializers.CharField(max_length=60)


class BulkSuppressions(StrictSerializer):
    suppressions = serializers.ListField(child=SuppressionWrite(), min_length=1, max_length=MOST_ITEMS)


class SuppressionResult(StrictSerializer):
    index = serializers.IntegerField()
    status = serializers.ChoiceField(STATUSES)
    errors = ItemFault(many=True)  # type: ignore[assignment]


class BulkSuppressionsAnswer(StrictSerializer):
    added = serializers.IntegerField()
    known = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = SuppressionResult(many=True)


class Suppressions(APIView):
    @extend_schema(
        operation_id="suppressions_list",
        parameters=listing(
            SuppressionShape,
            ORDERS,
            OpenApiParameter("search", str, description="A part of an address."),
            OpenApiParameter("channel", str, enum=list(CHANNELS)),
        ),
        responses=page_of(SuppressionShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        search = request.query_params.get("search", "")[:300]
        rows = suppression.listed_for(credential, credential.workspace, search)
        if channel := choice_of(request, "channel", CHANNELS):
            rows = rows.filter(channel=channel)
        return listed(request, rows, SuppressionShape, ORDERS, rights=rights_of(request))

    @extend_schema(
        operation_id="suppressions_add", request=BulkSuppressions, responses=BulkSuppressionsAnswer
    )
    def post(self, request: Request) -> Response:
        """Up to 5,000 addresses or domains; each item has its own result."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        items = bodies.items_of(request.data, "suppressions", MOST_ITEMS, _entry)
        places = [place for place, one in enumerate(items) if isinstance(one, Entry)]
        entries = [one for one in items if isinstance(one, Entry)]
        done = suppression.add(credential.workspace, entries, actor=credential, now=timezone.now())
        return Response(_answer(items, places, done))


def _entry(given: Any) -> Entry:
    body = bodies.an_object(given, KEYS)
    problems = [
        Problem("not_a_text", _("Give a text."), f"/{name}")
        for name in KEYS
        if not isinstance(body.get(name), str)
    ]
    if problems:
        raise Invalid(problems)
    return Entry(**{name: body[name] for name in KEYS})


def _answer(items: list[Entry | Invalid], places: list[int], done: Added) -> dict[str, Any]:
    faults = {place: one.problems for place, one in enumerate(items) if isinstance(one, Invalid)}
    for reject in done.rejects:
        one = reject.problem
        faults[places[reject.place]] = [Problem(one.code, one.detail, f"/{one.pointer}")]
    new = {places[place] for place in done.new}
    results = [
        {
            "index": place,
            "status": REJECTED if place in faults else ADDED if place in new else KNOWN,
            "errors": [_fault(place, one) for one in faults.get(place, [])],
        }
        for place in range(len(items))
    ]
    counts = {status: sum(one["status"] == status for one in results) for status in STATUSES}
    return {**counts, "results": results}


def _fault(place: int, one: Problem) -> dict[str, str]:
    return {"pointer": f"/suppressions/{place}{one.pointer}", "code": one.code, "detail": str(one.detail)}


class OneSuppression(APIView):
    @extend_schema(
        operation_id="suppressions_read",
        parameters=[fields_of(SuppressionShape)],
        responses=SuppressionShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        entry = suppression.entry_for(credential_of(request), pk)
        return shown(request, entry, SuppressionShape, rights_of(request))

    @extend_schema(
        operation_id="suppressions_remove",
        parameters=[
            OpenApiParameter("sure", bool, description="Needed for a complaint, an unsubscribe, an erasure.")
        ],
        responses={204: None},
    )
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        entry = suppression.entry_for(credential, pk)
        is_sure = flag_of(request, "sure")
        suppression.remove(entry, is_sure=is_sure, actor=credential, now=timezone.now())
        return Response(status=204)
