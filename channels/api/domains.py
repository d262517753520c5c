"""The REST doors of sending domains: list, add, read, change, check, delete."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of, rights_of
from channels import access, domains
from channels.api.shapes import DomainChange, DomainShape, DomainWrite
from channels.models import SendingDomain
from common.api import IF_MATCH, choice_of, fields_of, page_of
from common.doors import (
    NEWEST,
    SEARCH,
    body_of,
    listed,
    listing,
    pointing,
    searched,
    shown,
    unchanged,
)

ORDERS = {**NEWEST, "name": "name"}
STATE = OpenApiParameter("state", str, enum=SendingDomain.State.values)


class Domains(APIView):
    @extend_schema(
        operation_id="sending_domains_list",
        parameters=listing(DomainShape, ORDERS, STATE, SEARCH),
        responses=page_of(DomainShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = access.domains_for(credential, credential.workspace).prefetch_related("dkim_keys")
        if state := choice_of(request, "state", SendingDomain.State.values):
            rows = rows.filter(state=state)
        return listed(request, searched(request, rows), DomainShape, ORDERS, rights=rights_of(request))

    @extend_schema(operation_id="sending_domains_add", request=DomainWrite, responses={201: DomainShape})
    def post(self, request: Request) -> Response:
        """With its own keys; the answer holds the DNS records to set."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, DomainWrite)
        with pointing():
            made = domains.add(workspace=credential.workspace, actor=credential, now=timezone.now(), **given)
        return shown(request, made, DomainShape, rights_of(request), status=201)


class OneDomain(APIView):
    @extend_schema(
        operation_id="sending_domains_read", parameters=[fields_of(DomainShape)], responses=DomainShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, access.domain_for(credential_of(request), pk), DomainShape, rights_of(request))

    @extend_schema(
        operation_id="sending_domains_change",
        parameters=[IF_MATCH],
        request=DomainChange,
        responses=DomainShape,
    )
    def patch(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        domain = access.domain_for(credential, pk, access.MANAGE)
        given = body_of(request, DomainChange, partial=True)
        with unchanged(request, domain, DomainShape), pointing():
            spf = given.get("spf", domain.spf)
            changed = domains.change(domain, spf=spf, actor=credential, now=timezone.now())
        return shown(request, changed, DomainShape, rights_of(request))

    @extend_schema(operation_id="sending_domains_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while an active configuration sends from it."""
        credential = credential_of(request)
        domain = access.domain_for(credential, pk, access.MANAGE)
        domains.delete(domain, actor=credential, now=timezone.now())
        return Response(status=204)


class Check(APIView):
    @extend_schema(operation_id="sending_domains_check", request=None, responses=DomainShape)
    def post(self, request: Request, pk: int) -> Response:
        """Asks DNS now."""
        credential = credential_of(request)
        domain = access.domain_for(credential, pk, access.MANAGE)
        checked = domains.check(domain, actor=credential, now=timezone.now())
        return shown(request, checked, DomainShape, rights_of(request))
