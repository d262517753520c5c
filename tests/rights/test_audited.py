"""Whatever is changed by any door leaves an entry in the audit log: each form of the pages as it is shown and
filled in, and each operation of the API with the example that OpenAPI gives and with a body that fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from accounts.models import ApiCredential
from channels import allowed
from tests.rights.addresses import every, methods
from tests.rights.asking import Asker
from tests.rights.bodies import changes
from tests.rights.forms import Forms
from tests.rights.judging import judge
from tests.rights.world import World

pytestmark = pytest.mark.django_db
POSTED = "application/x-www-form-urlencoded"
# What leaves no entry, with the tables it may write and no other, and why.
SIZE, LOOK, OWN = (
    {"audiences_audience", "audiences_audiencesize"},
    {"channels_sendingdomain"},
    "one's own affair",
)
SILENT: dict[str, tuple[set[str], str]] = {
    "POST /api/audiences/<int:pk>/evaluate/": (SIZE, "a count of who is in it now"),
    "/audiences/#/evaluate/": (SIZE, "a count of who is in it now"),
    "POST /api/sending-domains/<int:pk>/check/": (LOOK, "what DNS says; another state has its entry"),
    "/channels/domains/#/check/": (LOOK, "what DNS says; another state has its entry"),
    "/campaigns/feedback/#/test/": (
        {"campaigns_feedbackendpoint", "campaigns_feedbackdelivery"},
        "an event that says it is a test; the endpoint's page lists it",
    ),
    "/accounts/preferences/": ({"accounts_user"}, OWN),
    "/accounts/notices/read/": ({"accounts_notification"}, OWN),
    "/accounts/notices/#/read/": ({"accounts_notification"}, OWN),
    "/accounts/notices/prefer/": ({"accounts_noticepreference"}, OWN),
    "/campaigns/#/follow/": ({"campaigns_follow"}, OWN),
    "/campaigns/keep/": ({"campaigns_savedview", "campaigns_columns"}, OWN),
}


def _unheard(silent: dict[str, set[str]]) -> dict[str, set[str]]:
    return {door: tables for door, tables in silent.items() if tables - SILENT.get(door, (set(), ""))[0]}


def test_every_operation_of_the_api(world: World, schema: dict[str, Any]) -> None:
    ApiCredential.objects.update(
        last_used_at=timezone.now() + timedelta(days=1)  # so that no use is noted
    )
    allowed.list_of(world.here)
    asker = Asker(world, "administrator")
    seen: set[str] = set()
    silent: dict[str, set[str]] = {}
    headers = {**asker.headers, "If-Match": "*"}
    for row, path, method, body in _operations(world, schema):
        send = partial(asker.client.generic, method, path, body, "application/json", headers=headers)
        found = judge(send)
        if found.is_change:
            seen.add(row)
            if not found.entries:
                silent.setdefault(row, set()).update(found.tables)
    assert _unheard(silent) == {}
    assert len(seen) > 80  # else it looks at nothing any more


def _operations(world: World, schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    described = {re.sub(r"{\w+}", "{}", path): told for path, told in schema["paths"].items()}
    fitting = changes(world)
    holder = f"user:{world.people['viewer'].pk}"
    for address in every():
        told = described.get(re.sub(r"<[^>]+>", "{}", address.path))
        if not address.is_api or told is None:
            continue
        path = address.for_kind(world, "own").replace("user:1", holder)
        fits = fitting.get(address.path) or fitting.get(f"{address.path}<int:pk>/")
        for method in sorted(set(methods(address)) - {"GET"}):
            media = told[method.lower()].get("requestBody", {}).get("content", {}).get("application/json", {})
            shown = [media["example"]] if "example" in media else []
            shown += [one["value"] for one in media.get("examples", {}).values()]
            for body in (shown or [None]) + [fits] * (fits is not None):
                yield f"{method} {address.path}", path, method, json.dumps(body)


def test_every_form_of_the_pages(world: World) -> None:
    asker = Asker(world, "administrator")
    seen: set[str] = set()
    done: set[Any] = set()
    silent: dict[str, set[str]] = {}
    for address in every():
        if address.is_api:
            continue
        path = address.for_kind(world, "own")
        answer = asker.ask(address, "GET", path)
        if answer.status_code != 200 or not answer.headers["Content-Type"].startswith("text/html"):
            continue
        for action, shown in Forms(answer.body.decode(), path).found:
            name = re.sub(r"\d+", "#", action.partition("?")[0])
            for fields in (shown, [(key, value or "7") for key, value in shown]):
                form = (name, *sorted((key, bool(value)) for key, value in fields))
                if form in done or name in seen:
                    continue
                done.add(form)
                send = partial(
                    asker.client.post, action, urlencode(fields), "application/x-www-form-urlencoded"
                )
                found = judge(send)
                if found.is_change:
                    seen.add(name)
                    if not found.entries:
                        silent.setdefault(name, set()).update(found.tables)
    assert _unheard(silent) == {}
    assert len(seen) > 75  # else it looks at nothing any more
