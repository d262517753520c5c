"""The pages of what a workspace keeps about its people: attributes and namespaces."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from audiences import access, attributes, conversions, namespaces, values
from audiences.forms.attributes import AttributeForm, NamespaceForm
from audiences.models import AttributeDefinition
from audiences.tasks import ring_conversion
from audiences.views.common import show_faults
from common.errors import IllegalTransition, Invalid


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    return _list(request, NamespaceForm(prefix="namespace"))


def _list(request: HttpRequest, adding: NamespaceForm, status: int = 200) -> HttpResponse:
    workspace, actor = workspace_of(request), actor_of(request)
    require(actor, access.MANAGE, workspace)
    holders, is_estimate = values.holders(workspace.pk)
    seen = set(access.list_for(actor, workspace).values_list("pk", flat=True))
    used = {
        key: [audience for audience in found if audience.pk in seen]
        for key, found in values.used_in(workspace.pk).items()
    }
    definitions = access.attributes_for(actor, workspace)
    told = {one.pk: found for one in definitions if (found := conversions.last_of(one))}
    page = {
        "definitions": definitions,
        "conversions": told,
        "converting": any(not one.is_over for one in told.values()),
        "reasons": conversions.REASONS,
        "holders": holders,
        "is_estimate": is_estimate,
        "used": used,
        "namespaces": list(namespaces.namespaces_of(workspace).values()),
        "adding": adding,
    }
    return render(request, "audiences/attributes.html", page, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def define(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = AttributeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            attributes.define(
                workspace,
                key=given["key"],
                type=given["type"],
                label=given["label"],
                choices=given["choices"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:attributes")
    status = 400 if form.errors else 200
    return render(request, "audiences/attribute.html", {"form": form, "definition": None}, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, key: str) -> HttpResponse:
    definition = _definition(request, key)
    first = _shown(definition)
    form = AttributeForm(request.POST if request.method == "POST" else None, initial=first)
    del form.fields["key"]
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, definition, lambda: _shown(definition)):
                changed = attributes.change(
                    definition, actor=actor_of(request), now=timezone.now(), **form.cleaned_data
                )
        except Invalid as error:
            show_faults(error, form)
        except IllegalTransition as error:
            form.add_error("type", error.detail)
        else:
            if running := conversions.running(changed):
                ring_conversion(running.pk)
                messages.info(
                    request, _("The values are being checked and converted; this page shows how far it is.")
                )
            else:
                messages.success(request, _("Saved."))
            return redirect("audiences:attributes")
    seen.show(request, _shown(definition))
    page = {"form": form, "definition": definition}
    return render(request, "audiences/attribute.html", page, status=400 if form.errors else 200)


def _shown(definition: AttributeDefinition) -> dict[str, Any]:
    return {"label": definition.label, "type": definition.type, "choices": definition.choices}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, key: str) -> HttpResponse:
    """Says in numbers what goes, and asks once."""
    definition = _definition(request, key)
    if request.method == "POST":
        people = attributes.remove(definition, actor=actor_of(request), now=timezone.now())
        told = ngettext(
            "Removed, with the value of %(num)s person.",
            "Removed, with the values of %(num)s people.",
            people,
        )
        messages.success(request, told % {"num": people})
        return redirect("audiences:attributes")
    holders, is_estimate = values.holders(definition.workspace_id)
    page = {"definition": definition, "people": holders.get(key, 0), "is_estimate": is_estimate}
    return render(request, "audiences/attribute_remove.html", page)


@login_required
@require_POST
def add_namespace(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    form = NamespaceForm(request.POST, prefix="namespace")
    if form.is_valid():
        try:
            namespaces.add_namespace(
                workspace, actor=actor_of(request), now=timezone.now(), **form.cleaned_data
            )
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:attributes")
    return _list(request, form, status=400)


@login_required
@require_POST
def remove_namespace(request: HttpRequest, key: str) -> HttpResponse:
    found = access.namespace_for(actor_of(request), workspace_of(request), key)
    namespaces.remove_namespace(found, actor=actor_of(request), now=timezone.now())
    messages.success(request, _("Removed."))
    return redirect("audiences:attributes")


def _definition(request: HttpRequest, key: str) -> AttributeDefinition:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    return access.attribute_for(actor_of(request), workspace, key)
