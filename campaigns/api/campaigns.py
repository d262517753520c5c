"""The REST doors of campaigns: list, make, read, change, delete; their verbs; and what stands in their way.

`actions` comes from the same table as the buttons of the pages. A change names the state it was made for
(`If-Match`): 428 without it, 412 when somebody was faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from accounts.models import ApiCredential, Workspace
from campaigns import access, drafts, folders, forecast, lifecycle, planning, schedule, sentences, validation
from campaigns import waves as waved
from campaigns.access import MANAGE
from campaigns.api import changes
from campaigns.api.campaign_shapes import (
    ActBody,
    CampaignChange,
    CampaignShape,
    CampaignWrite,
    FindingsShape,
    ForecastShape,
    UpcomingShape,
)
from campaigns.models import Action, Campaign, Status
from channels.contents import SHAPES
from common.api import (
    IF_MATCH,
    PAGING,
    chosen_fields,
    etag_of,
    fields_of,
    only,
    ordered,
    ordering_of,
    page_of,
    require_match,
)
from common.doors import hold
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.states import ActionState
from common.text import whole_number

ORDERS = {"created": "created_at", "changed": "changed_at", "name": "name"}
VOCABULARIES = {
    "status": Status.values,
    "type": Campaign.Type.values,
    "category": Campaign.Category.values,
    "channel": list(SHAPES),
}
FILTERS = [
    *(OpenApiParameter(name, str, enum=values) for name, values in VOCABULARIES.items()),
    OpenApiParameter("tag", str),
    OpenApiParameter("folder", int, description="That folder and all that lie in it."),
    OpenApiParameter("owner", str, description="An email address."),
    OpenApiParameter("search", str, description="A part of the name."),
    OpenApiParameter(
        "changedSince", OpenApiTypes.DATETIME, description="With its offset from UTC; years 1900 to 2999."
    ),
]
EXAMPLE = OpenApiExample(
    "A draft",
    {
        "name": "Winter layers",
        "type": "scheduled",
        "category": "marketing",
        "tags": ["winter"],
        "schedule": {"zone": "Asia/Taipei", "rules": [{"every": "week", "at": "09:00", "weekdays": ["mon"]}]},
        "startsAt": "2027-01-04T01:00:00Z",
    },
    request_only=True,
)
VERBS = sorted(set(lifecycle.PRESSABLE) - {"delete"})


class Campaigns(APIView):
    @extend_schema(
        operation_id="campaigns_list",
        parameters=[*FILTERS, ordering_of(ORDERS), fields_of(CampaignShape), *PAGING],
        responses=page_of(CampaignShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        wanted = chosen_fields(request, CampaignShape)
        rows = access.list_for(credential, credential.workspace)
        rows = _with_all(_filtered(rows, request, credential.workspace))
        pages = ordered(request, ORDERS, "-created")
        found = list(pages.paginate_queryset(rows, request, view=self) or [])
        return pages.get_paginated_response([only(one, wanted) for one in shown(found, credential)])

    @extend_schema(
        operation_id="campaigns_create",
        request=CampaignWrite,
        responses={201: CampaignShape},
        examples=[EXAMPLE],
    )
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """A draft; it is sent only after it was activated."""
        credential, now = credential_of(request), timezone.now()
        require(credential, MANAGE, credential.workspace)
        body = CampaignWrite(data=request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(body.validated_data)
        if given["channel"] not in SHAPES:
            known = ", ".join(SHAPES)
            detail = _("Give one of: %(known)s.") % {"known": known}
            raise Invalid(Problem("unknown_channel", detail, "/channel"))
        made = {name: given.pop(name) for name in ("name", "type", "category", "channel")}
        with changes.pointing():
            campaign = drafts.create(credential.workspace, actor=credential, now=now, **made)
        campaign = changes.write(campaign, given, credential, now)
        return answer(campaign, credential, status=201)


class OneCampaign(APIView):
    @extend_schema(
        operation_id="campaigns_read", parameters=[fields_of(CampaignShape)], responses=CampaignShape
    )
    def get(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        wanted = chosen_fields(request, CampaignShape)
        return answer(access.campaign_for(credential, pk), credential, wanted=wanted)

    @extend_schema(
        operation_id="campaigns_change",
        parameters=[IF_MATCH],
        request=CampaignChange,
        responses=CampaignShape,
    )
    @transaction.atomic
    def patch(self, request: Request, pk: int) -> Response:
        """A draft only, but for its tags, labels, folder and owner. 409 names the state."""
        credential, now = credential_of(request), timezone.now()
        campaign = access.campaign_for(credential, pk, MANAGE)
        hold(campaign)
        body = CampaignChange(data=request.data)
        body.is_valid(raise_exception=True)
        matched(request, campaign)
        return answer(changes.write(campaign, dict(body.validated_data), credential, now), credential)

    @extend_schema(operation_id="campaigns_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Only a draft that was never active; all else is history."""
        credential = credential_of(request)
        lifecycle.delete(access.campaign_for(credential, pk), actor=credential, now=timezone.now())
        return Response(status=204)


class Act(APIView):
    @extend_schema(
        operation_id="campaigns_act",
        parameters=[OpenApiParameter("verb", str, OpenApiParameter.PATH, enum=VERBS)],
        request=ActBody,
        responses={200: CampaignShape, 201: CampaignShape},
    )
    def post(self, request: Request, pk: int, verb: str) -> Response:
        """One verb, as `actions` names them. 201 with the copy for `duplicate`. A credential is nobody's
        second pair of eyes: it cannot approve.
        """
        credential, now = credential_of(request), timezone.now()
        campaign = access.campaign_for(credential, pk)
        if verb not in VERBS:
            raise NotFound(_("There is no such verb."))
        require(credential, lifecycle.PRESSABLE[verb].permission, campaign)
        body = ActBody(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        if verb == "duplicate":
            copy = lifecycle.duplicate(campaign, actor=credential, now=now)
            return answer(copy, credential, status=201)
        details: dict[str, Any] = {"comment": given["comment"]} if given.get("comment") else {}
        if verb == "request_approval" and given.get("dueAt"):
            details["due_at"] = given["dueAt"]
        if verb == "stop":
            details["recall"] = given.get("queued") != "finish"
        moved = lifecycle.apply(campaign, verb, actor=credential, now=now, **details)
        return answer(moved, credential)


class Findings(APIView):
    @extend_schema(operation_id="campaigns_findings", responses=FindingsShape)
    def get(self, request: Request, pk: int) -> Response:
        """What stands between the draft and its first message. Errors block, warnings do not."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk)
        found = validation.validate(campaign, now=timezone.now(), actor=credential)
        return Response(FindingsShape({"findings": found}).data)


class Forecast(APIView):
    @extend_schema(operation_id="campaigns_forecast", responses=ForecastShape)
    def get(self, request: Request, pk: int) -> Response:
        """409 where nobody can be counted yet: without an audience, or with one that cannot be evaluated."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk)
        found = forecast.forecast(campaign, now=timezone.now())
        if found is None:
            raise IllegalTransition(_("There is nobody to count yet."), code="no_forecast")
        return Response(
            {
                "people": found.people,
                "reached": found.reached,
                "notReached": found.not_reached,
                "heldByQuietHours": found.held,
                "beginsAt": found.begins_at,
                "endsAt": found.ends_at,
                "rate": found.rate,
                "actions": [
                    {
                        "position": one.position,
                        "channel": one.channel,
                        "reached": one.reached,
                        "excluded": [
                            {"code": each.code, "reason": each.label, "people": each.people}
                            for each in one.excluded
                        ],
                    }
                    for one in found.actions
                ],
                "curve": [{"at": point.at, "sent": point.sent} for point in found.curve],
            }
        )


class Upcoming(APIView):
    @extend_schema(operation_id="campaigns_upcoming", responses=UpcomingShape)
    def get(self, request: Request, pk: int) -> Response:
        """The schedule in words, its next ten sends, and what is wrong with its waves."""
        campaign, now = access.campaign_for(credential_of(request), pk), timezone.now()
        table = schedule.of_draft(campaign)
        since, made = planning.began(campaign, now), planning.made(campaign)
        slots = schedule.upcoming(table, since=since, now=now, made=made)
        asked = {"recurs": table.is_recurring, "per_person": table.per_person}
        faults = waved.faults(campaign.waves, begins=table.starts_at, now=now, **asked)
        return Response(
            {
                "sentence": sentences.sentence(table),
                "waves": sentences.waves_sentence(campaign.waves),
                "sends": [{"at": one.due_at, "wallClock": one.wall_clock} for one in slots],
                "faults": [text for _code, text in faults] if campaign.waves else [],
            }
        )


# ---- how a campaign is shown --------------------------------------------------------------------


def answer(
    campaign: Campaign, credential: ApiCredential, *, status: int = 200, wanted: set[str] | None = None
) -> Response:
    row = _row(campaign, credential)
    states = lifecycle.available(campaign, credential, now=timezone.now())
    etag, row["actions"] = etag_of(row), [_state(one) for one in states]
    told = only(row, wanted) if wanted else row
    return Response(told, status=status, headers={"ETag": etag})


def tag(request: Request, campaign: Campaign) -> dict[str, str]:
    """The header that names the campaign's state with whatever is read of it."""
    return {"ETag": etag_of(_row(campaign, credential_of(request)))}


def matched(request: Request, campaign: Campaign) -> None:
    """Of a campaign that `hold` has locked. The ETag is of what everybody sees of it."""
    require_match(request, etag_of(_row(campaign, credential_of(request))))


def shown(rows: Sequence[Campaign], credential: ApiCredential) -> list[dict[str, Any]]:
    """Many, in a constant number of queries."""
    hidden = access.hidden_audiences(credential, rows)
    out = access.hidden_left_out(credential, rows)
    states = lifecycle.available_in_list(rows, credential)
    found = []
    for row, actions in zip(rows, states, strict=True):
        found.append({**_told(row, hidden, out), "actions": [_state(one) for one in actions]})
    return found


def _row(campaign: Campaign, credential: ApiCredential) -> dict[str, Any]:
    hidden = access.hidden_audiences(credential, [campaign])
    return _told(campaign, hidden, access.hidden_left_out(credential, [campaign]))


def _state(one: ActionState) -> dict[str, Any]:
    return {"verb": one.verb, "allowed": one.allowed, "reason": one.reason}


def _told(row: Campaign, hidden: set[int], left_out: set[int]) -> dict[str, Any]:
    is_hidden = row.audience_id in hidden
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "type": row.type,
        "category": row.category,
        "status": row.status,
        "draftStatus": row.draft_status,
        "tags": row.tags,
        "labels": sorted(label.name for label in row.labels.all()),
        "folder": row.folder_id,
        "owner": row.owner.email if row.owner else None,
        "audience": None if is_hidden else row.audience_id,
        "hidesAudience": is_hidden,
        "exclusions": sorted(one.pk for one in row.exclusions.all() if one.pk not in left_out),
        "reach": row.reach,
        "schedule": row.schedule,
        "waves": row.waves,
        "rate": row.rate,
        "ruleSet": row.rule_set_id,
        "languages": row.languages,
        "experiment": row.experiment,
        "startsAt": row.starts_at,
        "endsAt": row.ends_at,
        "createProfiles": row.create_profiles,
        "highThroughput": row.high_throughput,
        "enableWebhooks": row.enable_webhooks,
        "onUncertain": row.on_uncertain,
        "ignoresOpens": row.ignores_opens,
        "ignoresClicks": row.ignores_clicks,
        "revision": row.revision,
        "version": row.version.number if row.version else None,
        "liveVersion": row.live_version.number if row.live_version else None,
        "createdBy": str(row.created_by) if row.created_by else None,
        "createdAt": row.created_at,
        "changedAt": row.changed_at,
        "activatedAt": row.activated_at,
        "completedAt": row.completed_at,
    }


def _with_all(rows: QuerySet[Campaign]) -> QuerySet[Campaign]:
    rows = rows.select_related("workspace", "owner", "version", "live_version", "created_by")
    return rows.prefetch_related("labels", "exclusions")


def _filtered(rows: QuerySet[Campaign], request: Request, workspace: Workspace) -> QuerySet[Campaign]:
    """Raises Invalid for a value that no campaign could have."""
    query = {name: str(value).replace("\0", "") for name, value in request.query_params.items()}
    for name, known in VOCABULARIES.items():
        if name in query and query[name] not in known:
            detail = _("Give one of: %(known)s.") % {"known": ", ".join(map(str, known))}
            raise Invalid(Problem(f"unknown_{name}", detail, f"/{name}"))
    rows = rows.filter(**{name: query[name] for name in ("status", "type", "category") if name in query})
    if "channel" in query:
        rows = rows.filter(Exists(Action.objects.filter(campaign=OuterRef("pk"), channel=query["channel"])))
    if "tag" in query:
        rows = rows.filter(tags__contains=[query["tag"]])
    if "folder" in query:
        rows = rows.filter(folder__in=folders.within(workspace, _number(query["folder"])))
    if "owner" in query:
        rows = rows.filter(owner__email__iexact=query["owner"])
    if "search" in query:
        rows = rows.filter(name__icontains=query["search"])
    if "changedSince" in query:
        rows = rows.filter(changed_at__gte=_moment(query["changedSince"]))
    return rows


def _number(text: str) -> int:
    number = whole_number(text)
    if number is None:
        raise Invalid(Problem("bad_folder", _("Give the number of a folder."), "/folder"))
    return number


def _moment(text: str) -> Any:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        detail = _("Give a moment such as 2027-01-31T09:00:00+08:00.")
        raise Invalid(Problem("bad_moment", detail, "/changedSince"))
    if not 1900 <= found.year < 3000:
        detail = _("Give a moment of the years 1900 to 2999.")
        raise Invalid(Problem("moment_out_of_range", detail, "/changedSince"))
    return found
