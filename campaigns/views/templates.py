"""The doors of a workspace's own templates: the list, one with its versions, and beginning with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may
from accounts.doors.callers import actor_of, workspace_of
from audiences.models import Profile
from campaigns import actions, keeping, templates
from campaigns.access import MANAGE, VIEW
from campaigns.forms.content import ContentForm
from campaigns.forms.draft import NewCampaignForm
from campaigns.models import Action, Campaign, ContentTemplate
from campaigns.views import kept
from campaigns.views.common import campaign_of
from campaigns.views.contents import place_of
from campaigns.views.previews import look, preview_page
from channels.kinds import KINDS
from channels.sandbox import RenderError
from common.errors import CarillonError, Conflict, Invalid, NotFound
from common.text import whole_number

PAGE = 24


def template_of(request: HttpRequest, pk: int, permission: str = VIEW) -> ContentTemplate:
    found = templates.template_for(actor_of(request), pk, permission)
    request.workspace = found.workspace  # type: ignore[attr-defined]
    return found


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    """`?search=` part of a name, `?channel=`, `?folder=`, `?tag=`."""
    asked = kept.asked(request, "channel")
    every = templates.list_for(actor_of(request), workspace_of(request))
    rows = keeping.narrowed(every, folder=asked["folder"], tag=asked["tag"])
    rows = rows.filter(name__icontains=asked["search"])
    if asked["channel"]:
        rows = rows.filter(channel=asked["channel"])
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    shown = {"page": page, "asked": asked, "kinds": KINDS, **kept.filters(every)}
    return render(request, "campaigns/templates.html", shown)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    template = template_of(request, pk, MANAGE if request.method == "POST" else VIEW)
    action = Action(campaign=Campaign(revision=template.revision), channel=template.channel)
    form = ContentForm(request.POST or None, action=action, kept=template.content)
    if request.method == "POST" and form.is_valid() and _save(request, form, template):
        messages.success(request, _("Saved."))
        return redirect("campaigns:template", pk)
    actor = actor_of(request)
    page = {
        **kept.placing(request, template, templates.list_for(actor, template.workspace)),
        "template": template,
        "form": form,
        "hidden_part": "html" if template.content.get("mjml") else "mjml",
        "kind": KINDS[template.channel].label,
        "manages": may(actor, MANAGE, template),
        "versions": template.versions.select_related("saved_by")[:50],
        "version": request.GET.get("version", "")[:9],
        "new": NewCampaignForm(initial={"name": template.name, "type": "scheduled", "category": "marketing"}),
    }
    status = 200 if request.method != "POST" else 409 if form.non_field_errors() else 400
    return render(request, "campaigns/template.html", page, status=status)


def _save(request: HttpRequest, form: ContentForm, template: ContentTemplate) -> bool:
    try:
        templates.save(
            template,
            name=request.POST.get("name", template.name),
            description=request.POST.get("description", template.description),
            content=form.written(),
            revision=form.cleaned_data["revision"],
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        for problem in error.problems:
            part = problem.pointer.strip("/")
            form.add_error(part if part in form.fields else None, problem.detail)
        return False
    except CarillonError as error:
        form.add_error(None, error.detail)
        return False
    return True


@login_required
@require_safe
@xframe_options_sameorigin
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """As the workspace's first person would get it; `?version=` of it, `?dark=1` as at night."""
    template = template_of(request, pk)
    person = Profile.objects.filter(workspace=template.workspace).order_by("-is_test", "pk").first()
    page: dict[str, Any] = {"person": person, "channel": template.channel}
    content = template.content
    if "version" in request.GET:
        number = whole_number(request.GET["version"], 10**8) or 0
        content = keeping.numbered(template.versions, number).content
    try:
        message = templates.shown(template, content, person=person)
        page |= {"message": message, **look(message, template.channel, bool(request.GET.get("dark")))}
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    return preview_page(request, page)


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """restore, place, delete."""
    template, actor, now = template_of(request, pk, MANAGE), actor_of(request), timezone.now()
    number = whole_number(request.POST.get("version", ""), 10**8) or 0
    verbs: dict[str, Callable[[], object]] = {
        "restore": lambda: templates.restore(template, number, actor=actor, now=now),
        "place": lambda: kept.place(request, template),
        "delete": lambda: templates.delete(template, actor=actor, now=now),
    }
    if verb not in verbs:
        raise NotFound(_("There is no such page."))
    try:
        verbs[verb]()
    except Invalid as error:
        messages.error(request, error.detail)
        return redirect("campaigns:template", pk)
    messages.success(request, _("Deleted.") if verb == "delete" else _("Saved."))
    return redirect("campaigns:templates") if verb == "delete" else redirect("campaigns:template", pk)


@login_required
@require_POST
def begin(request: HttpRequest, pk: int) -> HttpResponse:
    """A new campaign with what the template says."""
    template = template_of(request, pk, MANAGE)
    form = NewCampaignForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(one) for many in form.errors.values() for one in many))
        return redirect("campaigns:template", pk)
    try:
        made = templates.begin(template, **form.cleaned_data, actor=actor_of(request), now=timezone.now())
    except Invalid as error:
        messages.error(request, error.detail)
        return redirect("campaigns:template", pk)
    return redirect("campaigns:content", made.pk)


@login_required
@require_POST
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """A content of a campaign as a template, by its name."""
    campaign = campaign_of(request, pk)
    place = place_of(request, campaign)
    kept = actions.kept_of(place.action, place.treatment, place.language)
    try:
        made = templates.save_from(
            campaign,
            kept,
            channel=place.action.channel,
            name=request.POST.get("name", "").replace("\0", ""),
            actor=actor_of(request),
            now=timezone.now(),
        )
        messages.success(request, _("Kept as the template “%(name)s”.") % {"name": made.name})
    except (Invalid, Conflict) as error:
        messages.error(request, error.detail)
    return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")
