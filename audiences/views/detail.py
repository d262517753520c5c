"""The page of one audience, and its parts that look at people: sample, who is not reached, why one is in."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts import audit
from accounts.access import may
from accounts.auditwords import who_in_words
from accounts.doors import sharingform
from accounts.doors.callers import actor_of
from audiences import (
    access,
    definitions,
    evaluate,
    evaluations,
    identities,
    lifecycle,
    members,
    reachability,
    sharing,
    uses,
)
from audiences.attributes import labels_of
from audiences.models import AttributeDefinition, Audience
from audiences.timelimit import limited
from audiences.views.common import audience_of
from common.errors import CarillonError, NotFound
from common.text import whole_number

SIZES, LOG, SAMPLE, PAGE = 30, 20, 5, 50
TOLD = {
    "create": gettext_lazy("made it"),
    "change": gettext_lazy("changed it"),
    "save": gettext_lazy("changed its rule"),
    "publish": gettext_lazy("published it"),
    "archive": gettext_lazy("archived it"),
    "unarchive": gettext_lazy("took it out of the archive"),
    "share": gettext_lazy("shared it"),
    "unshare": gettext_lazy("stopped sharing it"),
}
FIELDS = {
    "name": gettext_lazy("name"),
    "description": gettext_lazy("description"),
    "tags": gettext_lazy("tags"),
    "owner": gettext_lazy("owner"),
    "labels": gettext_lazy("labels"),
    "refresh": gettext_lazy("when it is evaluated"),
    "rule": gettext_lazy("rule"),
    "composition": gettext_lazy("composition"),
    "topic": gettext_lazy("topic"),
}


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The recorded size; one that was never counted is brought by a worker. Looking at it writes nothing."""
    audience, actor = audience_of(request, pk), actor_of(request)
    sizes = list(audience.sizes.all()[:SIZES])
    defined = {"rule": audience.rule, "composition": audience.composition}.get(audience.kind)
    page = {
        "audience": audience,
        "sentence": definitions.words(audience, actor),
        "json": json.dumps(defined, indent=2, ensure_ascii=False) if defined is not None else "",
        "is_manager": may(actor, access.MANAGE, audience),
        "sees_people": _sees_people(request, audience),
        "export_address": _address_or_none("audiences:export_csv", pk),
        "actions": lifecycle.available(audience, actor),
        "labels": list(audience.labels.all()),
        "kept": [(key, AttributeDefinition.Type(kind).label) for key, kind in audience.fields.items()],
        "sizes": sizes,
        "largest": max((size.people for size in sizes), default=0) or 1,
        "channels": _channels(sizes[0].reach) if sizes and audience.counted is not None else [],
        "imports": audience.imports.order_by("-pk")[:5],
        "uses": list(uses.seen_by(audience, actor)),
    }
    if page["is_manager"]:
        page |= _for_managers(audience)
    return render(request, "audiences/detail.html", page)


def _for_managers(audience: Audience) -> dict[str, Any]:
    entries = audit.history_of(audience)[:LOG]
    return {
        **sharingform.card(audience, audience.workspace, sharing.SHARING),
        "log": [
            (
                entry.at,
                who_in_words(entry),
                TOLD.get(entry.verb, entry.verb),
                [FIELDS.get(name, name) for name in _changed(entry)],
            )
            for entry in entries
        ],
    }


def _changed(entry: Any) -> list[str]:
    return sorted(entry.details.get("changes", {}))


def _address_or_none(name: str, pk: int) -> str | None:
    try:
        return reverse(name, args=[pk])
    except NoReverseMatch:
        return None


def _channels(reach: dict[str, dict[str, int]]) -> list[tuple[str, str, int, list[tuple[str, str, int]]]]:
    """Each channel, its name, how many are reached, and (code, label, people) of those who are not."""
    return [
        (
            channel,
            channel_name(channel),
            counts.get("", 0),
            [(code, _label(code), people) for code, people in sorted(counts.items()) if code],
        )
        for channel, counts in sorted(reach.items())
    ]


def channel_name(channel: str) -> str:
    return str(reachability.WORDS.get(channel, channel))


def _label(code: str) -> str:
    return str(reachability.REASON_LABELS.get(code, code))


@login_required
@require_POST
def evaluate_now(request: HttpRequest, pk: int) -> HttpResponse:
    audience = audience_of(request, pk, access.MANAGE)
    if evaluations.ask(audience, actor=actor_of(request), now=timezone.now()):
        messages.success(request, _("Evaluated."))
    else:
        messages.info(request, _("This takes longer; the size appears here when it is known."))
    return redirect("audiences:detail", pk)


@login_required
@require_safe
def sample(request: HttpRequest, pk: int) -> HttpResponse:
    """A piece of the audience's page: a few of its people. One that takes too long is left out."""
    audience = audience_of(request, pk)
    page: dict[str, Any] = {"sees_people": _sees_people(request, audience)}
    try:
        with limited(evaluations.AT_ONCE):
            found = evaluate.sample(evaluate.definition(audience), audience.workspace_id, SAMPLE)
        page |= {"people": found, "labels": labels_of(audience.workspace)}
    except OperationalError:
        page["fault"] = _("Finding some takes too long at the moment.")
    except CarillonError as error:
        page["fault"] = error.detail
    return render(request, "audiences/_sample.html", page)


@login_required
@require_safe
def why(request: HttpRequest, pk: int) -> HttpResponse:
    """Condition by condition, why one person is in the audience or not. For who may manage people."""
    audience = audience_of(request, pk)
    access.profiles_for(actor_of(request), audience.workspace)
    asked = request.GET.get("who", "").replace("\0", "").strip()
    page: dict[str, Any] = {"audience": audience, "asked": asked}
    person = identities.named(audience.workspace, asked) if asked else None
    if person:
        page["person"] = person
        try:
            definitions.require_open(audience, actor_of(request))
            with limited(evaluations.AT_ONCE):
                page["told"] = evaluate.explain(evaluate.definition(audience), person)
        except OperationalError:
            page["fault"] = _("Asking this takes too long at the moment.")
        except CarillonError as error:
            page["fault"] = error.detail
    elif asked:
        page["fault"] = _("Nobody in the workspace has this address or number.")
    is_part = bool(getattr(request, "htmx", False))
    return render(request, "audiences/_told.html" if is_part else "audiences/why.html", page)


def _sees_people(request: HttpRequest, audience: Audience) -> bool:
    """People belong to the workspace: one audience shared with somebody does not open its people to them."""
    return may(actor_of(request), access.MANAGE, audience.workspace)


@login_required
@require_safe
def unreached(request: HttpRequest, pk: int, channel: str, code: str) -> HttpResponse:
    """The people behind a number of people not reached."""
    audience = audience_of(request, pk)
    access.profiles_for(actor_of(request), audience.workspace)
    if channel not in reachability.WAYS or code not in reachability.REASON_LABELS:
        raise NotFound(_("There is no such channel or reason."))
    first = whole_number(request.GET.get("after", "")) or 0
    found = members.page(audience, channel=channel, reason=code, after=first, size=PAGE)
    page = {
        "audience": audience,
        "channel": channel_name(channel),
        "label": _label(code),
        "people": found,
        "first": first,
    }
    return render(request, "audiences/unreached.html", page)
