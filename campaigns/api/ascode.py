"""The doors of campaigns as code: export, import as a new draft, import over a draft; each dry as well."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from campaigns import access
from campaigns.access import MANAGE
from campaigns.api.campaigns import matched, tag
from campaigns.api.code_import import Imported, take_in
from campaigns.api.code_shapes import CampaignDocument, CampaignImported
from campaigns.ascode import document, yamltext
from common.api import IF_MATCH
from common.doors import hold
from common.errors import Invalid, Problem

MEDIA_TYPE = "application/yaml"  # RFC 9512


class YamlParser(BaseParser):
    media_type = MEDIA_TYPE

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return yamltext.read(stream.read(yamltext.MOST_BYTES + 1))


OPTIONS = [
    OpenApiParameter("dryRun", bool, description="Tell what would differ, and change nothing."),
    OpenApiParameter("updateAudiences", bool, description="Define audiences anew that are there already."),
]
EXAMPLE = OpenApiExample(
    "A draft",
    {
        "carillon": 1,
        "campaign": {
            "name": "Winter layers",
            "type": "scheduled",
            "category": "marketing",
            "audience": "Everybody",
        },
        "messages": [
            {
                "channel": "email",
                "configuration": "Main",
                "contents": [{"content": {"subject": "News", "html": "<p>…</p>"}}],
            }
        ],
        "audiences": [{"name": "Everybody", "kind": "rule", "rule": {"all": []}}],
    },
    request_only=True,
)
REQUEST = {MEDIA_TYPE: CampaignDocument}


class ImportCode(APIView):
    parser_classes = [YamlParser]

    @extend_schema(
        operation_id="campaigns_import",
        parameters=OPTIONS,
        request=REQUEST,
        responses={200: CampaignImported, 201: CampaignImported},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """A new draft. 200 for a dry run."""
        credential = credential_of(request)
        options = _options(request)
        require(credential, MANAGE, credential.workspace)
        made = take_in(request.data, credential.workspace, **options, actor=credential, now=timezone.now())
        is_dry = options["is_dry_run"]
        return Response(_told(made, is_dry, is_new=True), status=200 if is_dry else 201)


class OneCode(APIView):
    parser_classes = [YamlParser]

    @extend_schema(operation_id="campaigns_export", responses={(200, MEDIA_TYPE): OpenApiTypes.OBJECT})
    def get(self, request: Request, pk: int) -> HttpResponse:
        """The campaign and what it refers to, as YAML."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk)
        text = yamltext.write(document.of_campaign(campaign, credential))
        told = tag(request, campaign)
        return HttpResponse(text, content_type=f"{MEDIA_TYPE}; charset=utf-8", headers=told)

    @extend_schema(
        operation_id="campaigns_import_over",
        parameters=[*OPTIONS, IF_MATCH],
        request=REQUEST,
        responses=CampaignImported,
        examples=[EXAMPLE],
    )
    @transaction.atomic
    def put(self, request: Request, pk: int) -> Response:
        """The draft becomes what the document says. 409 where it is no draft."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk, MANAGE)
        hold(campaign)
        options = _options(request)
        given = request.data
        matched(request, campaign)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        made = take_in(given, campaign.workspace, campaign=campaign, **options, **by)
        return Response(_told(made, options["is_dry_run"], is_new=False))


def _options(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, ours in (("dryRun", "is_dry_run"), ("updateAudiences", "updates_audiences")):
        value = request.query_params.get(name, "false")
        if value not in ("true", "false"):
            raise Invalid(Problem("not_a_bool", _("Give true or false."), f"/{name}"))
        found[ours] = value == "true"
    return found


def _told(made: Imported, is_dry_run: bool, *, is_new: bool) -> dict[str, Any]:
    return {
        "id": None if is_dry_run and is_new else made.campaign.pk,
        "isDryRun": is_dry_run,
        "differences": made.differences,
        "audiences": made.audiences,
    }
