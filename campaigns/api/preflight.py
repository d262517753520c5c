"""The REST doors of the pre-flight: begin a look at every message, and read what it found."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from campaigns import access, preflight
from campaigns.access import MANAGE
from campaigns.models import Campaign, Preflight
from common.api import StrictSerializer
from common.errors import NotFound


class PreflightWrite(StrictSerializer):
    links = serializers.BooleanField(default=False, help_text="Ask each link's address, at most 50.")


class PreflightFindingShape(StrictSerializer):
    code = serializers.ChoiceField(choices=list(preflight.LABELS))
    level = serializers.ChoiceField(choices=["error", "warning"])
    action = serializers.IntegerField()
    detail = serializers.CharField(help_text="A field's name, the words of the fault, or a link.")
    people = serializers.IntegerField()


class PreflightPartsShape(StrictSerializer):
    action = serializers.IntegerField()
    parts = serializers.IntegerField()
    people = serializers.IntegerField(help_text="Who get so many parts each.")


class PreflightShape(StrictSerializer):
    state = serializers.ChoiceField(choices=Preflight.State.values)
    fingerprint = serializers.CharField(help_text="SHA-256 of what was looked at.")
    isStale = serializers.SerializerMethodField(help_text="The campaign has changed since.")
    reached = serializers.IntegerField(help_text="Messages that would leave.")
    toCheck = serializers.IntegerField(source="to_check")
    checked = serializers.IntegerField(help_text="Fewer than reached: a sample.")
    findings = PreflightFindingShape(many=True)
    sms = PreflightPartsShape(many=True)
    costs = serializers.SerializerMethodField(help_text="Of its SMS, by currency, where prices are known.")
    spam = serializers.CharField(help_text="“score/limit”, not_installed, no_answer; empty without mail.")
    reason = serializers.CharField()
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)

    def get_costs(self, row: Preflight) -> dict[str, str]:
        return {currency: str(cost) for currency, cost in preflight.costs(row).items()}

    def get_isStale(self, row: Preflight) -> bool:
        return bool(self.context["is_stale"])


class PreflightOfCampaign(APIView):
    @extend_schema(operation_id="preflight_read", responses=PreflightShape)
    def get(self, request: Request, pk: int) -> Response:
        """The last look; 404 before the first."""
        return Response(_shown(access.campaign_for(credential_of(request), pk)))

    @extend_schema(operation_id="preflight_begin", request=PreflightWrite, responses={202: PreflightShape})
    def post(self, request: Request, pk: int) -> Response:
        """Writes every message of the campaign as it stands, in the background; above 5,000 a sample that
        has every language and every set of missing fields.
        """
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk, MANAGE)
        body = PreflightWrite(data=request.data)
        body.is_valid(raise_exception=True)
        preflight.begin(campaign, links=body.validated_data["links"], actor=credential, now=timezone.now())
        return Response(_shown(campaign), status=202)


def _shown(campaign: Campaign) -> dict[str, object]:
    row, is_stale = preflight.last(campaign)
    if row is None:
        raise NotFound(_("No message of this campaign was looked at yet."))
    return dict(PreflightShape(row, context={"is_stale": is_stale}).data)
