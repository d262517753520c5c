"""The REST doors of runs: how far each is, what it waits for, and its messages by what became of them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from campaigns import access, variants
from campaigns.api.campaign_shapes import ReasonShape
from campaigns.delivery import winners
from campaigns.models import Outcome, Run
from campaigns.reports import drill, progress, trials, waiting
from common.api import (
    PAGING,
    CursorPages,
    SparseSerializer,
    StrictSerializer,
    choice_of,
    chosen_fields,
    fields_of,
    only,
    page_of,
)
from common.doors import NEWEST, listed, listing
from common.errors import Invalid, Problem

ORDERS = {**NEWEST, "due": "due_at"}
FILTERS = [OpenApiParameter("state", str, enum=Run.State.values)]
REPORT = "campaigns.view_report"
STATES = [value for value in Outcome.values if value != Outcome.DEFERRED] + ["to_go"]


class RunShape(SparseSerializer):
    id = serializers.IntegerField()
    campaign = serializers.IntegerField(source="campaign_id")
    kind = serializers.ChoiceField(Run.Kind.choices)
    state = serializers.ChoiceField(Run.State.choices)
    version = serializers.IntegerField(source="version.number")
    dueAt = serializers.DateTimeField(source="due_at")
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)
    targeted = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)


class CountsShape(StrictSerializer):
    targeted = serializers.IntegerField()
    toGo = serializers.IntegerField()
    accepted = serializers.IntegerField()
    failed = serializers.IntegerField()
    excluded = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()
    uncertain = serializers.IntegerField()


class WaveShape(StrictSerializer):
    number = serializers.IntegerField()
    size = serializers.IntegerField()
    settled = serializers.IntegerField()
    startsAt = serializers.DateTimeField()
    endedAt = serializers.DateTimeField(allow_null=True)


class WinnerShape(StrictSerializer):
    treatment = serializers.CharField(help_text="A for the first.")
    how = serializers.ChoiceField([*trials.DECISIONS])
    sentence = serializers.CharField()
    at = serializers.DateTimeField()


class TreatmentShape(StrictSerializer):
    treatment = serializers.CharField(help_text="A for the first.")
    title = serializers.CharField(allow_blank=True)
    percent = serializers.FloatField(help_text="Its part of the people now.")


class RunExperimentShape(StrictSerializer):
    """How people are placed; what they then did is in the report."""

    mode = serializers.ChoiceField(["ab", "winner", "bandit"])
    treatments = TreatmentShape(many=True)
    holdout = serializers.FloatField(help_text="Percent who get nothing.")
    weighedAt = serializers.DateTimeField(
        allow_null=True, help_text="When the parts last followed the results; null: they stand as planned."
    )
    waiting = serializers.IntegerField(help_text="Messages that wait for the winner.")
    decidesAt = serializers.DateTimeField(allow_null=True, help_text="When the winner is looked for.")


class WinnerChoice(StrictSerializer):
    treatment = serializers.CharField(max_length=1, help_text="A for the first.")


class ProgressShape(RunShape):
    experiment = RunExperimentShape(allow_null=True)
    winner = WinnerShape(allow_null=True, help_text="Of its experiment, once it is decided for the rest.")
    counts = CountsShape()
    waves = WaveShape(many=True)
    failed = ReasonShape(many=True)
    excluded = ReasonShape(many=True)
    rate = serializers.FloatField(allow_null=True, help_text="Messages a second over the last minute.")
    endsAt = serializers.DateTimeField(allow_null=True, help_text="At that rate.")
    waitingFor = serializers.CharField(allow_blank=True)


class RunMessageShape(StrictSerializer):
    messageId = serializers.CharField(help_text="Its whole story: /ajo/im/messages/{messageId}.")
    address = serializers.CharField(allow_blank=True)
    outcome = serializers.CharField(allow_null=True, help_text="Of its last attempt; null: none yet.")
    code = serializers.CharField(allow_null=True, allow_blank=True)
    at = serializers.DateTimeField(allow_null=True)


class Runs(APIView):
    @extend_schema(
        operation_id="runs_list", parameters=listing(RunShape, ORDERS, *FILTERS), responses=page_of(RunShape)
    )
    def get(self, request: Request, pk: int) -> Response:
        campaign = access.campaign_for(credential_of(request), pk)
        rows = campaign.runs.exclude(kind=Run.Kind.PROOF).select_related("version")
        if state := choice_of(request, "state", Run.State.values):
            rows = rows.filter(state=state)
        return listed(request, rows, RunShape, ORDERS)


class OneRun(APIView):
    @extend_schema(operation_id="runs_read", parameters=[fields_of(ProgressShape)], responses=ProgressShape)
    def get(self, request: Request, pk: int) -> Response:
        """Its campaign's verbs pause, resume and stop it."""
        wanted = chosen_fields(request, ProgressShape)
        run = access.run_for(credential_of(request), pk, REPORT)
        return Response(only(_progress(run), wanted))


class Winner(APIView):
    @extend_schema(operation_id="runs_choose_winner", request=WinnerChoice, responses=ProgressShape)
    def post(self, request: Request, pk: int) -> Response:
        """Decides which treatment those get who wait for an experiment's winner, before its time too.

        409 when it is decided, or nobody waits.
        """
        run = access.run_for(credential_of(request), pk, winners.PUBLISH)
        body = WinnerChoice(data=request.data)
        body.is_valid(raise_exception=True)
        treatment = str(body.validated_data["treatment"])
        winners.choose(run.pk, treatment, actor=credential_of(request), now=timezone.now())
        return Response(_progress(access.run_for(credential_of(request), pk)))


def _progress(run: Run) -> dict[str, Any]:
    now = timezone.now()
    far = progress.of(run, now=now)
    book = {name: getattr(far.book, name) for name in ("targeted", *STATES)}
    return {
        **RunShape(run).data,
        "experiment": _experiment(run),
        "winner": _winner(run),
        "counts": {("toGo" if name == "to_go" else name): value for name, value in book.items()},
        "waves": [
            {
                "number": one.number,
                "size": one.size,
                "settled": one.settled,
                "startsAt": one.starts_at,
                "endedAt": one.ended_at,
            }
            for one in far.waves
        ],
        "failed": _reasons(far.failed),
        "excluded": _reasons(far.excluded),
        "rate": far.rate,
        "endsAt": far.ends_at,
        "waitingFor": waiting.waiting_for(run, now=now),
    }


def _experiment(run: Run) -> dict[str, Any] | None:
    experiment = variants.weighted(run.version.definition, run.weights).get("experiment")
    if not experiment:
        return None
    standing = winners.standing(run)
    parts = [
        {"treatment": one["key"], "title": one.get("title") or "", "percent": one["percent"]}
        for one in experiment.get("treatments", [])
    ]
    return {
        "mode": experiment.get("mode") or "ab",
        "treatments": parts,
        "holdout": experiment.get("holdout") or 0,
        "weighedAt": run.weights["at"] if run.weights else None,
        "waiting": standing.waiting if standing else 0,
        "decidesAt": standing.due_at if standing else None,
    }


def _winner(run: Run) -> dict[str, Any] | None:
    told = run.decision
    if not told:
        return None
    name, sentence = told["treatment"] or "A", trials.words(told, run.version)
    return {"treatment": name, "how": told["how"], "sentence": sentence, "at": told["at"]}


class MessagePages(CursorPages):
    """By the number of the message within its run; one person's messages stand together."""

    ordering = ("ref", "action")  # type: ignore[assignment]


class RunMessages(APIView):
    @extend_schema(
        operation_id="runs_messages",
        parameters=[OpenApiParameter("outcome", str, enum=STATES), *PAGING],
        responses=page_of(RunMessageShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        run = access.run_for(credential_of(request), pk, REPORT)
        outcome = request.query_params.get("outcome", "")
        if outcome and outcome not in STATES:
            detail = _("Give one of: %(known)s.") % {"known": ", ".join(STATES)}
            raise Invalid(Problem("unknown_outcome", detail, "/outcome"))
        pages = MessagePages()
        found: Any = pages.paginate_queryset(
            drill.messages([run], drill.Asked(outcome=outcome), now=timezone.now()), request, view=self
        )
        rows = [
            {
                "messageId": f"{one.run_id}.{one.action}.{one.ref}",
                "address": one.address,
                "outcome": one.outcome,
                "code": one.code,
                "at": one.at,
            }
            for one in found
        ]
        return pages.get_paginated_response(rows)


def _reasons(found: progress.Reasons) -> list[dict[str, Any]]:
    return [{"code": code, "reason": label, "people": people} for code, label, people in found]
