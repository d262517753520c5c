"""The REST doors of direct-mail files: what became of each, and another try for one that failed."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import rights_on
from accounts.doors.callers import credential_of
from channels import access, mailfiles
from channels.api.shapes import MailFileShape
from common.api import page_of
from common.doors import NEWEST, listed, listing, shown


class Files(APIView):
    @extend_schema(
        operation_id="mail_files_list",
        parameters=listing(MailFileShape, NEWEST),
        responses=page_of(MailFileShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        row = access.configuration_for(credential_of(request), pk)
        rights = rights_on(credential_of(request), [row])[row.pk]
        return listed(request, row.mail_files.all(), MailFileShape, NEWEST, rights=rights)


class Retry(APIView):
    @extend_schema(operation_id="mail_file_retry", request=None, responses=MailFileShape)
    def post(self, request: Request, pk: int, file: int) -> Response:
        """Only of a file that failed; else 409."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        done = mailfiles.retry(row, file, actor=credential, now=timezone.now())
        return shown(request, done, MailFileShape, {access.MANAGE})
