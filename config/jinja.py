"""The environment our pages render in: translations, addresses, icons, and numbers and times as the reader
writes them. `page_context` adds what the frame around every page shows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.template.backends.utils import csrf_input
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timesince, timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from accounts import heartbeat, notices, switch
from accounts.access import rights_in, workspaces_of
from accounts.doors import seen
from accounts.middleware import HERE
from accounts.models import User
from audiences.typed import written
from common import percents
from common.wording import colon, comma, listed
from config.guide.topics import topic_of

_STORED_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")  # as audiences.typed stores them
STARTED = time.monotonic()  # this process; in its first minute the others may be starting too
STARTING = 60  # seconds
ICONS = Path(settings.ROOT) / "templates" / "icons"


def environment(**options: Any) -> Environment:
    env = Environment(  # noqa: S701  Django asks for autoescape in options
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, **options
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]
        translation.gettext,
        translation.ngettext,
        newstyle=True,
        pgettext=translation.pgettext,
        npgettext=translation.npgettext,
    )
    env.globals["ngettext"] = _counted(cast(Callable[..., str], env.globals["ngettext"]))
    env.globals.update(url=url, address_or_none=address_or_none, static=static, icon=icon, now=timezone.now)
    env.globals.update(comma=comma, colon=colon)
    env.filters.update(
        number=number, percent=percent, part=percents.in_words, confidence=confidence, since=since
    )
    env.filters.update(datetime=local_datetime, time=local_time, listed=listed)
    env.filters.update(written=written, readable=readable, clock=clock, weekday=weekday, month=month, day=day)
    return env


def _counted(ngettext: Callable[..., str]) -> Callable[..., str]:
    """`%(num)s` as every other number is written."""

    @pass_context
    def counted(context: Context, one: str, many: str, num: int, **values: Any) -> str:
        return ngettext(context, one, many, num, **{"num": number(num), **values})

    return counted


def url(name: str, *args: Any, **kwargs: Any) -> str:
    return reverse(name, args=args, kwargs=kwargs)


def address_or_none(name: str) -> str | None:
    """The address of a page, or None where this installation has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


@cache
def icon(name: str) -> Markup:
    """An inline SVG from templates/icons; it inherits size and colour, and says nothing to screen readers."""
    return Markup((ICONS / f"{name}.svg").read_text())  # noqa: S704  our own file, named by our own templates


def number(value: float | None) -> str:
    return "–" if value is None else formats.number_format(value)


def percent(value: float | None, digits: int = 1, toward: str = "") -> str:
    return "–" if value is None else percents.in_words(percents.cut(value, digits, toward), digits)


def confidence(value: float) -> str:
    """How sure something is: 95 only from 95 on."""
    return percents.in_words(percents.sure(value, 1), 1)


def local_datetime(value: datetime | None) -> str:
    # Translators: Django's date format; 23 Nov 2026, 14:05
    return (
        "–"
        if value is None
        else formats.date_format(timezone.localtime(value), pgettext("date", "j M Y, H:i"))
    )


def local_time(value: datetime | None) -> str:
    return "–" if value is None else f"{timezone.localtime(value):%H:%M:%S}"


def clock(value: datetime) -> str:
    return formats.date_format(timezone.localtime(value), "H:i")


def day(value: datetime) -> str:
    # Translators: Django's date format; 23 Nov 2026
    return formats.date_format(timezone.localtime(value), pgettext("date", "j M Y"))


def weekday(value: date) -> str:
    return formats.date_format(value, "D")


def month(value: date) -> str:
    return formats.date_format(value, "M")


def since(value: datetime) -> str:
    if (timezone.now() - value).total_seconds() < 60:
        return _("just now")
    return _("%(duration)s ago") % {"duration": timesince.timesince(value, depth=1)}


def readable(value: Any) -> str:
    """A stored value, of an attribute say, for the eye: dates and yes or no as the reader writes them."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str) and _STORED_TIME.fullmatch(value):
        with suppress(ValueError):
            if len(value) == 10:
                # Translators: Django's date format; 23 Nov 2026
                return formats.date_format(date.fromisoformat(value), pgettext("date", "j M Y"))
            return local_datetime(datetime.fromisoformat(value))
    return listed(value) if isinstance(value, list) else written(value)


def page_context(request: HttpRequest) -> dict[str, Any]:
    workspace = getattr(request, "workspace", None)
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    context: dict[str, Any] = {
        "user": user,
        "workspace": workspace,
        "workspaces": SimpleLazyObject(lambda: list(workspaces_of(cast(User, user))) if signed_in else []),
        "language": translation.get_language() or "en",
        "theme": getattr(request, "theme", "light"),
        "may": _permission_test(request, workspace),
        "csrf_input": SimpleLazyObject(lambda: _form_marks(request)),
        "demo": settings.DEMO,
        "help_topic": topic_of(request.resolver_match),
        "main_switch": SimpleLazyObject(lambda: switch.standing(workspace) if workspace else None),
        "silent_parts": SimpleLazyObject(silent_parts),
        "just_started": time.monotonic() - STARTED < STARTING,
        "unread": SimpleLazyObject(lambda: notices.unread_count(cast(User, user)) if signed_in else 0),
    }
    if settings.DEMO:
        from config.demo.people import PEOPLE

        context["demo_people"] = PEOPLE
    return context


def _form_marks(request: HttpRequest) -> Markup:
    """What every form of ours carries: the mark against forged ones, the workspace of its page, and the mark
    of what the page shows, where it shows something to be changed.
    """
    marks = Markup(csrf_input(request))  # noqa: S704  Django has escaped it
    workspace = getattr(request, "workspace", None)
    more = {HERE: workspace.slug if workspace else "", seen.FIELD: getattr(request, "seen_mark", "")}
    for name, value in more.items():
        if value:
            marks += Markup('<input type="hidden" name="{}" value="{}">').format(name, value)
    return marks


def silent_parts() -> list[str]:
    """The parts the clock rings for that were not seen lately: a worker, or the clock itself, is away."""
    seen, never = heartbeat.parts(now=timezone.now()), heartbeat.SILENT + 1
    names = {heartbeat.CLOCK: _("clock"), "bulk": _("bulk worker"), "urgent": _("urgent worker")}
    return [name for part, name in names.items() if seen.get(part, never) > heartbeat.SILENT]


def _permission_test(request: HttpRequest, workspace: Any) -> Callable[[str], bool]:
    @cache  # for one page: its frame asks for a right at each entry
    def held() -> set[str]:
        return rights_in(cast(User, request.user), workspace) if workspace is not None else set()

    return lambda permission: permission in held()
