"""The door of reports by mail: those of a campaign, one more, one changed, sent, and one less."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import Actor, may
from accounts.doors.callers import actor_of
from campaigns.forms.orders import OrderForm
from campaigns.models import Campaign, ReportOrder
from campaigns.reports import orders as ordering
from campaigns.views.common import campaign_of
from common.errors import Invalid, NotFound
from common.text import whole_number


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def orders(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, ordering.VIEW)
    with timezone.override(ZoneInfo(campaign.workspace.time_zone)):
        for verb, done in (("remove", _("Removed.")), ("send", _("It leaves within a minute."))):
            if verb in request.POST:
                row = _order(campaign, request.POST[verb])
                act = ordering.cancel if verb == "remove" else ordering.send_now
                act(row, actor=actor_of(request), now=timezone.now())
                messages.success(request, done)
                return redirect("campaigns:report_orders", campaign.pk)
        asked = request.GET.get("change")
        changed = _order(campaign, asked) if asked else None
        form = OrderForm(request.POST or None, campaign=campaign, initial=_first(request, changed))
        if request.method == "POST" and form.is_valid() and _saved(request, campaign, changed, form):
            messages.success(request, _("Saved."))
            return redirect("campaigns:report_orders", campaign.pk)
        rows = (
            ReportOrder.objects.filter(campaign=campaign)
            .select_related("created_by", "campaign__workspace")
            .prefetch_related("people")
        )
        page = {
            "campaign": campaign,
            "orders": [(row, *_open_to(row, actor_of(request))) for row in rows],
            "form": form,
            "most": ordering.MOST_ORDERS,
            "changed": changed,
        }
        return render(request, "campaigns/report_orders.html", page, status=400 if form.errors else 200)


def _open_to(row: ReportOrder, actor: Actor) -> tuple[bool, bool]:
    """Whether the actor may change and send it, and whether they may cancel it."""
    return (
        may(actor, ordering.right_to_send(row, actor), row.campaign),
        may(actor, ordering.right_to_cancel(row, actor), row.campaign),
    )


def _first(request: HttpRequest, row: ReportOrder | None) -> dict[str, Any]:
    if row is None:
        tomorrow = datetime.combine(timezone.localdate() + timedelta(days=1), time(8))
        return {"begins_at": tomorrow, "people": [actor_of(request).pk], "every": "week"}
    people = [one.pk for one in row.people.all()]
    return {"begins_at": row.begins_at, "people": people, "every": row.every, "form": row.form}


def _saved(request: HttpRequest, campaign: Campaign, row: ReportOrder | None, form: OrderForm) -> bool:
    given = {**form.cleaned_data, "people": list(form.cleaned_data["people"])}
    if row and "begins_at" not in form.changed_data:
        given["begins_at"] = row.begins_at  # its seconds too, which the form does not show
    by: dict[str, Any] = {"actor": actor_of(request), "now": timezone.now()}
    try:
        if row:
            ordering.change(row, **given, **by)
        else:
            ordering.order(campaign, **given, **by)
    except Invalid as error:
        for problem in error.problems:
            form.add_error(problem.pointer or None, problem.detail)
        return False
    return True


def _order(campaign: Campaign, given: str) -> ReportOrder:
    row = ReportOrder.objects.filter(campaign=campaign, pk=whole_number(given) or 0).first()
    if row is None:
        raise NotFound(_("Somebody has removed it already."))
    return row
