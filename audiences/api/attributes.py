"""The REST doors of the fields and the namespaces a workspace defines."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from audiences import access, attributes, conversions, namespaces
from audiences.api.shapes import (
    AttributeChange,
    AttributeShape,
    AttributeWrite,
    NamespaceShape,
    NamespaceWrite,
)
from audiences.tasks import ring_conversion
from common.api import IF_MATCH, fields_of
from common.doors import body_of, shown, unchanged, whole
from common.errors import NotFound


class Attributes(APIView):
    @extend_schema(
        operation_id="attributes_list",
        parameters=[fields_of(AttributeShape)],
        responses=AttributeShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """All of the workspace, by key; there are at most 500."""
        credential = credential_of(request)
        rows = access.attributes_for(credential, credential.workspace)
        return Response(whole(request, rows, AttributeShape, rights_of(request)))

    @extend_schema(operation_id="attributes_define", request=AttributeWrite, responses={201: AttributeShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, AttributeWrite)
        made = attributes.define(credential.workspace, actor=credential, now=timezone.now(), **given)
        return shown(request, made, AttributeShape, rights_of(request), status=201)


class OneAttribute(APIView):
    @extend_schema(
        operation_id="attributes_read", parameters=[fields_of(AttributeShape)], responses=AttributeShape
    )
    def get(self, request: Request, key: str) -> Response:
        credential = credential_of(request)
        found = access.attribute_for(credential, credential.workspace, key)
        return shown(request, found, AttributeShape, rights_of(request))

    @extend_schema(
        operation_id="attributes_change",
        parameters=[IF_MATCH],
        request=AttributeChange,
        responses={200: AttributeShape, 202: AttributeShape},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Another type converts everybody's value, or is refused when some do not fit. Of many people that
        takes time: the answer is 202, and `conversion` tells how far it is. While that is "checking" nothing
        has changed; while it is "converting" no rule may ask for the attribute.
        """
        credential = credential_of(request)
        found = access.attribute_for(credential, credential.workspace, key)
        body = body_of(request, AttributeChange)
        with unchanged(request, found, AttributeShape):
            given = {"label": found.label, "type": found.type, "choices": found.choices, **body}
            changed = attributes.change(found, actor=credential, now=timezone.now(), **given)
        if begun := conversions.running(changed):
            ring_conversion(begun.pk)
        return shown(request, changed, AttributeShape, rights_of(request), status=202 if begun else 200)

    @extend_schema(operation_id="attributes_remove", responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Takes the value from everybody; 409 while an audience asks for it."""
        credential = credential_of(request)
        found = access.attribute_for(credential, credential.workspace, key)
        attributes.remove(found, actor=credential, now=timezone.now())
        return Response(status=204)


class Namespaces(APIView):
    @extend_schema(
        operation_id="namespaces_list",
        parameters=[fields_of(NamespaceShape)],
        responses=NamespaceShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """The built-in ones first, then the workspace's own; there are at most 55."""
        credential = credential_of(request)
        require(credential, access.VIEW, credential.workspace)
        known = namespaces.namespaces_of(credential.workspace).values()
        return Response(whole(request, known, NamespaceShape, rights_of(request)))

    @extend_schema(operation_id="namespaces_add", request=NamespaceWrite, responses={201: NamespaceShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, NamespaceWrite)
        made = namespaces.add_namespace(credential.workspace, actor=credential, now=timezone.now(), **given)
        added = namespaces.Namespace(made.key, made.label, is_single=False, pk=made.pk)
        return shown(request, added, NamespaceShape, rights_of(request), status=201)


class OneNamespace(APIView):
    @extend_schema(
        operation_id="namespaces_read", parameters=[fields_of(NamespaceShape)], responses=NamespaceShape
    )
    def get(self, request: Request, key: str) -> Response:
        credential = credential_of(request)
        require(credential, access.VIEW, credential.workspace)
        found = namespaces.namespaces_of(credential.workspace).get(key)
        if found is None:
            raise NotFound(_("There is no such namespace of the workspace's own."))
        return shown(request, found, NamespaceShape, rights_of(request))

    @extend_schema(operation_id="namespaces_remove", responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """409 while somebody has an identity in it; the built-in ones stay."""
        credential = credential_of(request)
        found = access.namespace_for(credential, credential.workspace, key)
        namespaces.remove_namespace(found, actor=credential, now=timezone.now())
        return Response(status=204)
