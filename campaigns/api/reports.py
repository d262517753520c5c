"""The REST doors of reports: of a run, a campaign, the workspace, and of several campaigns side by side.

The numbers are those of the pages, from the same functions, each with its definition.
"""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from campaigns import access
from campaigns.api import report_shapes
from campaigns.api.report_shapes import CampaignComparisonShape, ReportShape, WorkspaceReportShape
from campaigns.models import Campaign, Run
from campaigns.reports import overview
from campaigns.reports import report as reporting
from common.api import chosen_fields, fields_of, only
from common.errors import Invalid, NotFound, Problem
from common.text import whole_number

REPORT = "campaigns.view_report"
WINDOWS = ("all", "24h")
ASKED = [
    OpenApiParameter("window", str, enum=WINDOWS, description="all unless told."),
    OpenApiParameter("action", int, description="Only of the message at this position, from 0."),
    fields_of(ReportShape),
]


class RunReport(APIView):
    @extend_schema(operation_id="reports_run", parameters=ASKED, responses=ReportShape)
    def get(self, request: Request, pk: int) -> Response:
        run = access.run_for(credential_of(request), pk, REPORT)
        return _report(request, run.campaign, run)


class CampaignReport(APIView):
    @extend_schema(operation_id="reports_campaign", parameters=ASKED, responses=ReportShape)
    def get(self, request: Request, pk: int) -> Response:
        """All its runs together; proofs and seed copies are not counted."""
        return _report(request, access.campaign_for(credential_of(request), pk, REPORT), None)


def _report(request: Request, campaign: Campaign, run: Run | None) -> Response:
    wanted = chosen_fields(request, ReportShape)
    window = request.query_params.get("window", "all")
    if window not in WINDOWS:
        detail = _("Give one of: %(known)s.") % {"known": ", ".join(WINDOWS)}
        raise Invalid(Problem("unknown_window", detail, "/window"))
    made = reporting.make(
        campaign, run=run, action=_action(request), is_last_day=window == "24h", now=timezone.now()
    )
    return Response(only(report_shapes.told(made), wanted))


def _action(request: Request) -> int | None:
    text = request.query_params.get("action")
    if text is None:
        return None
    number = whole_number(text, 2**15 - 1)
    if number is None:
        raise Invalid(Problem("bad_action", _("Give the position of a message, from 0."), "/action"))
    return number


class WorkspaceReport(APIView):
    @extend_schema(
        operation_id="reports_workspace",
        parameters=[OpenApiParameter("days", int, enum=overview.DAYS, description="30 unless told.")],
        responses=WorkspaceReportShape,
    )
    def get(self, request: Request) -> Response:
        """The runs that began in so many days, campaign by campaign, and all together."""
        caller = credential_of(request)
        require(caller, REPORT, caller.workspace)
        text = request.query_params.get("days", "30")
        if text not in map(str, overview.DAYS):
            detail = _("Give one of: %(known)s.") % {"known": ", ".join(map(str, overview.DAYS))}
            raise Invalid(Problem("unknown_days", detail, "/days"))
        mine = access.list_for(caller, caller.workspace)
        found = overview.of_workspace(mine, days=int(text), now=timezone.now())
        return Response(
            {
                "days": int(text),
                "numbers": report_shapes.numbers(found.total.values()),
                "series": report_shapes.series(found.curve),
                "campaigns": [report_shapes.line(one) for one in found.lines],
            }
        )


class Comparison(APIView):
    @extend_schema(
        operation_id="reports_compare",
        parameters=[
            OpenApiParameter(
                "campaign", int, many=True, required=True, description="One to five, each named by itself."
            )
        ],
        responses=CampaignComparisonShape,
    )
    def get(self, request: Request) -> Response:
        """All runs of each, in the order asked for; a campaign that has sent nothing is left out."""
        caller = credential_of(request)
        require(caller, REPORT, caller.workspace)
        given = list(dict.fromkeys(request.query_params.getlist("campaign")))
        wanted = [pk for one in given if (pk := whole_number(one)) is not None]
        if len(wanted) < len(given) or not 1 <= len(given) <= overview.MOST_COMPARED:
            detail = _("Give the numbers of one to %(most)s campaigns.") % {"most": overview.MOST_COMPARED}
            raise Invalid(Problem("bad_campaigns", detail, "/campaign"))
        mine = access.list_for(caller, caller.workspace)
        if mine.filter(pk__in=wanted).count() < len(set(wanted)):
            raise NotFound(_("There is no such campaign, or you may not see it."))
        return Response({"campaigns": [report_shapes.line(one) for one in overview.compared(mine, wanted)]})
