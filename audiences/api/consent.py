"""The REST doors of topics and consent: what people may choose, what they said, and recording thousands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from accounts.models import Workspace
from audiences import access, consent, identities, topics
from audiences.api import bodies
from audiences.api.shapes import IdentityShape, ItemFault
from audiences.consent import Said, Verdict
from audiences.models import ConsentState, Topic
from audiences.models.consent import Statement
from audiences.namespaces import namespaces_of
from audiences.reachability import CHANNELS
from common.api import (
    IF_MATCH,
    SparseSerializer,
    StrictSerializer,
    chosen_fields,
    fields_of,
    only,
    ordered,
    page_of,
)
from common.doors import (
    NEWEST,
    SEARCH,
    Acting,
    body_of,
    listed,
    listing,
    pointing,
    searched,
    shown,
    unchanged,
)
from common.errors import Invalid, Problem

ORDERS, SAID = {**NEWEST, "name": "name"}, {"at": "at"}
MOST_ITEMS, REJECTED = 5000, "rejected"
STATUSES = (str(Verdict.WRITTEN), str(Verdict.UNCHANGED), REJECTED)
KEYS = ("profileId", "identity", "channel", "topic", "state", "source", "wording")
NAMES = {"profile": "profileId"}  # what the verb calls it → what the call does
LARGEST = 2**63 - 1


# ---- shapes ---------------------------------------------------------------------------------------
CAMEL = {"is_public": "isPublic", "double_opt_in": "doubleOptIn"}


class TopicShape(Acting):
    right = access.MANAGE
    moving = frozenset({"subscribed", "pending", "withdrawn"})
    id = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    isPublic = serializers.BooleanField(source="is_public")
    doubleOptIn = serializers.BooleanField(source="double_opt_in")
    createdAt = serializers.DateTimeField(source="created_at")
    archivedAt = serializers.DateTimeField(source="archived_at", allow_null=True)
    subscribed = serializers.IntegerField()
    pending = serializers.IntegerField()
    withdrawn = serializers.IntegerField()

    def possible(self, row: Topic) -> list[str]:
        return ["change", "reopen" if row.archived_at else "archive"]


class TopicWrite(StrictSerializer):
    key = serializers.CharField(max_length=63)
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    isPublic = serializers.BooleanField(source="is_public", required=False)
    doubleOptIn = serializers.BooleanField(source="double_opt_in", required=False)


class TopicChange(StrictSerializer):
    """What is left out stays as it is."""

    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    isPublic = serializers.BooleanField(source="is_public", required=False)
    doubleOptIn = serializers.BooleanField(source="double_opt_in", required=False)


class ConsentShape(SparseSerializer):
    """Without a topic it speaks of the whole channel."""

    channel = serializers.ChoiceField(list(CHANNELS))
    topic = serializers.CharField(source="topic.key", default=None, allow_null=True)
    state = serializers.ChoiceField(ConsentState.choices)
    source = serializers.CharField()  # type: ignore[assignment]
    wording = serializers.CharField()
    actor = serializers.CharField()
    at = serializers.DateTimeField()


class ConsentWrite(StrictSerializer):
    """`profileId` or `identity` says who, `topic` is a topic's key.

    From “no” or “pending” back to “yes” leads only evidence: source and wording.
    """

    profileId = serializers.IntegerField(required=False)
    identity = IdentityShape(required=False)
    channel = serializers.ChoiceField(list(CHANNELS))
    topic = serializers.CharField(max_length=63, required=False, allow_null=True)
    state = serializers.ChoiceField(ConsentState.choices)
    source = serializers.CharField(max_length=consent.LONGEST_SOURCE)  # type: ignore[assignment]
    wording = serializers.CharField(max_length=consent.LONGEST_WORDING, required=False)


class BulkConsents(StrictSerializer):
    consents = serializers.ListField(child=ConsentWrite(), min_length=1, max_length=MOST_ITEMS)


class ConsentResult(StrictSerializer):
    index = serializers.IntegerField()
    status = serializers.ChoiceField(STATUSES)
    id = serializers.IntegerField(allow_null=True, help_text="The profile's id.")
    errors = ItemFault(many=True)  # type: ignore[assignment]


class BulkConsentsAnswer(StrictSerializer):
    written = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ConsentResult(many=True)


# ---- topics ---------------------------------------------------------------------------------------
class Topics(APIView):
    @extend_schema(
        operation_id="topics_list",
        parameters=listing(TopicShape, ORDERS, SEARCH),
        responses=page_of(TopicShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, topics.listed_for(credential, credential.workspace))
        return listed(request, rows, TopicShape, ORDERS, rights=rights_of(request))

    @extend_schema(operation_id="topics_create", request=TopicWrite, responses={201: TopicShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, TopicWrite)
        with pointing(CAMEL):
            made = topics.create(credential.workspace, **given, actor=credential, now=timezone.now())
        return _topic(request, made.pk, status=201)


class OneTopic(APIView):
    @extend_schema(operation_id="topics_read", parameters=[fields_of(TopicShape)], responses=TopicShape)
    def get(self, request: Request, pk: int) -> Response:
        topics.topic_for(credential_of(request), pk)
        return _topic(request, pk)

    @extend_schema(
        operation_id="topics_change", parameters=[IF_MATCH], request=TopicChange, responses=TopicShape
    )
    def patch(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        held = topics.topic_for(credential, pk, access.MANAGE)
        given = body_of(request, TopicChange)
        told = unchanged(request, held, TopicShape, told=lambda _row: _counted(request, pk))
        with told, pointing(CAMEL):
            topics.change(held, **given, actor=credential, now=timezone.now())
        return _topic(request, pk)


class ArchiveTopic(APIView):
    @extend_schema(operation_id="topics_archive", request=None, responses=TopicShape)
    def post(self, request: Request, pk: int) -> Response:
        """It is no longer offered; who is subscribed stays subscribed."""
        credential = credential_of(request)
        held = topics.topic_for(credential, pk, access.MANAGE)
        topics.archive(held, actor=credential, now=timezone.now())
        return _topic(request, pk)


class ReopenTopic(APIView):
    @extend_schema(operation_id="topics_reopen", request=None, responses=TopicShape)
    def post(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        held = topics.topic_for(credential, pk, access.MANAGE)
        topics.reopen(held, actor=credential, now=timezone.now())
        return _topic(request, pk)


def _topic(request: Request, pk: int, status: int = 200) -> Response:
    return shown(request, _counted(request, pk), TopicShape, rights_of(request), status=status)


def _counted(request: Request, pk: int) -> Topic:
    credential = credential_of(request)
    counted: Topic = topics.listed_for(credential, credential.workspace).get(pk=pk)
    return counted


# ---- consent --------------------------------------------------------------------------------------
class ProfileConsents(APIView):
    @extend_schema(
        operation_id="profiles_consents",
        parameters=[fields_of(ConsentShape)],
        responses=ConsentShape(many=True),
    )
    def get(self, request: Request, pk: int) -> Response:
        """What the person last said; nothing said means that nothing was withdrawn."""
        person = access.profile_for(credential_of(request), pk)
        rows = person.consents.select_related("topic").order_by("channel", "topic__key")
        wanted = chosen_fields(request, ConsentShape)
        return Response([only(_statement(one), wanted) for one in rows])


class ProfileConsentHistory(APIView):
    @extend_schema(
        operation_id="profiles_consent_history",
        parameters=listing(ConsentShape, SAID),
        responses=page_of(ConsentShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        """All the person ever said, the newest first."""
        person = access.profile_for(credential_of(request), pk)
        wanted, pages = chosen_fields(request, ConsentShape), ordered(request, SAID, "-at")
        rows = pages.paginate_queryset(person.consent_history.select_related("topic"), request) or []
        return pages.get_paginated_response([only(_statement(one), wanted) for one in rows])


def _statement(one: Any) -> dict[str, Any]:
    assert isinstance(one, Statement)
    topic: Topic | None = getattr(one, "topic", None)
    return {
        "channel": one.channel,
        "topic": topic.key if topic else None,
        "state": one.state,
        "source": one.source,
        "wording": one.wording,
        "actor": one.actor,
        "at": one.at.isoformat(),
    }


class Consents(APIView):
    @extend_schema(operation_id="consents_write", request=BulkConsents, responses=BulkConsentsAnswer)
    def post(self, request: Request) -> Response:
        """Up to 5,000 statements; each item has its own result, and “no” always wins."""
        credential = credential_of(request)
        workspace = credential.workspace
        require(credential, access.MANAGE, workspace)
        outcomes = _resolved(workspace, bodies.items_of(request.data, "consents", MOST_ITEMS, _item))
        _judge(workspace, outcomes)
        good = [one for one in outcomes if not one.problems and one.said]
        verdicts = consent.say_all(
            workspace, [one.said for one in good if one.said], actor=credential, now=timezone.now()
        )
        for one, verdict in zip(good, verdicts, strict=True):
            one.status = str(verdict)
            if verdict == Verdict.EVIDENCE_MISSING:
                one.status, one.problems = REJECTED, [consent.evidence_missing("/wording")]
        return Response(bodies.answer("consents", outcomes, STATUSES))


@dataclass
class _Outcome:
    said: Said | None = None
    status: str = REJECTED
    problems: list[Problem] = field(default_factory=list)

    @property
    def profile_id(self) -> int | None:
        return self.said.profile_id if self.said and not self.problems else None


@dataclass(frozen=True)
class _Item:
    profile_id: int | None
    identity: tuple[Any, Any] | None
    topic: str | None
    texts: dict[str, str]


def _item(given: Any) -> _Item:
    body = bodies.an_object(given, KEYS)
    names = ("channel", "state", "source", "wording")
    problems = [
        Problem("not_a_text", _("Give a text."), f"/{name}")
        for name in (*names, "topic")
        if not isinstance(body.get(name, ""), str) and not (name == "topic" and body["topic"] is None)
    ]
    number, identity = body.get("profileId"), body.get("identity")
    if (number is None) == (identity is None):
        detail = _("Say who: give profileId or identity.")
        problems.append(Problem("profile_missing", detail, "/profileId"))
    elif number is not None and (type(number) is not int or not 0 < number <= LARGEST):
        problems.append(Problem("not_found", _("There is no such person."), "/profileId"))
    if problems:
        raise Invalid(problems)
    who = None if identity is None else bodies.pair(identity, "/identity")
    return _Item(number, who, body.get("topic"), {name: body.get(name, "") for name in names})


def _resolved(workspace: Workspace, items: list[_Item | Invalid]) -> list[_Outcome]:
    """Each item as a statement about a profile and a topic by number; two queries for all of them."""
    named = {
        place: one.identity for place, one in enumerate(items) if isinstance(one, _Item) and one.identity
    }
    cleaned, faulty = _cleaned(workspace, named)
    owners = identities.owners(workspace.pk, cleaned.values())
    keys = Topic.objects.filter(workspace=workspace).values_list("key", "pk")
    by_key: dict[str, int] = dict(keys) if items else {}
    found = []
    for place, one in enumerate(items):
        if isinstance(one, Invalid):
            found.append(_Outcome(problems=list(one.problems)))
            continue
        outcome = _Outcome(problems=list(faulty.get(place, [])))
        number = one.profile_id or owners.get(cleaned.get(place, ("", "")))
        if number is None and not outcome.problems:
            outcome.problems.append(Problem("not_found", _("There is no such person."), "/identity"))
        if one.topic is not None and one.topic not in by_key:
            outcome.problems.append(Problem("not_found", _("There is no such topic."), "/topic"))
        topic_id = by_key.get(one.topic) if one.topic is not None else None
        outcome.said = Said(profile_id=number or 0, topic_id=topic_id, **one.texts)
        found.append(outcome)
    return found


def _cleaned(
    workspace: Workspace, named: Mapping[int, tuple[Any, Any]]
) -> tuple[dict[int, tuple[str, str]], dict[int, list[Problem]]]:
    known = namespaces_of(workspace)
    cleaned: dict[int, tuple[str, str]] = {}
    faulty: dict[int, list[Problem]] = {}
    for place, (namespace, value) in named.items():
        try:
            text = identities.clean(workspace, namespace, value, known=known, pointer="/identity")
            cleaned[place] = (namespace, text)
        except Invalid as error:
            faulty[place] = list(error.problems)
    return cleaned, faulty


def _judge(workspace: Workspace, outcomes: list[_Outcome]) -> None:
    """Adds what the verb would refuse, item by item, so that one bad item keeps no other out."""
    asked = [one for one in outcomes if one.said is not None and not one.problems]
    for place, problem in consent.faults(workspace, [one.said for one in asked if one.said]):
        name = problem.pointer.rpartition("/")[2]
        pointer = f"/{NAMES.get(name, name)}"
        asked[place].problems.append(Problem(problem.code, problem.detail, pointer))
