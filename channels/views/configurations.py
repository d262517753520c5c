"""The doors of a channel configuration: the list, the form, its page, the test dialogue, the buttons."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors import seen, sharingform
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import AccessLabel, User
from channels import (
    access,
    addresses,
    breaker,
    configurations,
    domains,
    lifecycle,
    limits,
    mailfiles,
    sharing,
    uses,
    versions,
    warming,
)
from channels.forms import ConfigurationForm, settings_form, values_of
from channels.models import BounceMailbox, ChannelConfiguration, ConfigurationVersion, Setup, spoken_steps
from channels.providers import registry
from channels.providers.base import Provider, ProviderForm
from channels.views.common import show_faults
from common.errors import Invalid, NotFound
from common.text import whole_number

PRESSED = ("submit", "reactivate", "duplicate", "deactivate", "delete")
TESTED = "tested"  # in the session: the last dialogue that was only a test


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    everything = rows = access.list_for(actor_of(request), workspace_of(request))
    status, channel = request.GET.get("status", ""), request.GET.get("channel", "")
    channels = sorted(set(rows.order_by().values_list("channel", flat=True)))
    if status in ChannelConfiguration.Status.values:
        rows = rows.filter(status=status)
    if channel in channels:
        rows = rows.filter(channel=channel)
    narrowed, chosen = _narrowed(request, rows)
    page = {
        **chosen,
        "narrowing": _narrowing(everything),
        "configurations": narrowed.select_related("created_by").prefetch_related("labels"),
        "providers": dict(registry.choices()),
        "statuses": ChannelConfiguration.Status.choices,
        "channels": channels,
        "status": status,
        "channel": channel,
    }
    return render(request, "channels/list.html", page)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.MANAGE, workspace)
    key = request.GET.get("provider", "")
    if not key:
        return render(request, "channels/choose.html", {"providers": _by_channel()})
    provider = registry.get(key)
    channel = request.GET.get("channel") or provider.channels[0]
    form = ConfigurationForm(request.POST or None, workspace=workspace, actor=actor, channel=channel)
    settings = settings_form(provider, request.POST or None, initial=None)
    if _both_valid(request, form, settings):
        try:
            values = values_of(form, settings, provider, channel)
            made = configurations.create(workspace=workspace, values=values, actor=actor, now=timezone.now())
        except Invalid as error:
            _show(error, form, settings)
        else:
            messages.success(request, _("Saved. Test it now; it can be used once it is active."))
            return redirect("channels:detail", made.pk)
    return _form_page(request, form, settings, provider, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft is saved; of an active one a new version is checked, and its page shows how that went."""
    actor, now = actor_of(request), timezone.now()
    configuration = access.configuration_for(actor, pk, access.MANAGE)
    provider, base = registry.get(configuration.provider), versions.base_of(configuration)
    form = _form(request, configuration, base)
    settings = settings_form(provider, request.POST or None, initial=base.settings)
    if _both_valid(request, form, settings):
        is_active = configuration.status == ChannelConfiguration.Status.ACTIVE
        verb = configurations.update if is_active else configurations.change
        try:
            with seen.upon(request, configuration, lambda: _shown(configuration)):
                pass  # the save asks the other side, and no lock is held over that
            values = values_of(form, settings, provider, configuration.channel)
            done = verb(configuration, values=values, actor=actor, now=now)
        except Invalid as error:
            _show(error, form, settings)
        else:
            _say_saved(request, done)
            return redirect("channels:detail", pk)
    seen.show(request, _shown(configuration))
    return _form_page(request, form, settings, provider, configuration)


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, access.configuration_for(actor_of(request), pk), None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """A POST holds the dialogue, a GET shows what was said as long as nothing was changed."""
    permission = access.MANAGE if request.method == "POST" else access.VIEW
    configuration = access.configuration_for(actor_of(request), pk, permission)
    if request.method == "POST":
        steps = configurations.test(configuration, actor=actor_of(request))
        of = [pk, configuration.changed_at.isoformat()]
        request.session[TESTED] = {"of": of, "at": timezone.now().isoformat(), "steps": steps}
        return redirect("channels:test", pk)
    return _page(request, configuration, _tested(request, configuration))


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    configuration = access.configuration_for(actor, pk, access.MANAGE)
    if verb not in PRESSED:
        raise NotFound(_("There is no such action."))
    if verb in ("submit", "reactivate"):
        getattr(configurations, verb)(configuration, actor=actor, now=now)
    elif verb == "duplicate":
        pk = configurations.duplicate(configuration, actor=actor, now=now).pk
        messages.success(request, _("This is the copy, a draft. Test it when it is as you want it."))
    elif verb == "deactivate":
        lifecycle.deactivate(configuration, actor=actor, now=now, is_sure="sure" in request.POST)
        messages.success(request, _("Deactivated. No message leaves through it from now on."))
    else:
        configurations.delete(configuration, actor=actor, now=now)
        messages.success(request, _("Deleted."))
        return redirect("channels:list")
    return redirect("channels:detail", pk)


@login_required
@require_POST
def retry_file(request: HttpRequest, pk: int, file: int) -> HttpResponse:
    configuration = access.configuration_for(actor_of(request), pk, access.MANAGE)
    mailfiles.retry(configuration, file, actor=actor_of(request), now=timezone.now())
    messages.success(request, _("The file is tried again within a few seconds."))
    return redirect("channels:detail", pk)


@login_required
@require_POST
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives a level, or with `withdraw` takes it away."""
    configuration = access.configuration_for(actor_of(request), pk, access.MANAGE)
    sharingform.write(request, configuration, configuration.workspace, sharing.SHARING)
    return redirect("channels:detail", pk)


# ---- parts --------------------------------------------------------------------------------------
def _narrowing(rows: QuerySet[ChannelConfiguration]) -> dict[str, list[tuple[str, str]]]:
    """By what the list can be narrowed: values and labels of what is there."""
    people = User.objects.filter(pk__in=rows.values("created_by")).order_by("name")
    labels = AccessLabel.objects.filter(pk__in=rows.order_by().values("labels")).order_by("name")
    actions = {name for found in rows.values_list("marketing_actions", flat=True) for name in found}
    return {
        "by": [(str(one.pk), str(one)) for one in people],
        "label": [(str(one.pk), str(one)) for one in labels],
        "action": [(name, name) for name in sorted(actions)],
    }


def _narrowed(
    request: HttpRequest, rows: QuerySet[ChannelConfiguration]
) -> tuple[QuerySet[ChannelConfiguration], dict[str, str]]:
    chosen = {name: request.GET.get(name, "")[:100] for name in ("by", "label", "action", "search")}
    chosen = {name: text.replace("\0", "") for name, text in chosen.items()}
    for name, field in (("by", "created_by"), ("label", "labels")):
        if text := chosen[name]:
            rows = rows.filter(**{field: whole_number(text) or 0})
    if action := chosen["action"]:
        rows = rows.filter(marketing_actions__contains=[action])
    if search := chosen["search"].strip():
        rows = rows.filter(name__icontains=search)
    return rows, chosen


def _by_channel() -> dict[str, list[Provider]]:
    found: dict[str, list[Provider]] = {}
    for provider in registry.PROVIDERS.values():
        for channel in provider.channels:
            found.setdefault(channel, []).append(provider)
    return found


def _form(request: HttpRequest, configuration: ChannelConfiguration, base: Setup) -> ConfigurationForm:
    known = {name: getattr(base, name) for name in ("kind", "sender_name", "sender_email", "reply_to")}
    return ConfigurationForm(
        request.POST or None,
        instance=configuration,
        initial=known,
        workspace=configuration.workspace,
        actor=actor_of(request),
        channel=configuration.channel,
    )


def _shown(configuration: ChannelConfiguration) -> list[Any]:
    base = versions.base_of(configuration)
    own = [configuration.name, configuration.description, configuration.marketing_actions]
    labels = sorted(configuration.labels.values_list("pk", flat=True))
    return [*own, labels, base.credential_id, [getattr(base, name) for name in versions.PLAIN], base.settings]


def _both_valid(request: HttpRequest, form: ConfigurationForm, settings: ProviderForm) -> bool:
    """Both are checked, so that every fault shows at once."""
    return request.method == "POST" and all([form.is_valid(), settings.is_valid()])


def _show(error: Invalid, form: ConfigurationForm, settings: ProviderForm) -> None:
    for problem in error.problems:
        secret = (settings.secret_field, *settings.secret_fields)
        names = {"secret": next(filter(None, secret), ""), "marketing_actions": "actions"}
        pointer = names.get(problem.pointer, problem.pointer.removeprefix("settings/"))
        show_faults(Invalid(type(problem)(problem.code, problem.detail, pointer)), form, settings)


def _say_saved(request: HttpRequest, done: ChannelConfiguration | ConfigurationVersion | None) -> None:
    if isinstance(done, ChannelConfiguration):
        messages.success(request, _("Saved. Test it again; it can be used once it is active."))
    elif done is None:
        messages.success(request, _("Saved. Nothing had to be tested."))
    elif done.state == ConfigurationVersion.State.PASSED:
        messages.success(request, _("The new version passed its test and carries messages from now on."))
    else:
        messages.warning(
            request, _("The new version failed its test. The old one goes on carrying messages.")
        )


def _tested(request: HttpRequest, configuration: ChannelConfiguration) -> dict[str, Any] | None:
    """The reader's last test, `steps` and `at`, where it was one of the configuration as it is."""
    found, now = request.session.get(TESTED), [configuration.pk, configuration.changed_at.isoformat()]
    if found is None or found["of"] != now:
        return None
    return {"steps": spoken_steps(found["steps"]), "at": datetime.fromisoformat(found["at"])}


def _page(
    request: HttpRequest, configuration: ChannelConfiguration, tested: dict[str, Any] | None
) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    request.workspace = configuration.workspace  # type: ignore[attr-defined]
    may_manage = may(actor, access.MANAGE, configuration)
    possible = access.doable(actor, configuration, lifecycle.possible(configuration, now))
    past = list(configuration.versions.select_related("created_by")[:20])
    page = {
        "configuration": configuration,
        "provider": registry.get(configuration.provider),
        "settings": _settings(configuration),
        "setting_names": _setting_names(configuration),
        "files": mailfiles.shown(configuration) if configuration.channel == "direct_mail" else None,
        "addresses": addresses.addresses_of(configuration),
        "versions": past,
        "steps": tested["steps"] if tested else (past[0].dialogue if past else None),
        "tested_at": tested["at"] if tested else None,
        "buttons": [lifecycle.TRANSITIONS[verb] for verb in PRESSED if verb in possible],
        "running": uses.running_over(configuration, actor) if "deactivate" in possible else None,
        "can_edit": bool({"change", "update"} & set(possible)),
        "is_running": lifecycle.running_check(configuration, now) is not None,
        "may_manage": may_manage,
        "labels": configuration.labels.all(),
        "uses": uses.uses_of(configuration, actor),
        "limits": limits.of(configuration),
        "breaker": breaker.of(configuration),
        "mailbox": BounceMailbox.objects.filter(pk=configuration.pk).first(),
        "warm_up": warming.of(configuration.pk, now),
        "domain": domains.of_sender(configuration) if configuration.channel == "email" else None,
    }
    if may_manage:
        page |= sharingform.card(configuration, configuration.workspace, sharing.SHARING)
    return render(request, "channels/detail.html", page)


def _settings(configuration: ChannelConfiguration) -> list[tuple[str, object]]:
    """The provider's settings with their labels; a choice as its words. In the order of the form; what is not
    set, or is folded up there and as it always is, is left out.
    """
    form = registry.get(configuration.provider).Form(initial=configuration.settings)
    first = [(bound, False) for bound in form.first_fields()]
    folded = [(bound, True) for _part, bounds, _is_open in form.folded_parts() for bound in bounds]
    shown = []
    for bound, is_folded in first + folded:
        value, field = configuration.settings.get(bound.name), bound.field
        if value in (None, "", False) or (is_folded and value == field.initial):
            continue
        shown.append((str(bound.label), dict(getattr(field, "choices", ())).get(value, value)))
    return shown


def _setting_names(configuration: ChannelConfiguration) -> dict[str, str]:
    fields = registry.get(configuration.provider).Form.base_fields
    return {name: str(field.label or name) for name, field in fields.items()}


def _form_page(
    request: HttpRequest,
    form: ConfigurationForm,
    settings: ProviderForm,
    provider: Provider,
    configuration: ChannelConfiguration | None,
) -> HttpResponse:
    possible = lifecycle.possible(configuration, timezone.now()) if configuration else ["change"]
    page = {
        "form": form,
        "settings_form": settings,
        "provider": provider,
        "configuration": configuration,
        "is_open": bool({"change", "update"} & set(possible)),
    }
    status = 400 if form.errors or settings.errors else 200
    return render(request, "channels/form.html", page, status=status)
