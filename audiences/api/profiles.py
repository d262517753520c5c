"""The REST doors of people: list and find, write one or thousands, correct, erase, and their identities."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from audiences import access, erasure, identities, profiles
from audiences.api import bodies
from audiences.api.shapes import (
    BulkProfiles,
    BulkProfilesAnswer,
    EventShape,
    IdentityShape,
    ProfileChange,
    ProfileShape,
    ProfileWrite,
)
from audiences.models import Profile, ProfileEvent
from audiences.upsert import CHANGED, CREATED, MOST_ITEMS, REJECTED, UNCHANGED, Given, upsert
from common.api import (
    IF_MATCH_GIVEN,
    chosen_fields,
    etag_of,
    fields_of,
    only,
    ordered,
    page_of,
    require_match,
)
from common.doors import hold, listed, listing, pointing
from common.errors import Invalid, NotFound, Problem

WRITTEN = {200: ProfileShape, 201: ProfileShape}
STATUSES = (CREATED, CHANGED, UNCHANGED, REJECTED)
ORDERS, AT = {"created": "pk"}, {"at": "at"}
FIND = [
    OpenApiParameter("namespace", str, description="With `value`: who has this identity."),
    OpenApiParameter("value", str),
    OpenApiParameter("isTest", bool, description="Only test profiles, or only the others."),
]


class Profiles(APIView):
    @extend_schema(
        operation_id="profiles_list",
        parameters=listing(ProfileShape, ORDERS, *FIND),
        responses=page_of(ProfileShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = _wanted(request, access.profiles_for(credential, credential.workspace))
        wanted, pages = chosen_fields(request, ProfileShape), ordered(request, ORDERS, "-created")
        people = pages.paginate_queryset(rows, request) or []
        return pages.get_paginated_response([only(one, wanted) for one in _summaries(people)])

    @extend_schema(operation_id="profiles_write", request=ProfileWrite, responses=WRITTEN)
    def post(self, request: Request) -> Response:
        """The strongest identity says who is meant: external_id, then email, then phone, then the others."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        return _write_one(request, bodies.person(request.data))


class BulkWrite(APIView):
    @extend_schema(operation_id="profiles_bulk_write", request=BulkProfiles, responses=BulkProfilesAnswer)
    def post(self, request: Request) -> Response:
        """Up to 5,000 people; each item has its own result, and rejected items leave nothing."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        also = ("createProfiles",)
        items = bodies.items_of(request.data, "profiles", MOST_ITEMS, bodies.person, also)
        outcomes = upsert(
            credential.workspace,
            items,
            may_create=bodies.flag(request.data, "createProfiles", True),
            actor=credential,
            now=timezone.now(),
        )
        return Response(bodies.answer("profiles", outcomes, STATUSES))


class OneProfile(APIView):
    @extend_schema(operation_id="profiles_read", parameters=[fields_of(ProfileShape)], responses=ProfileShape)
    def get(self, request: Request, pk: int) -> Response:
        wanted = chosen_fields(request, ProfileShape)
        return _answer(access.profile_for(credential_of(request), pk), wanted=wanted)

    @extend_schema(
        operation_id="profiles_change",
        parameters=[IF_MATCH_GIVEN],
        request=ProfileChange,
        responses=ProfileShape,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Many systems know something of a person: what is left out stays as it is, whoever wrote it."""
        credential = credential_of(request)
        person = access.profile_for(credential, pk)
        given = bodies.an_object(request.data, [name for name in bodies.PERSON if name != "identities"])
        with transaction.atomic():
            hold(person)
            if "If-Match" in request.headers:
                require_match(request, etag_of(_summaries([person])[0]))
            changed = _changed(person, bodies.person(given), credential)
        return _answer(changed)

    @extend_schema(operation_id="profiles_erase", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Erases the person for good; only hashes of their addresses stay on the suppression list."""
        credential = credential_of(request)
        erasure.erase(access.profile_for(credential, pk), actor=credential, now=timezone.now())
        return Response(status=204)


class NamedProfile(APIView):
    """A person by one identity."""

    @extend_schema(
        operation_id="profiles_read_by_identity",
        parameters=[fields_of(ProfileShape)],
        responses=ProfileShape,
    )
    def get(self, request: Request, namespace: str, value: str) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        found = identities.find(credential.workspace, namespace, value)
        if found is None:
            raise NotFound(_("There is no such person, or you may not see them."))
        return _answer(found, wanted=chosen_fields(request, ProfileShape))

    @extend_schema(
        operation_id="profiles_write_by_identity",
        request=ProfileWrite,
        responses=WRITTEN,
    )
    def put(self, request: Request, namespace: str, value: str) -> Response:
        """Makes or changes the person who has this identity; what is left out stays as it is."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        cleaned = identities.clean(credential.workspace, namespace, value)
        return _write_one(request, bodies.person(request.data, key=(namespace, cleaned)))


class ProfileIdentities(APIView):
    @extend_schema(operation_id="profiles_attach_identity", request=IdentityShape, responses=ProfileShape)
    def post(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        person = access.profile_for(credential, pk)
        namespace, value = bodies.pair(request.data, "")
        identities.attach(person, namespace, value, actor=credential, now=timezone.now())
        return _answer(access.profile_for(credential, pk))


class ProfileIdentity(APIView):
    @extend_schema(operation_id="profiles_detach_identity", responses={204: None})
    def delete(self, request: Request, pk: int, namespace: str, value: str) -> Response:
        credential = credential_of(request)
        person = access.profile_for(credential, pk)
        cleaned = identities.clean(person.workspace, namespace, value)
        if not identities.detach(person, namespace, cleaned, actor=credential, now=timezone.now()):
            raise NotFound(_("The person has no such identity."))
        return Response(status=204)


class ProfileEvents(APIView):
    @extend_schema(
        operation_id="profiles_events", parameters=listing(EventShape, AT), responses=page_of(EventShape)
    )
    def get(self, request: Request, pk: int) -> Response:
        """What the person did, the newest first."""
        person = access.profile_for(credential_of(request), pk)
        return listed(request, ProfileEvent.objects.filter(profile=person), EventShape, AT, "-at")


def _wanted(request: Request, rows: QuerySet[Profile]) -> QuerySet[Profile]:
    """The list as the query asks for it. Raises Invalid."""
    namespace, value = (request.query_params.get(name) for name in ("namespace", "value"))
    if (namespace is None) != (value is None):
        raise Invalid(Problem("bad_search", _("Give namespace and value together."), "/namespace"))
    if namespace is not None and value is not None:
        found = identities.find(credential_of(request).workspace, namespace, value)
        rows = rows.filter(pk=found.pk) if found else rows.none()
    is_test = request.query_params.get("isTest")
    if is_test not in (None, "true", "false"):
        raise Invalid(Problem("bad_boolean", _("Give true or false."), "/isTest"))
    return rows.filter(is_test=is_test == "true") if is_test else rows


def _write_one(request: Request, given: Given) -> Response:
    credential = credential_of(request)
    (outcome,) = upsert(credential.workspace, [given], actor=credential, now=timezone.now())
    if outcome.profile_id is None:
        raise Invalid(outcome.problems)
    person = access.profile_for(credential, outcome.profile_id)
    return _answer(person, status=201 if outcome.status == CREATED else 200)


@transaction.atomic
def _changed(person: Profile, given: Given, credential: Any) -> Profile:
    with pointing({"time_zone": "timeZone"}):
        return profiles.change(
            person,
            locale=person.locale if given.locale is None else given.locale,
            time_zone=person.time_zone if given.time_zone is None else given.time_zone,
            is_test=person.is_test if given.is_test is None else given.is_test,
            is_untracked=given.is_untracked,
            attributes=given.attributes,
            actor=credential,
            now=timezone.now(),
        )


def _answer(person: Profile, status: int = 200, wanted: set[str] | None = None) -> Response:
    (row,) = _summaries([person])
    told = only(row, wanted) if wanted else row
    return Response(told, status=status, headers={"ETag": etag_of(row)})


def _summaries(people: list[Profile]) -> list[dict[str, Any]]:
    held = identities.identities_of(people)
    return [profiles.summary(person, held[person.pk]) for person in people]
