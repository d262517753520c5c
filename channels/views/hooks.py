"""The door for providers: receipts and replies come in, signed; nothing about us goes out.

Whatever is sent here has a clear answer: 204 for what was taken (also for what was taken before), 4xx for
what is not genuine or cannot be read, 503 when we cannot check it ourselves, so that it is sent again.
"""

from __future__ import annotations

from functools import partial

import structlog
from celery import current_app
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from channels import received
from channels.messages import Arrival
from channels.sealing import SealBroken
from common import bell
from common.errors import CarillonError

log = structlog.get_logger(__name__)

MAX_BODY = 2 * 1024 * 1024
BELL = "campaigns.tasks.apply_receipts"


@csrf_exempt  # the sender proves itself by its signature
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def receipts(request: HttpRequest, pk: int, rest: str = "") -> HttpResponse:
    """A GET is a provider's own check of the address, before it sends anything."""
    try:
        configuration = received.configuration_of(pk)
        if request.method != "POST":
            return _text(received.verify(configuration, {name: str(v) for name, v in request.GET.items()}))
        body = _body(request)
        if body is None:
            return _text("The body is larger than 2 MB.", 413)
        if received.receive(configuration, _arrival(request, body)):
            _ring()
    except SealBroken:
        return _text("The signature cannot be checked now. Try again later.", 503)
    except CarillonError as error:
        log.info("receipt refused", configuration=pk, code=error.code)
        return _text(error.detail, error.status)
    return HttpResponse(status=204)


def _body(request: HttpRequest) -> bytes | None:
    """None when it is too large; then it is not read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MAX_BODY:
        return None
    body: bytes = request.read(MAX_BODY + 1)
    return body if len(body) <= MAX_BODY else None


def _arrival(request: HttpRequest, body: bytes) -> Arrival:
    """The address is the one we gave out: what stands in front of us may have called us by another."""
    return Arrival(
        method=str(request.method),
        url=str(settings.PUBLIC_URL) + request.get_full_path(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        at=timezone.now(),
    )


def _text(words: str, status: int = 200) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")


def _ring() -> None:
    """Campaigns are rung for by a task's name. A lost ring is rung again by the clock."""
    queue = f"{settings.QUEUE_PREFIX}.urgent"
    bell.ring(partial(current_app.send_task, BELL, queue=queue), task=BELL, queue=queue)
