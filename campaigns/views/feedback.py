"""The pages of feedback webhooks: the list, one as a form, its log of deliveries, and its buttons.

A secret is shown in the answer to the POST that made it and rests nowhere, not even for a redirect.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import MANAGE_WORKSPACE, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from campaigns.feedback import endpoints
from campaigns.forms.feedback import FeedbackForm
from campaigns.models import FeedbackDelivery, FeedbackEndpoint, FeedbackKind
from common.errors import CarillonError, Invalid, NotFound
from common.text import whole_number

PAGE = 50


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = endpoints.list_for(actor_of(request), workspace_of(request))
    return render(request, "campaigns/feedback.html", {"endpoints": rows})


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    require(actor_of(request), MANAGE_WORKSPACE, workspace_of(request))
    return _form(request, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, _endpoint(request, pk))


@login_required
@never_cache
@require_safe
def show_log(request: HttpRequest, pk: int) -> HttpResponse:
    return _log(request, _endpoint(request, pk))


@login_required
@never_cache
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    endpoint = _endpoint(request, pk)
    by: dict[str, Any] = {"actor": actor_of(request), "now": timezone.now()}
    if verb == "rotate":
        secret = endpoints.rotate(endpoint, **by)
        return _log(request, _endpoint(request, pk), secret)
    if verb == "delete":
        endpoints.delete(endpoint, **by)
        messages.success(request, _("Deleted."))
        return redirect("campaigns:feedback")
    if verb in ("switch_on", "switch_off"):
        endpoints.switch(endpoint, on=verb == "switch_on", **by)
    elif verb == "test":
        endpoints.test(endpoint, **by)
        messages.success(request, _("A test is on its way. Its outcome stands below in a few seconds."))
    elif verb == "again":
        _send_again(request, endpoint, by)
    else:
        raise NotFound(_("There is nothing here."))
    return redirect("campaigns:feedback_endpoint", pk)


def _send_again(request: HttpRequest, endpoint: FeedbackEndpoint, by: dict[str, Any]) -> None:
    """The chosen one, or without one all that were given up."""
    named = whole_number(request.POST.get("delivery", ""))
    count = endpoints.send_again(endpoint, deliveries=None if named is None else [named], **by)
    told = ngettext("%(num)s delivery is sent again.", "%(num)s deliveries are sent again.", count)
    messages.success(request, told % {"num": count})


def _endpoint(request: HttpRequest, pk: int) -> FeedbackEndpoint:
    endpoint = endpoints.endpoint_for(actor_of(request), pk)
    request.workspace = endpoint.workspace  # type: ignore[attr-defined]
    return endpoint


def _form(request: HttpRequest, endpoint: FeedbackEndpoint | None) -> HttpResponse:
    form = FeedbackForm(request.POST or None, endpoint=endpoint)
    if request.method == "POST" and form.is_valid():
        by: dict[str, Any] = {"actor": actor_of(request), "now": timezone.now()}
        try:
            if endpoint is None:
                made, secret = endpoints.create(workspace_of(request), **form.cleaned_data, **by)
                return _log(request, made, secret)
            with seen.upon(request, endpoint, lambda: _shown(endpoint)):
                endpoints.change(endpoint, **form.cleaned_data, **by)
        except Invalid as error:
            for problem in error.problems:
                form.add_error(problem.pointer if problem.pointer in form.fields else None, problem.detail)
        except CarillonError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("campaigns:feedback_endpoint", endpoint.pk)
    seen.show(request, _shown(endpoint))
    page = {"form": form, "endpoint": endpoint}
    return render(request, "campaigns/feedback_form.html", page, status=400 if form.errors else 200)


def _shown(endpoint: FeedbackEndpoint | None) -> Any:
    return endpoint and [endpoint.name, endpoint.url, endpoint.kinds, endpoint.only_triggered]


def _log(request: HttpRequest, endpoint: FeedbackEndpoint, secret: str = "") -> HttpResponse:
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    rows = endpoint.deliveries.order_by("-pk")
    if state in FeedbackDelivery.State.values:
        rows = rows.filter(state=state)
    if kind in [*FeedbackKind.values, endpoints.TEST]:
        rows = rows.filter(kind=kind)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    context = {
        "endpoint": endpoint,
        "secret": secret,
        "page": page,
        "query": {name: value for name, value in (("state", state), ("kind", kind)) if value},
        "states": FeedbackDelivery.State.choices,
        "kinds": FeedbackKind.choices,
        "kind_labels": dict(FeedbackKind.choices),
        "given_up": endpoint.deliveries.filter(state=FeedbackDelivery.State.FAILED).count(),
        "waiting": endpoint.deliveries.filter(state=FeedbackDelivery.State.DUE).count(),
        "older_until": endpoint.older_until if endpoint.older_until and endpoint.older_until > now else None,
    }
    return render(request, "campaigns/feedback_log.html", context)
