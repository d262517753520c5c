"""The REST doors of who may what: roles with their permissions, and access labels with who holds them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import customroles, labels
from accounts.access import MANAGE_WORKSPACE, require
from accounts.models import AccessLabel, ApiCredential, Role
from accounts.roles import PERMISSION_LABELS
from common.api import IF_MATCH, StrictSerializer, fields_of
from common.doors import Acting, body_of, shown, unchanged, whole
from common.errors import Invalid, Problem


class RoleWrite(StrictSerializer):
    title = serializers.CharField(max_length=100)
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(PERMISSION_LABELS)), max_length=len(PERMISSION_LABELS)
    )


class RoleShape(Acting):
    right = MANAGE_WORKSPACE
    id = serializers.IntegerField()
    title = serializers.CharField()
    builtin = serializers.CharField(help_text="Empty for a role of the workspace's own making.")
    permissions = serializers.SerializerMethodField()

    def get_permissions(self, row: Role) -> list[str]:
        return sorted(customroles.permissions_of(row))

    def possible(self, row: Role) -> list[str]:
        return ["change"] if row.builtin else ["change", "delete"]


class RolesShape(StrictSerializer):
    results = RoleShape(many=True)


class LabelWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    roles = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), max_length=100
    )


class LabelShape(Acting):
    right = MANAGE_WORKSPACE
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    roles = serializers.SerializerMethodField()

    def get_roles(self, row: AccessLabel) -> list[int]:
        return sorted(role.pk for role in row.roles.all())


class LabelsShape(StrictSerializer):
    results = LabelShape(many=True)


def _manager(request: Request) -> ApiCredential:
    credential = cast(ApiCredential, request.user)
    require(credential, MANAGE_WORKSPACE, credential.workspace)
    return credential


class Roles(APIView):
    @extend_schema(operation_id="roles_list", parameters=[fields_of(RoleShape)], responses=RolesShape)
    def get(self, request: Request) -> Response:
        rows = Role.objects.filter(workspace=_manager(request).workspace).order_by("pk")
        return Response({"results": whole(request, rows, RoleShape, {MANAGE_WORKSPACE})})

    @extend_schema(operation_id="roles_create", request=RoleWrite, responses={201: RoleShape})
    def post(self, request: Request) -> Response:
        """Nobody holds it yet: people are given roles in the admin site."""
        return shown(request, _save_role(request, None), RoleShape, {MANAGE_WORKSPACE}, status=201)


class OneRole(APIView):
    @extend_schema(operation_id="roles_read", parameters=[fields_of(RoleShape)], responses=RoleShape)
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, _role(request, pk), RoleShape, {MANAGE_WORKSPACE})

    @extend_schema(operation_id="roles_change", parameters=[IF_MATCH], request=RoleWrite, responses=RoleShape)
    def put(self, request: Request, pk: int) -> Response:
        """Works at the next request of whoever holds it."""
        saved = _save_role(request, _role(request, pk))
        return shown(request, saved, RoleShape, {MANAGE_WORKSPACE})

    @extend_schema(operation_id="roles_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 for a built-in role, and while somebody holds it or a credential acts as it."""
        customroles.delete(_role(request, pk), actor=_manager(request), now=timezone.now())
        return Response(status=204)


def _role(request: Request, pk: int) -> Role:
    credential = _manager(request)
    return customroles.role_for(credential, credential.workspace, pk)


def _save_role(request: Request, row: Role | None) -> Role:
    credential = _manager(request)
    given = body_of(request, RoleWrite)
    with unchanged(request, row, RoleShape) if row else nullcontext():
        return customroles.save(
            row, workspace=credential.workspace, **given, actor=credential, now=timezone.now()
        )


class Labels(APIView):
    @extend_schema(
        operation_id="access_labels_list", parameters=[fields_of(LabelShape)], responses=LabelsShape
    )
    def get(self, request: Request) -> Response:
        rows = AccessLabel.objects.filter(workspace=_manager(request).workspace).order_by("name", "pk")
        found = rows.prefetch_related("roles")
        return Response({"results": whole(request, found, LabelShape, {MANAGE_WORKSPACE})})

    @extend_schema(operation_id="access_labels_create", request=LabelWrite, responses={201: LabelShape})
    def post(self, request: Request) -> Response:
        credential, given = _manager(request), _given_label(request)
        made = labels.create(credential.workspace, **given, actor=credential, now=timezone.now())
        return shown(request, made, LabelShape, {MANAGE_WORKSPACE}, status=201)


class OneLabel(APIView):
    @extend_schema(
        operation_id="access_labels_read", parameters=[fields_of(LabelShape)], responses=LabelShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, _label(request, pk), LabelShape, {MANAGE_WORKSPACE})

    @extend_schema(
        operation_id="access_labels_change", parameters=[IF_MATCH], request=LabelWrite, responses=LabelShape
    )
    def put(self, request: Request, pk: int) -> Response:
        """What carries the label is at once visible to the new holders only."""
        row, given = _label(request, pk), _given_label(request)
        with unchanged(request, row, LabelShape):
            changed = labels.change(row, **given, actor=_manager(request), now=timezone.now())
        return shown(request, changed, LabelShape, {MANAGE_WORKSPACE})

    @extend_schema(operation_id="access_labels_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while something carries it."""
        labels.delete(_label(request, pk), actor=_manager(request), now=timezone.now())
        return Response(status=204)


def _label(request: Request, pk: int) -> AccessLabel:
    credential = _manager(request)
    return labels.label_for(credential, credential.workspace, pk)


def _given_label(request: Request) -> dict[str, Any]:
    """A role of another workspace is as unknown as one that does not exist."""
    given = body_of(request, LabelWrite)
    known = Role.objects.filter(workspace=_manager(request).workspace).in_bulk(given["roles"])
    if missing := [place for place, pk in enumerate(given["roles"]) if pk not in known]:
        detail = _("This is not known here. Choose from the list.")
        raise Invalid(Problem("unknown", detail, f"/roles/{place}") for place in missing)
    return given | {"roles": list(known.values())}
