"""The doors of channels: the list, the form, the test dialogue and the buttons."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.models import User, Workspace
from channels import access, configurations
from channels.forms import ConfigurationForm, settings_form, values_of
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import Provider, ProviderForm
from common.errors import Invalid, NotFound

VERBS = ("submit", "reactivate", "deactivate")


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)


def _buttons(request: HttpRequest, configuration: ChannelConfiguration) -> list[tuple[str, str]]:
    if not may(_actor(request), access.MANAGE, configuration):
        return []
    possible = [verb for verb in VERBS if configurations.can(verb, configuration, timezone.now())]
    return [(verb, str(configurations.TRANSITIONS[verb].label)) for verb in possible]


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    workspace: Workspace | None = getattr(request, "workspace", None)
    rows = access.list_for(_actor(request), workspace) if workspace else []
    providers = dict(registry.choices())
    return render(request, "channels/list.html", {"configurations": rows, "providers": providers})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace."))
    require(_actor(request), access.MANAGE, workspace)
    key = request.GET.get("provider", "")
    if not key:
        return render(request, "channels/choose.html", {"providers": registry.PROVIDERS.values()})
    provider = registry.get(key)
    form, settings = ConfigurationForm(request.POST or None), settings_form(provider, request.POST or None)
    if _both_valid(request, form, settings):
        try:
            made = configurations.create(
                workspace=workspace,
                values=values_of(form, settings, provider),
                actor=_actor(request),
                now=timezone.now(),
            )
        except Invalid as error:
            _show(error, form)
        else:
            messages.success(request, _("Saved. Test it now; it can be used once it is active."))
            return redirect("channels:test", made.pk)
    return _form_page(request, form, settings, provider, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    configuration = access.configuration_for(_actor(request), pk, access.MANAGE)
    provider = registry.get(configuration.provider)
    form = ConfigurationForm(request.POST or None, instance=configuration)
    settings = settings_form(provider, request.POST or None, configuration=configuration)
    if _both_valid(request, form, settings):
        try:
            values = values_of(form, settings, provider)
            configurations.change(configuration, values=values, actor=_actor(request), now=timezone.now())
        except Invalid as error:
            _show(error, form)
        else:
            messages.success(request, _("Saved. Test it again; it can be used once it is active."))
            return redirect("channels:test", pk)
    return _form_page(request, form, settings, provider, configuration)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """A GET shows the button; a POST holds the dialogue and shows it."""
    permission = access.MANAGE if request.method == "POST" else access.VIEW
    configuration = access.configuration_for(_actor(request), pk, permission)
    steps = configurations.test(configuration) if request.method == "POST" else None
    return _dialogue(request, configuration, steps)


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    configuration = access.configuration_for(_actor(request), pk, access.MANAGE)
    if verb == "deactivate":
        configurations.deactivate(configuration, _actor(request), timezone.now())
        messages.success(request, _("Deactivated. No message leaves through it from now on."))
        return redirect("channels:list")
    if verb not in VERBS:
        raise NotFound(_("There is no such action."))
    move = configurations.submit if verb == "submit" else configurations.reactivate
    return _dialogue(request, configuration, move(configuration, _actor(request), timezone.now()))


def _both_valid(request: HttpRequest, form: ConfigurationForm, settings: ProviderForm) -> bool:
    """Both are checked, so that every fault shows at once."""
    return request.method == "POST" and all([form.is_valid(), settings.is_valid()])


def _show(error: Invalid, form: ConfigurationForm) -> None:
    for problem in error.problems:
        form.add_error(problem.pointer if problem.pointer in form.fields else None, str(problem.detail))


def _dialogue(request: HttpRequest, configuration: ChannelConfiguration, steps: object) -> HttpResponse:
    context = {
        "configuration": configuration,
        "steps": steps,
        "buttons": _buttons(request, configuration),
        "may_manage": may(_actor(request), access.MANAGE, configuration),
        "can_change": configurations.can("change", configuration, timezone.now()),
    }
    return render(request, "channels/test.html", context)


def _form_page(
    request: HttpRequest,
    form: ConfigurationForm,
    settings: ProviderForm,
    provider: Provider,
    configuration: ChannelConfiguration | None,
) -> HttpResponse:
    context = {
        "form": form,
        "settings_form": settings,
        "provider": provider,
        "configuration": configuration,
        "is_open": configuration is None or configurations.can("change", configuration, timezone.now()),
    }
    return render(
        request, "channels/form.html", context, status=400 if form.errors or settings.errors else 200
    )
