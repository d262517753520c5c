"""The REST doors of the fields and the namespaces a workspace defines."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from audiences import access, attributes, conversions, namespaces
from audiences.api.bodies import credential_of
from audiences.api.shapes import AttributeChange, AttributeShape, NamespaceShape
from audiences.tasks import ring_conversion


class Attributes(APIView):
    @extend_schema(operation_id="attributes_list", responses=AttributeShape(many=True))
    def get(self, request: Request) -> Response:
        """All of the workspace, by key; there are at most 500."""
        credential = credential_of(request)
        rows = access.attributes_for(credential, credential.workspace)
        return Response(AttributeShape(rows, many=True).data)

    @extend_schema(operation_id="attributes_define", request=AttributeShape, responses={201: AttributeShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        body = AttributeShape(data=request.data)
        body.is_valid(raise_exception=True)
        made = attributes.define(
            credential.workspace, actor=credential, now=timezone.now(), **body.validated_data
        )
        return Response(AttributeShape(made).data, status=201)


class OneAttribute(APIView):
    @extend_schema(operation_id="attributes_read", responses=AttributeShape)
    def get(self, request: Request, key: str) -> Response:
        credential = credential_of(request)
        return Response(AttributeShape(access.attribute_for(credential, credential.workspace, key)).data)

    @extend_schema(
        operation_id="attributes_change",
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
        body = AttributeChange(data=request.data)
        body.is_valid(raise_exception=True)
        given = {"label": found.label, "type": found.type, "choices": found.choices, **body.validated_data}
        changed = attributes.change(found, actor=credential, now=timezone.now(), **given)
        if begun := conversions.running(changed):
            ring_conversion(begun.pk)
        return Response(AttributeShape(changed).data, status=202 if begun else 200)

    @extend_schema(operation_id="attributes_remove", responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Takes the value from everybody; 409 while an audience asks for it."""
        credential = credential_of(request)
        found = access.attribute_for(credential, credential.workspace, key)
        attributes.remove(found, actor=credential, now=timezone.now())
        return Response(status=204)


class Namespaces(APIView):
    @extend_schema(operation_id="namespaces_list", responses=NamespaceShape(many=True))
    def get(self, request: Request) -> Response:
        """The built-in ones first, then the workspace's own; there are at most 55."""
        credential = credential_of(request)
        require(credential, access.VIEW, credential.workspace)
        known = list(namespaces.namespaces_of(credential.workspace).values())
        return Response(NamespaceShape(known, many=True).data)

    @extend_schema(operation_id="namespaces_add", request=NamespaceShape, responses={201: NamespaceShape})
    def post(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        body = NamespaceShape(data=request.data)
        body.is_valid(raise_exception=True)
        made = namespaces.add_namespace(
            credential.workspace, actor=credential, now=timezone.now(), **body.validated_data
        )
        shown = namespaces.Namespace(made.key, made.label, is_single=False, pk=made.pk)
        return Response(NamespaceShape(shown).data, status=201)


class OneNamespace(APIView):
    @extend_schema(operation_id="namespaces_remove", responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """409 while somebody has an identity in it; the built-in ones stay."""
        credential = credential_of(request)
        found = access.namespace_for(credential, credential.workspace, key)
        namespaces.remove_namespace(found, actor=credential, now=timezone.now())
        return Response(status=204)
