"""The door of reports by mail: those of a campaign, one more, and one less."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.doors.callers import actor_of
from campaigns.forms.orders import OrderForm
from campaigns.models import Campaign, ReportOrder
from campaigns.reports import orders as ordering
from campaigns.views.common import campaign_of
from common.errors import Invalid, NotFound


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def orders(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, ordering.VIEW)
    with timezone.override(ZoneInfo(campaign.workspace.time_zone)):
        if "remove" in request.POST:
            return _remove(request, campaign)
        tomorrow = timezone.localdate() + timedelta(days=1)
        first = {
            "begins_at": datetime.combine(tomorrow, time(8)),
            "people": [actor_of(request).pk],
            "every": "week",
        }
        form = OrderForm(request.POST or None, campaign=campaign, initial=first)
        if request.method == "POST" and form.is_valid() and _ordered(request, campaign, form):
            messages.success(request, _("Saved."))
            return redirect("campaigns:report_orders", campaign.pk)
        rows = (
            ReportOrder.objects.filter(campaign=campaign)
            .select_related("created_by")
            .prefetch_related("people")
        )
        page = {"campaign": campaign, "orders": rows, "form": form, "most": ordering.MOST_ORDERS}
        return render(request, "campaigns/report_orders.html", page, status=400 if form.errors else 200)


def _ordered(request: HttpRequest, campaign: Campaign, form: OrderForm) -> bool:
    given = form.cleaned_data
    try:
        ordering.order(
            campaign,
            every=given["every"],
            form=given["form"],
            people=list(given["people"]),
            begins_at=given["begins_at"],
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        for problem in error.problems:
            form.add_error(problem.pointer or None, problem.detail)
        return False
    return True


def _remove(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    given = request.POST["remove"]
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
    row = ReportOrder.objects.filter(campaign=campaign, pk=number).first()
    if row is None:
        raise NotFound(_("Somebody has removed it already."))
    ordering.cancel(row, actor=actor_of(request), now=timezone.now())
    messages.success(request, _("Removed."))
    return redirect("campaigns:report_orders", campaign.pk)
