"""The door of a configuration's limits."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.doors import seen
from accounts.doors.callers import actor_of
from channels import access, limits
from channels.forms import LimitsForm
from channels.views.common import show_faults
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    configuration = access.configuration_for(actor, pk, access.MANAGE)
    request.workspace = configuration.workspace  # type: ignore[attr-defined]
    form = LimitsForm(request.POST or None, limits=limits.of(configuration))
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, configuration, lambda: asdict(limits.of(configuration))):
                limits.change(configuration, **form.cleaned_data, actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. It counts from now on, also for what is being sent."))
            return redirect("channels:detail", pk)
    seen.show(request, asdict(limits.of(configuration)))
    page = {"form": form, "configuration": configuration}
    return render(request, "channels/limits.html", page, status=400 if form.errors else 200)
