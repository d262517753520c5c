"""The doors of sending domains: the list, a new one, its records with their live status."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from channels import access, domains, records
from channels.forms import DomainForm
from channels.models import SendingDomain
from channels.views.common import show_faults
from common.errors import Invalid


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = access.domains_for(actor_of(request), workspace_of(request))
    return render(request, "channels/domains.html", {"domains": rows})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.MANAGE, workspace)
    form = DomainForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = domains.add(workspace=workspace, **form.cleaned_data, actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(
                request, _("Added, with its own keys. Now set these records where its DNS is kept.")
            )
            return redirect("channels:domain", made.pk)
    return render(request, "channels/domain_form.html", {"form": form}, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A POST changes who may send for it."""
    actor, is_post = actor_of(request), request.method == "POST"
    domain = access.domain_for(actor, pk, access.MANAGE if is_post else access.VIEW)
    request.workspace = domain.workspace  # type: ignore[attr-defined]
    form = DomainForm(request.POST or None, initial={"spf": domain.spf})
    del form.fields["name"]
    if is_post and form.is_valid():
        try:
            domains.change(domain, spf=form.cleaned_data["spf"], actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. The SPF record below is new; set it and check again."))
            return redirect("channels:domain", pk)
    page = {
        "domain": domain,
        "records": domains.shown(domain),
        "form": form,
        "senders": domains.senders_from(domain),
        "may_manage": may(actor, access.MANAGE, domain.workspace),
    }
    return render(request, "channels/domain.html", page, status=400 if form.errors else 200)


@login_required
@require_POST
def check(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    domain = access.domain_for(actor, pk, access.MANAGE)
    found = domains.check(domain, actor=actor, now=timezone.now())
    if any(said["verdict"] == records.UNKNOWN for said in found.findings.values()):
        messages.warning(
            request, _("DNS did not answer for every record; where it did not, nothing has changed.")
        )
    elif found.state == SendingDomain.State.VERIFIED:
        messages.success(request, _("Verified. Every record that is needed is there."))
    else:
        messages.warning(request, _("Checked. Some records are not there yet, or not as they should be."))
    return redirect("channels:domain", pk)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    domain = access.domain_for(actor, pk, access.MANAGE)
    domains.delete(domain, actor=actor, now=timezone.now())
    messages.success(request, _("Removed, with its keys."))
    return redirect("channels:domains")
