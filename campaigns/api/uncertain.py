"""The REST door of what nobody knows to have left: a person's decision over messages of a run."""

from __future__ import annotations

import re

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from campaigns import access
from campaigns.delivery import uncertain
from common.api import StrictSerializer
from common.errors import Invalid, Problem

REPORT = "campaigns.view_report"
KEY = re.compile(r"([0-9]{1,10})\.([0-9]{1,4})\.([0-9]{1,18})")


class UncertainDecision(StrictSerializer):
    decision = serializers.ChoiceField(
        uncertain.Decision.choices,
        help_text="`again` sends once more under the same Message-ID or provider key.",
    )
    why = serializers.CharField(max_length=uncertain.LONGEST_WHY, help_text="How it is known.")
    messages = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        min_length=1,
        max_length=uncertain.MOST,
        help_text="As the run's messages name them; left out: all that are uncertain.",
    )


class UncertainDecided(StrictSerializer):
    decided = serializers.IntegerField(help_text="How many messages.")


class Decide(APIView):
    @extend_schema(
        operation_id="runs_decide_uncertain",
        request=UncertainDecision,
        responses=UncertainDecided,
        examples=[
            OpenApiExample("All lost", value={"decision": "lost", "why": "Not in its log"}, request_only=True)
        ],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A message that is decided already is refused with 409, who decided it and when."""
        credential = credential_of(request)
        run = access.run_for(credential, pk, REPORT)
        require(credential, access.PUBLISH, run.campaign)
        body = UncertainDecision(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        named = given.get("messages")
        count = uncertain.decide(
            run,
            given["decision"],
            messages=None if named is None else [_named(run.pk, *one) for one in enumerate(named)],
            why=given["why"],
            actor=credential,
            now=timezone.now(),
        )
        return Response({"decided": count})


def _named(run: int, place: int, key: str) -> tuple[int, int]:
    found = KEY.fullmatch(key)
    if found is None or int(found[1]) != run:
        detail = _("“%(key)s” is no message of this run.") % {"key": key}
        raise Invalid(Problem("unknown_message", detail, f"/messages/{place}"))
    return int(found[2]), int(found[3])
