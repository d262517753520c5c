"""What the pages of fragments, templates and files share: where one lies, its labels, and a list narrowed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.access import labels_held
from accounts.doors import seen
from accounts.doors.callers import actor_of
from campaigns import keeping, listing, shelf
from campaigns.views.common import chosen_labels


def asked(request: HttpRequest, *names: str) -> dict[str, str]:
    """Those filters of the address, and those that every list of the library has."""
    names = (*names, "search", "folder", "tag")
    return {name: request.GET.get(name, "").replace("\0", "")[:100] for name in names}


def filters(rows: keeping.Rows) -> dict[str, list[str]]:
    return {"folders": keeping.folders_of(rows), "tags": listing.tags_of(rows)}


def place(request: HttpRequest, kept: keeping.Kept) -> None:
    """From the form of `_kept.html`, which stands alone. Raises Invalid."""
    with seen.upon(request, kept, lambda: placed(kept)):
        write(request, kept)


def write(request: HttpRequest, kept: keeping.Kept) -> None:
    """As a part of a form that is saved as a whole."""
    keeping.place(
        kept,
        folder=request.POST.get("folder", ""),
        tags=shelf.read_tags(request.POST.get("tags", "")),
        labels=chosen_labels(request, kept.workspace),
        actor=actor_of(request),
        now=timezone.now(),
    )


def placed(kept: keeping.Kept) -> list[Any]:
    """The same, to be compared."""
    return [kept.folder, kept.tags, sorted(kept.labels.values_list("pk", flat=True))]


def placing(request: HttpRequest, kept: keeping.Kept, rows: keeping.Rows) -> dict[str, Any]:
    """What the form of `_kept.html` shows."""
    seen.show(request, placed(kept))
    on = set(kept.labels.all())
    held = labels_held(actor_of(request), kept.workspace)
    return {
        "kept": kept,
        "folders": keeping.folders_of(rows),
        "labels": [(label, label in on) for label in held],
    }
