"""The REST doors of what a campaign says: its messages in order, each with a content per language and
treatment. Every change is one of the draft, so each names the campaign's state (`If-Match`).
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from campaigns import access, actions
from campaigns.access import MANAGE
from campaigns.api.campaign_shapes import AnObject, number
from campaigns.api.campaigns import matched, tag
from campaigns.contents import content_of
from campaigns.models import Action, Campaign
from channels import access as carriers
from channels.contents import SHAPES, extra_problems
from channels.rendering import CONTROLS
from common.api import IF_MATCH, StrictSerializer
from common.doors import hold
from common.errors import Invalid, NotFound, Problem
from common.text import is_storable

LONGEST, LINE = 500_000, 2000
OF_EMAIL = ("mjml", "links")
WHICH = [
    OpenApiParameter("treatment", str, description="Empty: the first one."),
    OpenApiParameter("language", str, description="Empty: the first one."),
]


class ContentShape(StrictSerializer):
    treatment = serializers.CharField(allow_blank=True)
    language = serializers.CharField(allow_blank=True)
    content = AnObject()


class ActionContentsShape(StrictSerializer):
    position = serializers.IntegerField()
    channel = serializers.CharField()
    configuration = serializers.IntegerField(allow_null=True)
    contents = ContentShape(many=True)


class ActionsShape(StrictSerializer):
    results = ActionContentsShape(many=True)


class NewAction(StrictSerializer):
    channel = serializers.ChoiceField([*SHAPES])


class ActionChange(StrictSerializer):
    configuration = number(allow_null=True)


class Contents(APIView):
    @extend_schema(operation_id="contents_list", responses=ActionsShape)
    def get(self, request: Request, pk: int) -> Response:
        """With the campaign's ETag, which a change of them names."""
        campaign = access.campaign_for(credential_of(request), pk)
        return Response({"results": _shown(campaign)}, headers=tag(request, campaign))

    @extend_schema(
        operation_id="contents_add", parameters=[IF_MATCH], request=NewAction, responses={201: ActionsShape}
    )
    @transaction.atomic
    def post(self, request: Request, pk: int) -> Response:
        """One more message, behind the others."""
        campaign, told = _draft(request, pk)
        body = NewAction(data=request.data)
        body.is_valid(raise_exception=True)
        matched(request, campaign)
        actions.add(campaign, body.validated_data["channel"], **told)
        return Response({"results": _shown(campaign)}, status=201)


class OneAction(APIView):
    @extend_schema(
        operation_id="contents_configure",
        parameters=[IF_MATCH],
        request=ActionChange,
        responses=ActionsShape,
    )
    @transaction.atomic
    def patch(self, request: Request, pk: int, position: int) -> Response:
        """The channel configuration it leaves by; left out, it stays."""
        campaign, told = _draft(request, pk)
        body = ActionChange(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        matched(request, campaign)
        if "configuration" not in body.validated_data:
            actions.at(campaign, position)
            return Response({"results": _shown(campaign)})
        chosen = _configuration(request, campaign, body.validated_data["configuration"])
        try:
            actions.configure(campaign, {position: chosen}, **told)
        except Invalid as error:
            raise Invalid(
                Problem(one.code, one.detail, "/configuration") for one in error.problems
            ) from error
        return Response({"results": _shown(campaign)})

    @extend_schema(operation_id="contents_remove", parameters=[IF_MATCH], responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, pk: int, position: int) -> Response:
        """The last one stays: 400."""
        campaign, told = _draft(request, pk)
        matched(request, campaign)
        actions.remove(campaign, position, **told)
        return Response(status=204)


class MoveUp(APIView):
    @extend_schema(
        operation_id="contents_move_up", parameters=[IF_MATCH], request=None, responses=ActionsShape
    )
    @transaction.atomic
    def post(self, request: Request, pk: int, position: int) -> Response:
        """It changes places with the message before it, which is tried after it then; the first one stays."""
        campaign, told = _draft(request, pk)
        matched(request, campaign)
        actions.move_up(campaign, position, **told)
        return Response({"results": _shown(campaign)})


class OneContent(APIView):
    @extend_schema(operation_id="contents_read", parameters=WHICH, responses=ContentShape)
    def get(self, request: Request, pk: int, position: int) -> Response:
        campaign = access.campaign_for(credential_of(request), pk)
        treatment, language = _which(request)
        action = actions.at(campaign, position)
        actions.is_offered(campaign, treatment, language)
        return Response(_content(action, treatment, language), headers=tag(request, campaign))

    @extend_schema(
        operation_id="contents_write",
        parameters=[*WHICH, IF_MATCH],
        request={"application/json": OpenApiTypes.OBJECT},
        responses=ContentShape,
    )
    @transaction.atomic
    def patch(self, request: Request, pk: int, position: int) -> Response:
        """The parts of the channel's message; what is left out stays. `html` follows `mjml`."""
        campaign, told = _draft(request, pk)
        treatment, language = _which(request)
        action = actions.at(campaign, position)
        actions.is_offered(campaign, treatment, language)
        written = parts_of(request.data, action.channel)
        matched(request, campaign)
        actions.write(campaign, position, written, treatment=treatment, language=language, **told)
        return Response(_content(actions.at(campaign, position), treatment, language))


def _draft(request: Request, pk: int) -> tuple[Campaign, dict[str, Any]]:
    credential = credential_of(request)
    campaign = access.campaign_for(credential, pk, MANAGE)
    hold(campaign)
    return campaign, {"revision": campaign.revision, "actor": credential, "now": timezone.now()}


def _which(request: Request) -> tuple[str, str]:
    query = request.query_params
    return query.get("treatment", "")[:10], query.get("language", "")[:35]


def _configuration(request: Request, campaign: Campaign, pk: int | None) -> Any:
    if pk is None:
        return None
    try:
        found = carriers.configuration_for(credential_of(request), pk)
    except NotFound:
        found = None
    if found is None or found.workspace_id != campaign.workspace_id:
        detail = _("There is no such thing here, or you may not see it.")
        raise Invalid(Problem("unknown", detail, "/configuration"))
    return found


def parts_of(given: Any, channel: str) -> dict[str, Any]:
    """What `actions.write` takes, every part of the channel's own table and of its form. Raises Invalid."""
    if not isinstance(given, dict):
        raise Invalid(Problem("not_an_object", _("Give a JSON object."), ""))
    shape = SHAPES[channel]
    forms = {part.name: part.form for part in shape.parts}
    known = {*forms, *(["extra"] if shape.extra else []), *(OF_EMAIL if channel == "email" else [])}
    problems = []
    for name, value in given.items():
        fault = _fault(name, value, forms.get(name, "text"), known)
        if fault:
            problems.append(Problem(*fault, "/" + name[:60]))
    if problems:
        raise Invalid(problems)
    written = {name: value for name, value in given.items() if name != "mjml" or channel == "email"}
    if problems := list(extra_problems(content_of(written), channel)):
        raise Invalid(problems)
    return written


def _fault(name: str, value: Any, form: str, known: set[str]) -> tuple[str, str] | None:
    if name not in known:
        shown = ", ".join(sorted(known))
        return "unknown_field", _("There is no such field; the fields are: %(known)s.") % {"known": shown}
    if not is_storable(value):
        return "not_storable", _("It holds a character or number that cannot be stored.")
    if name == "extra":
        return None if isinstance(value, dict) else ("not_an_object", _("Give a JSON object."))
    if name == "links":
        return None if _are_links(value) else ("bad_links", _("Give {address: {label, is_untracked}}."))
    if not isinstance(value, str) or len(value) > (LINE if form in ("line", "url") else LONGEST):
        most = {"most": LINE if form in ("line", "url") else LONGEST}
        return "not_a_text", _("Give a text of up to %(most)s characters.") % most
    if form in ("line", "url") and CONTROLS.search(value):
        return "control_character", _("A line break or control character cannot stand here.")
    return None


def _are_links(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(said, dict)
        and set(said) <= {"label", "is_untracked"}
        and isinstance(said.get("label", ""), str)
        and isinstance(said.get("is_untracked", False), bool)
        for said in value.values()
    )


def _shown(campaign: Campaign) -> list[dict[str, Any]]:
    return [
        {
            "position": action.position,
            "channel": action.channel,
            "configuration": action.configuration_id,
            "contents": [
                {"treatment": "", "language": "", "content": action.content},
                *({key: one[key] for key in ("treatment", "language", "content")} for one in action.variants),
            ],
        }
        for action in Action.objects.filter(campaign=campaign).order_by("position")
    ]


def _content(action: Action, treatment: str, language: str) -> dict[str, Any]:
    kept = actions.kept_of(action, treatment, language)
    return {"treatment": treatment, "language": language, "content": kept}
