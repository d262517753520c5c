"""The REST doors of feedback webhooks: list, make, read, change, delete, their log, and their verbs."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import MANAGE_WORKSPACE, require
from accounts.doors.callers import credential_of, rights_of
from campaigns.feedback import endpoints
from campaigns.models import FeedbackDelivery, FeedbackEndpoint, FeedbackKind
from common.api import IF_MATCH, SparseSerializer, StrictSerializer, choice_of, fields_of, page_of
from common.doors import NAMED, SEARCH, Acting, body_of, listed, listing, searched, shown, unchanged
from common.errors import Invalid, NotFound, Problem

HAPPENED = {"created": "pk"}
DELIVERED_BY: dict[str, list[str]] = {
    "state": FeedbackDelivery.State.values,
    "kind": [*FeedbackKind.values, endpoints.TEST],
}
VERBS = ("switch_on", "switch_off", "rotate", "test", "replay")


class FeedbackWebhookWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    url = serializers.CharField(max_length=2000, help_text="An https address on the open internet.")
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=FeedbackKind.choices), min_length=1, max_length=50
    )
    onlyTriggered = serializers.BooleanField(
        source="only_triggered",
        required=False,
        default=True,
        help_text="Only of API-triggered campaigns; else of every campaign that carries no access label.",
    )


class FeedbackWebhookShape(Acting):
    right = MANAGE_WORKSPACE
    moving = frozenset({"isOn", "offReason", "failingSince", "olderSecretUntil"})
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    onlyTriggered = serializers.BooleanField(source="only_triggered")
    isOn = serializers.BooleanField(source="is_on")
    offReason = serializers.CharField(
        source="off_reason", help_text="Empty while it is on; by_hand, failing (for five days) or gone (410)."
    )
    failingSince = serializers.DateTimeField(source="failing_since", allow_null=True)
    olderSecretUntil = serializers.DateTimeField(
        source="older_until", allow_null=True, help_text="Until then the older secret signs too."
    )
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def possible(self, row: FeedbackEndpoint) -> list[str]:
        while_on = ["test", "switch_off"] if row.is_on else ["switch_on"]
        return ["change", *while_on, "rotate", "replay", "delete"]


class FeedbackWebhookMade(FeedbackWebhookShape):
    secret = serializers.CharField(
        required=False, help_text="Where it was made by this call: it is shown this once."
    )
    sentAgain = serializers.IntegerField(required=False, help_text="Of a replay: how many deliveries.")


class FeedbackTry(StrictSerializer):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(help_text="Empty for a success.")
    ms = serializers.IntegerField()


class FeedbackDeliveryShape(SparseSerializer):
    id = serializers.IntegerField()
    eventId = serializers.CharField(source="event_id", help_text="The `webhook-id` of every try.")
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=FeedbackDelivery.State.choices)
    happenedAt = serializers.DateTimeField(source="happened_at")
    nextAt = serializers.SerializerMethodField()
    tries = FeedbackTry(many=True, source="log", help_text="The last 20.")
    body = serializers.DictField()

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_nextAt(self, row: FeedbackDelivery) -> Any:
        return row.next_at if row.state == FeedbackDelivery.State.DUE else None


class FeedbackAct(StrictSerializer):
    """Only a replay takes anything: `deliveries`, or all given up ones since a moment."""

    deliveries = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        min_length=1,
        max_length=1000,
    )
    since = serializers.DateTimeField(required=False)


class Endpoints(APIView):
    @extend_schema(
        operation_id="feedback_webhooks_list",
        parameters=listing(FeedbackWebhookShape, NAMED, SEARCH),
        responses=page_of(FeedbackWebhookShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, endpoints.list_for(credential, credential.workspace))
        return listed(request, rows, FeedbackWebhookShape, NAMED, rights=rights_of(request))

    @extend_schema(
        operation_id="feedback_webhooks_create",
        request=FeedbackWebhookWrite,
        responses={201: FeedbackWebhookMade},
        examples=[
            OpenApiExample(
                "Outcomes of triggered messages",
                value={
                    "name": "Web shop",
                    "url": "https://shop.example/carillon",
                    "kinds": ["message.delivered", "message.failed", "message.bounced"],
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Each event is a POST of `{"type", "timestamp", "data"}`, signed as standardwebhooks.com describes.

        At least once: `webhook-id` is the same for every try. Anything but 2xx is tried again for three days.
        """
        credential = credential_of(request)
        require(credential, MANAGE_WORKSPACE, credential.workspace)
        row, secret = endpoints.create(
            credential.workspace, **_values(request), actor=credential, now=timezone.now()
        )
        return _answer(request, row, status=201, secret=secret)


class OneEndpoint(APIView):
    @extend_schema(
        operation_id="feedback_webhooks_read",
        parameters=[fields_of(FeedbackWebhookShape)],
        responses=FeedbackWebhookShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        return _answer(request, endpoints.endpoint_for(credential_of(request), pk))

    @extend_schema(
        operation_id="feedback_webhooks_change",
        parameters=[IF_MATCH],
        request=FeedbackWebhookWrite,
        responses=FeedbackWebhookShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = endpoints.endpoint_for(credential, pk)
        given = _values(request)
        with unchanged(request, row, FeedbackWebhookShape):
            changed = endpoints.change(row, **given, actor=credential, now=timezone.now())
        return _answer(request, changed)

    @extend_schema(operation_id="feedback_webhooks_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        endpoints.delete(endpoints.endpoint_for(credential, pk), actor=credential, now=timezone.now())
        return Response(status=204)


class Deliveries(APIView):
    @extend_schema(
        operation_id="feedback_webhooks_deliveries",
        parameters=listing(
            FeedbackDeliveryShape,
            HAPPENED,
            *(OpenApiParameter(name, str, enum=values) for name, values in DELIVERED_BY.items()),
        ),
        responses=page_of(FeedbackDeliveryShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Delivered ones stay seven days, given up ones thirty."""
        rows = endpoints.endpoint_for(credential_of(request), pk).deliveries.all()
        for name, values in DELIVERED_BY.items():
            if asked := choice_of(request, name, values):
                rows = rows.filter(**{name: asked})
        return listed(request, rows, FeedbackDeliveryShape, HAPPENED)


class Act(APIView):
    @extend_schema(
        operation_id="feedback_webhooks_act",
        parameters=[OpenApiParameter("verb", str, OpenApiParameter.PATH, enum=VERBS)],
        request=FeedbackAct,
        responses=FeedbackWebhookMade,
    )
    def post(self, request: Request, pk: int, verb: str) -> Response:
        """`rotate` answers with the new secret; the older one signs too for seven days."""
        credential = credential_of(request)
        row = endpoints.endpoint_for(credential, pk)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        given = body_of(request, FeedbackAct)
        if given and verb != "replay":
            name = next(iter(given))
            detail = _("Only a replay takes this.")
            raise Invalid(Problem("only_for_replay", detail, f"/{name}"))
        more: dict[str, Any] = {}
        if verb in ("switch_on", "switch_off"):
            endpoints.switch(row, on=verb == "switch_on", **by)
        elif verb == "rotate":
            more["secret"] = endpoints.rotate(row, **by)
        elif verb == "test":
            endpoints.test(row, **by)
        elif verb == "replay":
            more["sentAgain"] = endpoints.send_again(row, **given, **by)
        else:
            raise NotFound(
                _("There is no such action; the actions are: %(known)s.") % {"known": ", ".join(VERBS)}
            )
        row.refresh_from_db()
        return _answer(request, row, **more)


def _answer(request: Request, row: FeedbackEndpoint, **more: Any) -> Response:
    return shown(request, row, FeedbackWebhookShape, rights_of(request), **more)


def _values(request: Request) -> dict[str, Any]:
    return body_of(request, FeedbackWebhookWrite)
