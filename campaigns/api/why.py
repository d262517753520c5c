"""The REST door of “why did (or didn't) this person get it?”: the answers of the page, from the same rows."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from accounts.models import ApiCredential
from audiences import identities
from audiences.access import profile_for, profiles_for
from audiences.explain import Explained
from audiences.models import Profile
from campaigns import access
from campaigns.models import Outcome, Run
from campaigns.reports import why
from common.api import PAGING, CursorPages, StrictSerializer, page_of
from common.errors import Invalid, NotFound, Problem
from common.text import whole_number

SHOW = ("considered", "all")
OUTCOMES = [*Outcome.values, why.TO_GO]


class WhyMessageShape(StrictSerializer):
    messageId = serializers.CharField(help_text="Its whole story: /ajo/im/messages/{messageId}.")
    channel = serializers.CharField()
    address = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(OUTCOMES, help_text="Of its last attempt; to_go: not settled yet.")
    code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True, help_text="The code in words.")
    detail = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField(allow_null=True)
    happened = serializers.ListField(child=serializers.CharField(), help_text="Afterwards, in words.")


class WouldShape(StrictSerializer):
    channel = serializers.CharField()
    reason = serializers.CharField(allow_blank=True, help_text="Empty: it would be sent.")


@extend_schema_serializer(component_name="WhyCondition")
class WhyConditionShape(StrictSerializer):
    """One condition or group. `children` are the parts a group is made of, in the same shape."""

    sentence = serializers.CharField()
    met = serializers.BooleanField()
    children = serializers.SerializerMethodField()

    @extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/WhyCondition"}})
    def get_children(self, part: Explained) -> list[dict[str, Any]]:
        return [dict(WhyConditionShape(child).data) for child in part.children]


class AskedAnewShape(StrictSerializer):
    """The rule of that run put to the person as they are known today; it may have been otherwise then."""

    isMember = serializers.BooleanField(allow_null=True)
    conditions = WhyConditionShape(allow_null=True)
    would = WouldShape(many=True, help_text="What a run begun now would write.")
    fault = serializers.CharField(allow_blank=True, help_text="Why it cannot be told.")


class WhyRunShape(StrictSerializer):
    profile = serializers.IntegerField()
    run = serializers.IntegerField()
    campaign = serializers.IntegerField()
    name = serializers.CharField()
    dueAt = serializers.DateTimeField()
    messages = WhyMessageShape(many=True)
    sentence = serializers.CharField(allow_blank=True, help_text="Why there is no message.")
    askedAnew = AskedAnewShape(allow_null=True, help_text="Where one run was asked for.")


class Why(APIView):
    @extend_schema(
        operation_id="reports_why",
        parameters=[
            OpenApiParameter("profile", int, description="The person's id; or else:"),
            OpenApiParameter("address", str, description="An address, number or id in any namespace."),
            OpenApiParameter("run", int, description="Only of this run, and its rule asked anew."),
            OpenApiParameter(
                "show", str, enum=SHOW, description="considered (unless told): runs that wrote them down."
            ),
            *PAGING,
        ],
        responses=page_of(WhyRunShape),
    )
    def get(self, request: Request) -> Response:
        """Every run of campaigns you may see, and what it did for one person. Needs the right to manage
        people beside that to view reports."""
        caller = credential_of(request)
        require(caller, why.REPORT, caller.workspace)
        show = request.query_params.get("show", "considered")
        if show not in SHOW:
            detail = _("Give one of: %(known)s.") % {"known": ", ".join(SHOW)}
            raise Invalid(Problem("unknown_show", detail, "/show"))
        person, run = _person(request, caller), _run(request, caller)
        rows = why.runs_of(caller, person, is_considered=show == "considered" and run is None)
        pages = CursorPages()
        found: Any = pages.paginate_queryset(rows.filter(pk=run.pk) if run else rows, request, view=self)
        told = [_row(one, person) for one in why.tell(found, person)]
        for row in told if run else []:
            row["askedAnew"] = _anew(run, person, caller)
        return pages.get_paginated_response(told)


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    number = whole_number(text)
    if number is None:
        raise Invalid(Problem(f"bad_{name}", _("Give a number."), f"/{name}"))
    return number


def _person(request: Request, caller: ApiCredential) -> Profile:
    number, address = _number(request, "profile"), request.query_params.get("address", "").strip()
    if (number is None) == (not address):
        raise Invalid(Problem("no_person", _("Give either a profile or an address."), "/profile"))
    profiles_for(caller, caller.workspace)
    if number is not None:
        person: Profile | None = profile_for(caller, number)
    else:
        person = identities.named(caller.workspace, address.replace("\0", "")[:500])
    if person is None:
        raise NotFound(_("Nobody in the workspace has this address or number."))
    return person


def _run(request: Request, caller: ApiCredential) -> Run | None:
    number = _number(request, "run")
    return access.run_for(caller, number, why.REPORT) if number is not None else None


def _row(one: why.OfRun, person: Profile) -> dict[str, Any]:
    return {
        "profile": person.pk,
        "run": one.run.pk,
        "campaign": one.run.campaign_id,
        "name": one.run.campaign.name,
        "dueAt": one.run.due_at,
        "messages": [
            {
                "messageId": told.key,
                "channel": told.channel,
                "address": told.message.address,
                "outcome": told.outcome,
                "code": told.code,
                "reason": told.reason,
                "detail": told.detail,
                "at": told.at,
                "happened": told.happened,
            }
            for told in one.messages
        ],
        "sentence": one.sentence,
        "askedAnew": None,
    }


def _anew(run: Run | None, person: Profile, caller: ApiCredential) -> dict[str, Any] | None:
    if run is None or run.kind == Run.Kind.STANDING:
        return None
    told = why.asked_anew(run, person, actor=caller, now=timezone.now())
    return {
        "isMember": told.is_member,
        "conditions": WhyConditionShape(told.conditions).data if told.conditions else None,
        "would": [{"channel": channel, "reason": reason} for channel, reason in told.would],
        "fault": told.fault,
    }
