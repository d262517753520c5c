"""The guide: every help text on one page, in the order of the work, with the film of a first campaign; and
the manual, which is `docs/` read in the product.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.guide import manual
from config.guide.topics import CHAPTERS


@login_required
@require_safe
def show_guide(request: HttpRequest) -> HttpResponse:
    return render(request, "guide/guide.html", {"chapters": CHAPTERS, "manuals": _manuals()})


@login_required
@require_safe
def show_manual(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "guide/manual.html", {"manual": manual.manual(name), "manuals": _manuals()})


def _manuals() -> list[manual.Manual]:
    return [manual.manual(name) for name in manual.NAMES]
