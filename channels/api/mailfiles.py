"""The REST doors of direct-mail files: what became of each, and another try for one that failed."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from channels import access, mailfiles
from channels.api.configurations import credential_of
from channels.api.shapes import MailFileShape
from common.api import PAGING, CursorPages, page_of


class Files(APIView):
    @extend_schema(operation_id="mail_files_list", parameters=PAGING, responses=page_of(MailFileShape))
    def get(self, request: Request, pk: int) -> Response:
        row = access.configuration_for(credential_of(request), pk)
        pages = CursorPages()
        found = pages.paginate_queryset(row.mail_files.all(), request, view=self)
        return pages.get_paginated_response(MailFileShape(found, many=True).data)


class Retry(APIView):
    @extend_schema(operation_id="mail_file_retry", request=None, responses=MailFileShape)
    def post(self, request: Request, pk: int, file: int) -> Response:
        """Only of a file that failed; else 409."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        done = mailfiles.retry(row, file, actor=credential, now=timezone.now())
        return Response(MailFileShape(done).data)
