"""The doors for readers of our messages: clicks, the open pixel, unsubscribing. No sign-in, no cookies.

GET, HEAD and OPTIONS never unsubscribe anybody; link scanners and prefetching browsers visit everything.
"""

from __future__ import annotations

import base64

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audiences.reachability import WORDS
from campaigns.delivery.mirror import page_of
from campaigns.models import Asset
from campaigns.tracking import events
from campaigns.tracking.machines import Signal
from channels.sandbox import RenderError
from common.errors import Invalid, NotFound

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
MIRROR_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
    "default-src 'none'; img-src 'self' data: https: http:; style-src 'unsafe-inline' https:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "")


def _signals(request: HttpRequest) -> int:
    """What the request says about itself; it is kept on the event."""
    named = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"))
    is_ahead = any(word in value.lower() for value in named for word in ("prefetch", "prerender", "preview"))
    return Signal.HEAD * (request.method == "HEAD") | Signal.PREFETCH * is_ahead


@require_safe
def asset(request: HttpRequest, token: str, name: str) -> FileResponse:
    """A file of the library, for whoever has its address. It never changes, so it is kept for a year."""
    return _asset(token, 0)


@require_safe
def asset_copy(request: HttpRequest, token: str, width: int, name: str) -> FileResponse:
    return _asset(token, width)


def _asset(token: str, width: int) -> FileResponse:
    row = Asset.objects.filter(token=token).first() if token.isascii() and "\0" not in token else None
    if row is None or (width and width not in row.widths):
        raise NotFound(_("There is no such file."))
    try:
        file = default_storage.open(row.path(width))
    except FileNotFoundError as error:
        raise NotFound(_("There is no such file.")) from error
    answer = FileResponse(file, as_attachment=not row.is_picture, filename=row.name, content_type=row.kind)
    answer["Cache-Control"] = "public, max-age=31536000, immutable"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


@require_safe
@never_cache
def click(request: HttpRequest, token: str, number: int, sealed: str = "") -> HttpResponse:
    """Leads on whatever becomes of our records; the address itself tells where, if the database cannot."""
    now, agent, signals = timezone.now(), _agent(request), _signals(request)
    url = events.click(token, number, sealed=sealed, now=now, agent=agent, signals=signals)
    if url is None:
        return render(request, "public/unknown_link.html", status=404)
    if not url:  # the link that nobody sees leads nowhere
        return HttpResponse(status=204)
    response = HttpResponseRedirect(url)
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
@never_cache
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """Always the pixel: a forged address learns nothing."""
    events.opened(token, now=timezone.now(), agent=_agent(request), signals=_signals(request))
    return HttpResponse(PIXEL, content_type="image/gif")


@require_safe
@never_cache
def mirror(request: HttpRequest, token: str) -> HttpResponse:
    """The message as a page, written anew for whom it was sent to. Nothing in it runs."""
    try:
        page = page_of(token)
    except (Invalid, RenderError):  # its files or its configuration are gone
        page = ""
    if not page:
        return render(request, "public/unknown_link.html", status=404)
    response = HttpResponse(page)
    response["Content-Security-Policy"] = MIRROR_POLICY
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


@csrf_exempt  # RFC 8058: the mail provider posts without cookies
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, and does it when asked: nothing else than what the link itself says is needed for either."""
    sender = events.sender_of(token)
    if sender is None:
        return render(request, "public/unknown_link.html", status=404)
    channel = WORDS.get(sender.channel, sender.channel)
    page = {"sender": sender.name, "channel": channel, "is_done": False}
    if request.method == "POST" and request.POST.get("List-Unsubscribe") == "One-Click":
        source = "page" if request.POST.get("from") == "page" else "one-click"
        events.leave(token, now=timezone.now(), agent=_agent(request), source=source)
        page["is_done"] = True
    return render(request, "public/unsubscribe.html", page)
