"""What a form was filled in upon. Its page sends a mark of what it showed, and the save compares the mark
with what stands there by then: whoever comes second overwrites nothing unknowingly. They are told who was
faster, and may look at it and save again, now upon the newer state.

A request without a mark is a script's own; the REST doors ask it for If-Match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEntry
from common.api import etag_of
from common.doors import hold
from common.errors import Invalid, Problem

FIELD = "seen"  # the name of the hidden field


def mark(shown: Any) -> str:
    """Of the values that a form shows; anything that JSON can hold, or that has a text of its own."""
    return etag_of({"shown": shown}).strip('"')


def values(row: Model) -> dict[str, Any]:
    """Everything that stands in the row, and what it is tied to."""
    meta = row._meta
    found = {one.attname: one.value_from_object(row) for one in meta.concrete_fields}
    tied = {one.name: sorted(other.pk for other in getattr(row, one.name).all()) for one in meta.many_to_many}
    return {**found, **tied}


@contextmanager
def upon(
    request: HttpRequest, row: Model | None, shown: Callable[[], Any], *, names_who: bool = True
) -> Iterator[None]:
    """Saves inside upon what the form showed: the row is locked and read again, and `shown` asked of it.

    Raises Invalid, of the form as a whole, where that is not what the page had. A new thing has no row. Who
    was faster is looked up in the row's own entries; `names_who` is False where they stand elsewhere.
    """
    with transaction.atomic():
        if row is not None:
            hold(row)
            require_same(request.POST.get(FIELD), row if names_who else None, shown())
        yield


def require_same(given: str | None, row: Model | None, shown: Any) -> None:
    if given is not None and given != mark(shown):
        raise Invalid(Problem("changed_since", _faster(row), ""))


def _faster(row: Model | None) -> str:
    """Who, and when, by the log."""
    entries = AuditEntry.objects.none()
    if row is not None:
        entries = AuditEntry.objects.filter(object_type=row._meta.label_lower, object_key=str(row.pk))
    if (last := entries.order_by("-pk").first()) is None:
        return _("Somebody changed it, after you opened it. Look at it again, and save once more.")
    at = f"{timezone.localtime(last.at):%H:%M:%S}"
    detail = _("%(who)s changed it at %(at)s, after you opened it. Look at it again, and save once more.")
    return detail % {"who": last.actor, "at": at}


def show(request: HttpRequest, shown: Any) -> None:
    """Every form of the page that is being answered carries the mark of this."""
    request.seen_mark = mark(shown)  # type: ignore[attr-defined]
