"""The REST doors of a campaign's versions: which there are, and two of them side by side."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from campaigns import access, compare
from campaigns import versions as frozen
from campaigns.models import Campaign, Version
from common.api import SparseSerializer, StrictSerializer, page_of
from common.doors import NUMBERED, listed, listing
from common.errors import Invalid, NotFound, Problem
from common.text import whole_number


class CampaignVersionShape(SparseSerializer):
    number = serializers.IntegerField()
    fingerprint = serializers.CharField(help_text="SHA-256; an approval binds to it.")
    frozenAt = serializers.DateTimeField(source="frozen_at")
    frozenBy = serializers.SerializerMethodField()
    isLive = serializers.SerializerMethodField()

    def get_frozenBy(self, row: Version) -> str | None:
        return str(row.frozen_by) if row.frozen_by else None

    def get_isLive(self, row: Version) -> bool:
        return row.campaign.live_version_id == row.pk


class VersionDifferenceShape(StrictSerializer):
    label = serializers.CharField()  # type: ignore[assignment]
    changed = serializers.BooleanField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class VersionComparisonShape(StrictSerializer):
    differences = VersionDifferenceShape(many=True)


class Versions(APIView):
    @extend_schema(
        operation_id="versions_list",
        parameters=listing(CampaignVersionShape, NUMBERED),
        responses=page_of(CampaignVersionShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        campaign = access.campaign_for(credential_of(request), pk)
        rows = campaign.versions.exclude(number=0).select_related("frozen_by", "campaign")
        return listed(request, rows, CampaignVersionShape, NUMBERED, "-number")


class Compare(APIView):
    @extend_schema(
        operation_id="versions_compare",
        parameters=[
            OpenApiParameter("old", int, required=True, description="The number of a version."),
            OpenApiParameter("new", int, description="Of another; without it the draft as it stands."),
        ],
        responses=VersionComparisonShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        """Every field of both; an audience you may not see is told to differ, not how."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk)
        old, new = _version(request, campaign, "old"), _version(request, campaign, "new")
        if old is None:
            raise Invalid(Problem("version_missing", _("Give the number of a version."), "/old"))
        after = new.definition if new else frozen.definition(campaign)
        hides = bool(access.hidden_audiences(credential, [campaign]))
        hidden = access.hidden_configurations(credential)
        found = compare.differences(
            old.definition, after, campaign.workspace, hides_audience=hides, hidden=hidden
        )
        return Response(
            {
                "differences": [
                    {
                        "label": one.label,
                        "changed": one.is_changed,
                        "before": "".join(piece.text for piece in one.before),
                        "after": "".join(piece.text for piece in one.after),
                    }
                    for one in found
                ]
            }
        )


def _version(request: Request, campaign: Campaign, name: str) -> Version | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    number = whole_number(text, 2**31 - 1)
    if number is None:
        raise Invalid(Problem("bad_version", _("Give the number of a version."), f"/{name}"))
    found = campaign.versions.exclude(number=0).filter(number=number).first()
    if found is None:
        raise NotFound(_("There is no such version."))
    return found
