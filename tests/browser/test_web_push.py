"""A real web push: encrypted for a browser, taken by a push service, shown by Chromium's own service worker.

Chromium cannot reach its maker's service here: ours takes the message, opens it as the browser would, and
Chromium's DevTools hand it to the worker.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser

from config.env import ROOT
from tests.channels.providers import BENCHES
from tests.fakes.apps import FakePushService
from tests.fakes.http import FakeHttp, Received, Response

pytestmark = pytest.mark.browser


class Site(FakeHttp):
    """A page with our worker, at an origin that counts as secure."""

    def answer(self, request: Received) -> Response:
        if request.path == "/push/1/worker.js":
            script = (ROOT / "static/js/push-worker.js").read_bytes()
            return Response(200, script, {"Content-Type": "text/javascript"})
        return Response(200, b"<!doctype html><title>Push</title>", {"Content-Type": "text/html"})


def carried(settings: Any) -> dict[str, Any]:
    """What arrives at the browser of what our provider sent."""
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    push = BENCHES["webpush"]
    extra = {"buttons": [{"label": "Shop", "url": "https://shop.example/"}], "silent": True}
    with FakePushService() as server, ThreadPoolExecutor(1) as other:  # this thread has Playwright's loop
        configuration = push.configuration(server)
        message = push.message(key="7.0.1", extra=extra, url="https://shop.example/early")
        (outcome,) = other.submit(push.send, configuration, message).result()
        assert outcome.fact == "accepted"
        (shown,) = server.accepted
    return dict(shown)


def test_a_browser_shows_the_message_that_was_encrypted_for_it(browser: Browser, settings: Any) -> None:
    with Site() as site:
        context = browser.new_context()
        context.grant_permissions(["notifications"], origin=site.url)
        page = context.new_page()
        page.goto(f"{site.url}/push/1/")
        tools = context.new_cdp_session(page)
        registered: list[dict[str, Any]] = []
        tools.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registered.extend(event["registrations"]),
        )
        tools.send("ServiceWorker.enable")
        page.evaluate("navigator.serviceWorker.register('/push/1/worker.js')")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        (registration,) = [one for one in registered if one["scopeURL"] == f"{site.url}/push/1/"][:1]
        for data in (json.dumps(carried(settings)), "not json", "{}"):
            where = {"origin": site.url, "registrationId": registration["registrationId"]}
            tools.send("ServiceWorker.deliverPushMessage", {**where, "data": data})
        page.wait_for_function(
            "async () => (await (await navigator.serviceWorker.ready).getNotifications()).length > 0"
        )
        shown = page.evaluate(
            """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((one) => (
                {title: one.title, body: one.body, tag: one.tag, silent: one.silent, data: one.data,
                 actions: one.actions.map((action) => action.title)}))"""
        )
    assert shown == [
        {
            "title": "Early", "body": BENCHES["webpush"].text, "tag": "7.0.1", "silent": True,
            "actions": ["Shop"],
            "data": {"url": "https://shop.example/early", "links": ["https://shop.example/"], "more": {}},
        }
    ]  # fmt: skip
