"""What machines ask a web process: is it alive, may it be sent requests, how does the house do.

    /healthz   200 while the process answers; it asks nobody else
    /readyz    200 while the database answers and has this version's migrations; else 503 with the reason
    /metrics   Prometheus' text format, for METRICS_TOKEN and METRICS_NETWORKS; nobody else learns it exists

They stand before every other middleware: no session, no redirect to https, no name of a host is asked for.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from config import metrics
from config.doctor import installation

# A proxy adds one of these. What it passes on comes from its address and not from the caller's.
OF_A_PROXY = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip", "Via")


class ProbesMiddleware:
    """`is_migrated`: once the migrations are there they stay; they are read from the disk until then."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.is_migrated = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probes = {"/healthz": self.health, "/readyz": self.ready, "/metrics": self.measure}
        probe = probes.get(request.path_info)
        if probe is None or (request.path_info == "/metrics" and not may_measure(request)):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        answer = probe()
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def health(self) -> HttpResponse:
        return _say("alive")

    def ready(self) -> HttpResponse:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            waiting = not self.is_migrated and installation.pending()
        except DatabaseError:
            return _say("the database does not answer", 503)
        if waiting:
            return _say("the database lacks migrations of this version: run manage.py migrate", 503)
        self.is_migrated = True
        return _say("ready")

    def measure(self) -> HttpResponse:
        try:
            return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        except DatabaseError:
            return _say("the database does not answer", 503)


def may_measure(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return hmac.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
    if any(name in request.headers for name in OF_A_PROXY):
        return False
    try:
        caller = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(caller in ipaddress.ip_network(one) for one in settings.METRICS_NETWORKS)


def _say(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
