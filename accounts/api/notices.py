"""The REST door of notices: what the people of the workspace were told, for a system that passes it on.

A notice is a person's own; a credential reads those of everybody, so it needs the right to manage the
workspace, and sees none about what it may not see.
"""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import notices
from accounts.access import MANAGE_WORKSPACE, require
from accounts.models import ApiCredential, Notification
from common.api import SparseSerializer, choice_of, chosen_fields, flag_of, only, ordered, page_of
from common.doors import listing

ORDERS = {"created": "pk"}


class NoticeShape(SparseSerializer):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    sentence = serializers.SerializerMethodField(help_text="In the language of Accept-Language.")
    person = serializers.EmailField(source="user.email")
    address = serializers.CharField(help_text="The page it leads to, below this installation's own address.")
    at = serializers.DateTimeField()
    readAt = serializers.DateTimeField(source="read_at", allow_null=True)

    def get_sentence(self, row: Notification) -> str:
        return notices.words(row)


class Notices(APIView):
    @extend_schema(
        operation_id="notices_list",
        parameters=listing(
            NoticeShape,
            ORDERS,
            OpenApiParameter("kind", str, enum=sorted(notices.KINDS)),
            OpenApiParameter("unread", bool, description="Only those that nobody has opened yet."),
        ),
        responses=page_of(NoticeShape),
    )
    def get(self, request: Request) -> Response:
        """A page may hold fewer than `limit`: those about what the credential may not see are left out."""
        credential = cast(ApiCredential, request.user)
        require(credential, MANAGE_WORKSPACE, credential.workspace)
        wanted, pages = chosen_fields(request, NoticeShape), ordered(request, ORDERS, "-created")
        rows = Notification.objects.filter(workspace=credential.workspace).select_related("user")
        if kind := choice_of(request, "kind", sorted(notices.KINDS)):
            rows = rows.filter(kind=kind)
        if flag_of(request, "unread"):
            rows = rows.filter(read_at=None)
        found: Any = pages.paginate_queryset(rows, request) or []
        told = NoticeShape(notices.visible(credential, found), many=True).data
        return pages.get_paginated_response([only(row, wanted) for row in told])
