"""The pages for developers: the interactive reference of the API, drawn from our OpenAPI, and its changelog.

Everything is served from here: the reader's files come with drf-spectacular's sidecar, and no page needs more
than the strict Content-Security-Policy of the house.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.env import ROOT

CHANGELOG = ROOT / "docs" / "api-changelog.md"


@dataclass(frozen=True)
class Release:
    """The changes of one day; an entry is runs of text, every second of them code."""

    title: str
    entries: list[list[str]] = field(default_factory=list)


@cache
def releases() -> list[Release]:
    """What `docs/api-changelog.md` says: a `##` heading for each day, and a `-` line for each change."""
    found: list[Release] = []
    for line in CHANGELOG.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found.append(Release(line.removeprefix("## ")))
        elif line.startswith("- ") and found:
            found[-1].entries.append(line.removeprefix("- ").split("`"))
    return found


@login_required
@require_safe
def show_reference(request: HttpRequest) -> HttpResponse:
    return render(request, "reference/reference.html")


@login_required
@require_safe
def show_changelog(request: HttpRequest) -> HttpResponse:
    return render(request, "reference/changelog.html", {"releases": releases()})
