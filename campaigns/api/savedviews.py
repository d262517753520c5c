"""The REST doors of saved views of the list of campaigns: those that their owners share with everybody."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from accounts.models import User
from campaigns import listing as views
from campaigns.access import MANAGE
from campaigns.models import SavedView
from common.api import EmailOfSomebody, StrictSerializer, fields_of, page_of
from common.doors import SEARCH, Acting, body_of, listed, listing, pointing, searched, shown
from common.errors import Invalid, Problem

ORDERS = {"created": "pk", "name": "name"}


class SavedViewWrite(StrictSerializer):
    name = serializers.CharField(max_length=60)
    query = serializers.CharField(
        max_length=2000, allow_blank=True, help_text="As it stands in the list's address: status=live&tag=x."
    )
    owner = EmailOfSomebody(help_text="A person of the workspace: who may change it on the page.")


class SavedViewShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.CharField()
    owner = serializers.EmailField(source="owner.email")

    def possible(self, row: SavedView) -> list[str]:
        return ["delete"]


class SavedViews(APIView):
    @extend_schema(
        operation_id="saved_views_list",
        parameters=listing(SavedViewShape, ORDERS, SEARCH),
        responses=page_of(SavedViewShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, views.shared_views(credential, credential.workspace))
        return listed(request, rows, SavedViewShape, ORDERS, rights=rights_of(request))

    @extend_schema(
        operation_id="saved_views_keep",
        request=SavedViewWrite,
        responses={201: SavedViewShape},
        examples=[
            OpenApiExample(
                "What runs",
                value={"name": "What runs", "query": "status=live", "owner": "mina@example.com"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """A new one, or in place of the owner's view of that name."""
        credential = credential_of(request)
        require(credential, MANAGE, credential.workspace)
        given = body_of(request, SavedViewWrite)
        people = User.objects.filter(groups__role__workspace=credential.workspace, is_active=True).distinct()
        owner = people.filter(email__iexact=given["owner"].replace("\0", "")).first()
        if owner is None:
            detail = _("Nobody in this workspace has this address.")
            raise Invalid(Problem("unknown_owner", detail, "/owner"))
        query = dict(parse_qsl(given["query"].replace("\0", "")))
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        with pointing():
            made = views.share_view(owner, credential.workspace, name=given["name"], query=query, **by)
        return shown(request, made, SavedViewShape, rights_of(request), status=201)


class OneSavedView(APIView):
    @extend_schema(
        operation_id="saved_views_read", parameters=[fields_of(SavedViewShape)], responses=SavedViewShape
    )
    def get(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = views.shared_view(credential, credential.workspace, pk)
        return shown(request, row, SavedViewShape, rights_of(request))

    @extend_schema(operation_id="saved_views_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = views.shared_view(credential, credential.workspace, pk)
        views.unshare_view(row, actor=credential, now=timezone.now())
        return Response(status=204)
