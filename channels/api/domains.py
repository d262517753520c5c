"""The REST doors of sending domains: list, add, read, change, check, delete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from channels import access, domains
from channels.api.configurations import credential_of
from channels.api.shapes import DomainChange, DomainShape, DomainWrite
from common.api import PAGING, CursorPages, page_of
from common.errors import Invalid, Problem


class Domains(APIView):
    @extend_schema(operation_id="sending_domains_list", parameters=PAGING, responses=page_of(DomainShape))
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = access.domains_for(credential, credential.workspace).prefetch_related("dkim_keys")
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(DomainShape(found, many=True).data)

    @extend_schema(operation_id="sending_domains_add", request=DomainWrite, responses={201: DomainShape})
    def post(self, request: Request) -> Response:
        """With its own keys; the answer holds the DNS records to set."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        body = DomainWrite(data=request.data)
        body.is_valid(raise_exception=True)
        with _pointing():
            made = domains.add(
                workspace=credential.workspace, actor=credential, now=timezone.now(), **body.validated_data
            )
        return Response(DomainShape(made).data, status=201)


class OneDomain(APIView):
    @extend_schema(operation_id="sending_domains_read", responses=DomainShape)
    def get(self, request: Request, pk: int) -> Response:
        return Response(DomainShape(access.domain_for(credential_of(request), pk)).data)

    @extend_schema(operation_id="sending_domains_change", request=DomainChange, responses=DomainShape)
    def patch(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        domain = access.domain_for(credential, pk, access.MANAGE)
        body = DomainChange(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        spf = body.validated_data.get("spf", domain.spf)
        with _pointing():
            changed = domains.change(domain, spf=spf, actor=credential, now=timezone.now())
        return Response(DomainShape(changed).data)

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
        return Response(DomainShape(domains.check(domain, actor=credential, now=timezone.now())).data)


@contextmanager
def _pointing() -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        raise Invalid(Problem(p.code, p.detail, f"/{p.pointer}") for p in error.problems) from error
