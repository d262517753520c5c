"""The REST doors of audiences: list, make, read, change, delete; their verbs, sizes and people.

A rule or a composition stands in the body as JSON; its faults are told with a JSON pointer from the body's
root. `actions` names the verbs that are possible now and allowed to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import labels_held, require
from accounts.doors.callers import credential_of
from accounts.models import AccessLabel, ApiCredential, User, Workspace
from audiences import (
    access,
    audiences,
    definitions,
    evaluate,
    evaluations,
    lifecycle,
    livecount,
    members,
    reachability,
)
from audiences.api.audience_shapes import (
    AudienceChange,
    AudienceShape,
    AudienceWrite,
    EvaluationShape,
    ExplainedShape,
    MemberShape,
    SizeShape,
)
from audiences.models import Audience, AudienceSize, Topic
from common.api import IF_MATCH, PAGING, CursorPages, chosen_fields, fields_of, only, ordered, page_of
from common.doors import NAMED, body_of, listed, listing, tag_of, unchanged
from common.errors import Conflict, Invalid, NotFound, Problem
from common.text import whole_number

AT = {"at": "at"}
FILTERS = [
    OpenApiParameter("state", str, enum=Audience.State.values),
    OpenApiParameter("kind", str, enum=Audience.Kind.values),
    OpenApiParameter("tag", str),
    OpenApiParameter("search", str, description="A part of the name."),
    OpenApiParameter("owner", str, description="An email address."),
]


class Audiences(APIView):
    @extend_schema(
        operation_id="audiences_list",
        parameters=listing(AudienceShape, NAMED, *FILTERS),
        responses=page_of(AudienceShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = access.list_for(credential, credential.workspace).select_related("owner", "topic", "workspace")
        wanted, pages = chosen_fields(request, AudienceShape), ordered(request, NAMED, "-created")
        found = pages.paginate_queryset(_filtered(rows, request).prefetch_related("labels"), request) or []
        return pages.get_paginated_response([only(row, wanted) for row in _shown(found, credential)])

    @extend_schema(operation_id="audiences_create", request=AudienceWrite, responses={201: AudienceShape})
    def post(self, request: Request) -> Response:
        """Without a state it is published at once. 409 `confirmation_needed` for a rule that finds everybody,
        unless `everybody` is true.
        """
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = _body(AudienceWrite, request, credential)
        is_sure = given.pop("everybody", False)
        with _pointing(given["kind"]):
            if given["kind"] == Audience.Kind.RULE:
                _confirm(given.get("rule"), {}, credential.workspace, credential, is_sure=is_sure)
            made = audiences.create(credential.workspace, actor=credential, now=timezone.now(), **given)
        return _answer(made, credential, status=201)


class OneAudience(APIView):
    @extend_schema(
        operation_id="audiences_read", parameters=[fields_of(AudienceShape)], responses=AudienceShape
    )
    def get(self, request: Request, pk: int) -> Response:
        credential, wanted = credential_of(request), chosen_fields(request, AudienceShape)
        return _answer(access.audience_for(credential, pk), credential, wanted=wanted)

    @extend_schema(
        operation_id="audiences_change",
        parameters=[IF_MATCH],
        request=AudienceChange,
        responses=AudienceShape,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """What is left out stays. With `changedAt` as last read, a change in between is refused with 409."""
        credential = credential_of(request)
        audience = access.audience_for(credential, pk, access.MANAGE)
        given = _body(AudienceChange, request, credential)
        seen_at, is_sure = given.pop("changed_at", None), given.pop("everybody", False)
        with unchanged(request, audience, AudienceShape), _pointing(audience.kind):
            if "rule" in given and audience.kind == Audience.Kind.RULE and given["rule"] != audience.rule:
                _confirm(given["rule"], audience.rule, audience.workspace, credential, is_sure=is_sure)
            changed = audiences.change(
                audience, seen_at=seen_at, actor=credential, now=timezone.now(), **given
            )
        return _answer(changed, credential)

    @extend_schema(operation_id="audiences_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while campaigns or other audiences use it; `uses` names them."""
        credential = credential_of(request)
        audience = access.audience_for(credential, pk)
        audiences.delete(audience, actor=credential, now=timezone.now())
        return Response(status=204)


class AudienceVerb(APIView):
    """One address per verb of the lifecycle, as `actions` names them."""

    verb = ""

    def post(self, request: Request, pk: int) -> Response:
        credential, now = credential_of(request), timezone.now()
        audience = access.audience_for(credential, pk)
        if self.verb == "duplicate":
            return _answer(audiences.duplicate(audience, actor=credential, now=now), credential, status=201)
        with _pointing(audience.kind):
            moved = lifecycle.apply(audience, self.verb, actor=credential, now=now)
        return _answer(moved, credential)


def verb_view(verb: str) -> Any:
    """A view class of its own, so that OpenAPI shows each verb under its name."""
    done = {201: AudienceShape} if verb == "duplicate" else {200: AudienceShape}

    class Verb(AudienceVerb):
        @extend_schema(operation_id=f"audiences_{verb}", request=None, responses=done)
        def post(self, request: Request, pk: int) -> Response:
            return super().post(request, pk)

    return Verb.as_view(verb=verb)


class Evaluate(APIView):
    @extend_schema(
        operation_id="audiences_evaluate",
        request=None,
        responses={200: EvaluationShape, 202: EvaluationShape},
    )
    def post(self, request: Request, pk: int) -> Response:
        """200 with the size now; 202 when it takes longer: read `sizes/` or the audience again later."""
        credential = credential_of(request)
        audience = access.audience_for(credential, pk, access.MANAGE)
        is_done = evaluations.ask(audience, actor=credential, now=timezone.now())
        size = audience.sizes.first()
        return Response(_evaluation(size) if size else None, status=200 if is_done else 202)


class Sizes(APIView):
    @extend_schema(
        operation_id="audiences_sizes", parameters=listing(SizeShape, AT), responses=page_of(SizeShape)
    )
    def get(self, request: Request, pk: int) -> Response:
        """The history of its sizes, the newest first."""
        audience = access.audience_for(credential_of(request), pk)
        return listed(request, audience.sizes.all(), SizeShape, AT, "-at")


class Explain(APIView):
    @extend_schema(
        operation_id="audiences_explain",
        parameters=[OpenApiParameter("profile", int, required=True, description="The person's id.")],
        responses=ExplainedShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        """Why one person is in it or not, condition by condition. Needs the right to manage people."""
        credential = credential_of(request)
        audience = access.audience_for(credential, pk)
        people = access.profiles_for(credential, audience.workspace)
        number = whole_number(request.query_params.get("profile", ""))
        if number is None:
            raise Invalid(Problem("bad_profile", _("Give the number of a person."), "/profile"))
        person = people.select_related("workspace").filter(pk=number).first()
        if person is None:
            raise NotFound(_("There is no such person."))
        definitions.require_open(audience, credential)
        with _pointing(audience.kind):
            told = evaluate.explain(evaluate.definition(audience), person)
        return Response(ExplainedShape(told).data)


class Members(APIView):
    @extend_schema(
        operation_id="audiences_members",
        parameters=[
            OpenApiParameter("channel", str, enum=sorted(reachability.WAYS)),
            OpenApiParameter("reason", str, description="Only those whom this code keeps from the channel."),
            *PAGING,
        ],
        responses=page_of(MemberShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        """The people who are in it now, by number. Needs the right to manage people."""
        credential = credential_of(request)
        audience = access.audience_for(credential, pk)
        access.profiles_for(credential, audience.workspace)
        channel, reason, after, limit = _paging(request)
        found = members.page(audience, channel=channel, reason=reason, after=after, size=limit)
        following = None
        if found.after is not None:
            query = request.query_params.copy()
            query["cursor"] = str(found.after)
            following = request.build_absolute_uri(f"?{query.urlencode()}")
        shown = MemberShape(found.profiles, many=True).data
        return Response({"next": following, "previous": None, "results": shown})


def _paging(request: Request) -> tuple[str, str | None, int, int]:
    """Channel, reason, the number to go on from, how many. Raises Invalid."""
    query, problems = request.query_params, []
    channel, reason = query.get("channel", "email"), query.get("reason")
    if channel not in reachability.WAYS:
        known = ", ".join(sorted(reachability.WAYS))
        problems.append(
            Problem("unknown_channel", _("Give one of: %(known)s.") % {"known": known}, "/channel")
        )
    if reason is not None and reason not in reachability.REASON_LABELS:
        known = ", ".join(sorted(reachability.REASON_LABELS))
        problems.append(Problem("unknown_reason", _("Give one of: %(known)s.") % {"known": known}, "/reason"))
    after = whole_number(query.get("cursor", "0"))
    limit = whole_number(query.get("limit", "100"), CursorPages.max_page_size)
    if after is None:
        problems.append(Problem("bad_cursor", _("Take the cursor from `next` of another page."), "/cursor"))
    if not limit:
        problems.append(Problem("bad_limit", _("Give a number from 1 to 1,000."), "/limit"))
    if problems or after is None or limit is None:
        raise Invalid(problems)
    return channel, reason, after, limit


def _filtered(rows: QuerySet[Audience], request: Request) -> QuerySet[Audience]:
    """Raises Invalid for a state or a kind that does not exist."""
    query = {name: str(value).replace("\0", "") for name, value in request.query_params.items()}
    for name, known in (("state", Audience.State.values), ("kind", Audience.Kind.values)):
        if name in query:
            if query[name] not in known:
                detail = _("Give one of: %(known)s.") % {"known": ", ".join(known)}
                raise Invalid(Problem(f"unknown_{name}", detail, f"/{name}"))
            rows = rows.filter(**{name: query[name]})
    if "tag" in query:
        rows = rows.filter(tags__contains=[query["tag"]])
    if "search" in query:
        rows = rows.filter(name__icontains=query["search"])
    if "owner" in query:
        rows = rows.filter(owner__email__iexact=query["owner"])
    return rows


def _body(shape: type[AudienceChange], request: Request, credential: ApiCredential) -> dict[str, Any]:
    """What the verbs take: names looked up in the workspace. Raises Invalid."""
    given = body_of(request, shape)
    if "topic" in given:
        given["topic"] = _topic(given["topic"], credential)
    if "owner" in given:
        given["owner"] = _owner(given["owner"], credential)
    if "labels" in given:
        given["labels"] = _labels(given["labels"], credential)
    return given


def _topic(key: str | None, credential: ApiCredential) -> Topic | None:
    found = Topic.objects.filter(workspace=credential.workspace, key=key).first()
    if key is not None and found is None:
        raise Invalid(Problem("unknown_topic", _("There is no such topic."), "/topic"))
    return found


def _owner(email: str | None, credential: ApiCredential) -> User | None:
    people = User.objects.filter(groups__role__workspace=credential.workspace).distinct()
    found = people.filter(email__iexact=email).first() if email else None
    if email and found is None:
        raise Invalid(Problem("unknown_owner", _("Nobody in this workspace has this address."), "/owner"))
    return found


def _labels(names: Sequence[str], credential: ApiCredential) -> list[AccessLabel]:
    held = {label.name: label for label in labels_held(credential, credential.workspace)}
    faults = [place for place, name in enumerate(names) if name not in held]
    if faults:
        detail = _("Give only labels that one of your roles holds; else you would not see it any more.")
        raise Invalid(Problem("label_not_held", detail, f"/labels/{place}") for place in faults)
    return [held[name] for name in names]


def _confirm(
    rule: Any, before: Any, workspace: Workspace, credential: ApiCredential, *, is_sure: bool
) -> None:
    """The question the rule builder asks as well, of no audience that one may not see. Raises Conflict."""
    definitions.check_named(rule, before, workspace, credential)
    if not is_sure and livecount.finds_everybody(rule, workspace):
        detail = _("This rule finds every person of the workspace. Confirm it with “everybody”: true.")
        raise Conflict(detail, code="confirmation_needed")


@contextmanager
def _pointing(kind: str) -> Iterator[None]:
    """Faults of a definition are told from the body's root: /rule/all/0/value."""
    root = "/" + audiences.DEFINED_BY.get(Audience.Kind(kind), "")
    try:
        yield
    except Invalid as error:
        raise Invalid(
            Problem(one.code, one.detail, _from_root(one.pointer, root)) for one in error.problems
        ) from error


def _from_root(pointer: str, root: str) -> str:
    return root.rstrip("/") + pointer if not pointer or pointer.startswith("/") else f"/{pointer}"


def _answer(
    audience: Audience, credential: ApiCredential, status: int = 200, wanted: set[str] | None = None
) -> Response:
    (row,) = _shown([audience], credential)
    told = only(row, wanted) if wanted else row
    return Response(told, status=status, headers={"ETag": tag_of(row, AudienceShape)})


def _shown(rows: Sequence[Audience], credential: ApiCredential) -> list[dict[str, Any]]:
    shown = AudienceShape(rows, many=True).data
    for row, actions in zip(shown, lifecycle.available_in_list(rows, credential), strict=True):
        row["actions"] = [action.verb for action in actions if action.allowed]
    return list(shown)


def _evaluation(size: AudienceSize) -> dict[str, Any]:
    return {
        "people": size.people,
        "at": size.at.isoformat(),
        "milliseconds": size.milliseconds,
        "reach": [
            {
                "channel": channel,
                "reached": counts.get("", 0),
                "excluded": [
                    {
                        "reason": code,
                        "label": str(reachability.REASON_LABELS.get(code, code)),
                        "people": people,
                    }
                    for code, people in sorted(counts.items())
                    if code
                ],
            }
            for channel, counts in sorted(size.reach.items())
        ],
    }
