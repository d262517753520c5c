"""The pages on which a rule is built: a new audience by rule, and the rule of one that exists.

Every button posts the whole form to the same address. `do` says what was pressed; the answer is the page, or
for htmx the part of it that changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Workspace
from audiences import access, audiences, definitions, lifecycle, livecount
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.forms.rule import AudienceForm, Builder
from audiences.models import Audience
from audiences.views.common import show_faults, to_page_of
from common.errors import Conflict, Invalid, NotFound, Problem

SAVES = {"draft": Audience.State.DRAFT, "publish": Audience.State.PUBLISHED, "save": None}

OVERTAKEN = gettext_lazy(
    "Somebody saved another version while you worked on this one. Nothing of yours is lost: compare the two, "
    "then save again to replace theirs."
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    return _RulePage(request, workspace, None).answer()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    audience = access.audience_for(actor_of(request), pk, access.MANAGE)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    if audience.kind != Audience.Kind.RULE:
        raise NotFound(_("An uploaded audience has no rule."))
    return _RulePage(request, audience.workspace, audience).answer()


class _RulePage:
    """One request to build or save a rule."""

    def __init__(self, request: HttpRequest, workspace: Workspace, audience: Audience | None) -> None:
        self.request, self.workspace, self.audience = request, workspace, audience
        self.known = Vocabulary(workspace, actor_of(request), audience)
        self.seen_at = audience.changed_at.isoformat() if audience else ""

    def answer(self) -> HttpResponse:
        if self.request.method != "POST":
            builder = Builder.of_rule(self.audience.rule if self.audience else {}, self.known)
            return self.page(builder, AudienceForm(initial=self._initial()))
        builder = Builder.of_post(self.request.POST, self.known)
        verb, *arguments = self.request.POST.get("do", "").split(":")
        if verb in SAVES:
            return self.save(builder, AudienceForm(self.request.POST), verb)
        if verb == "count":
            return self.counted(builder)
        if not builder.said:  # the JSON was not taken over just now
            builder.change(verb, arguments)
        if self.request.htmx:  # type: ignore[attr-defined]
            return render(self.request, "audiences/_builder.html", {"builder": builder, "is_part": True})
        return self.page(builder, self._unchecked())

    def _initial(self) -> dict[str, Any]:
        if self.audience is None:
            return {}
        tags = ", ".join(self.audience.tags)
        return {"name": self.audience.name, "description": self.audience.description, "tags": tags}

    def _unchecked(self) -> AudienceForm:
        """The plain fields as typed; they are checked when saving."""
        names = AudienceForm.base_fields
        return AudienceForm(initial={name: self.request.POST.get(name, "") for name in names})

    def page(self, builder: Builder, form: AudienceForm, *, status: int = 200, **more: Any) -> HttpResponse:
        if self.request.method == "POST":
            builder.settle()
        page = {"builder": builder, "form": form, "audience": self.audience, "seen_at": self.seen_at, **more}
        return render(self.request, "audiences/build.html", page, status=status)

    # ---- counting -----------------------------------------------------------------------------

    def count(self, rule: Any, builder: Builder) -> livecount.Count:
        actor = actor_of(self.request)
        builder.check_named(rule)
        return livecount.count(
            rule,
            self.workspace,
            token=f"{actor.pk} {builder.token}",
            with_people=may(actor, access.MANAGE, self.workspace)
            and not definitions.names_hidden(rule, self.workspace, actor),
        )

    def counted(self, builder: Builder) -> HttpResponse:
        if not self.request.htmx:  # type: ignore[attr-defined]
            builder.settle()
        counted: dict[str, Any] = {"confirmed": "everybody" in self.request.POST}
        try:
            counted["count"] = self.count(builder.draft(), builder)
        except Invalid as error:
            counted["unfinished"] = len({problem.pointer.rpartition("/")[0] for problem in error.problems})
        except livecount.Superseded:
            if self.request.htmx:  # type: ignore[attr-defined]
                return HttpResponse(status=204)
            raise
        if self.request.htmx:  # type: ignore[attr-defined]
            return render(
                self.request, "audiences/_count.html", {"builder": builder, "is_part": True, **counted}
            )
        return self.page(builder, self._unchecked(), **counted)

    # ---- saving -------------------------------------------------------------------------------

    def save(self, builder: Builder, form: AudienceForm, verb: str) -> HttpResponse:
        more: dict[str, Any] = {"confirmed": "everybody" in self.request.POST}
        status = 400
        try:
            rule = builder.rule()
            more["count"] = self.count(rule, builder)
            more["must_confirm"] = not self._is_confirmed(rule, more["count"])
            if form.is_valid() and not more["must_confirm"] and not builder.is_json_pending:
                return to_page_of(self._saved(rule, form, SAVES[verb]))
        except livecount.Superseded:
            raise
        except Conflict as error:
            builder.faults.append(OVERTAKEN)
            status = error.status
        except Invalid as error:
            self._show(error, builder, form)
        return self.page(builder, form, status=status, **more)

    def _is_confirmed(self, rule: Any, count: livecount.Count) -> bool:
        return "everybody" in self.request.POST or not (count.is_everybody or not rule)

    @transaction.atomic
    def _saved(self, rule: Any, form: AudienceForm, state: str | None) -> Audience:
        actor, now = actor_of(self.request), timezone.now()
        values = {
            "name": form.cleaned_data["name"],
            "description": form.cleaned_data["description"],
            "tags": form.given_tags(),
            "rule": rule,
        }
        if self.audience is None:
            return audiences.create(
                self.workspace,
                kind=Audience.Kind.RULE,
                state=state or Audience.State.PUBLISHED,
                actor=actor,
                now=now,
                **values,
            )
        saved = audiences.change(self.audience, seen_at=self._given_seen_at(), actor=actor, now=now, **values)
        if state == Audience.State.PUBLISHED and saved.state == Audience.State.DRAFT:
            saved = lifecycle.apply(saved, "publish", actor=actor, now=now)
        return saved

    def _given_seen_at(self) -> datetime:
        try:
            return datetime.fromisoformat(self.request.POST.get("seen_at", ""))
        except ValueError:
            detail = _("The form of the rule is broken. Load the page again.")
            raise Invalid(Problem("rule_broken_form", detail, "")) from None

    def _show(self, error: Invalid, builder: Builder, form: AudienceForm) -> None:
        """Faults of the plain fields beside them, those of the rule beside their line."""
        plain = [problem for problem in error.problems if problem.pointer in form.fields]
        if plain:
            show_faults(Invalid(plain), form)
        builder.show_faults(Invalid([problem for problem in error.problems if problem not in plain]))
