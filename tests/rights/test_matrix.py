"""Role × address × method × object, from the resolver; what each may is read from `matrix.json`.

One database state and many requests: each is undone after it was answered. A new address without rows fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.rights.addresses import Address, every, methods
from tests.rights.world import CANARY, HIDDEN, KINDS, World, build

WRITES = "CARILLON_WRITE_MATRIX" in os.environ
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not WRITES, reason="asks every address thousands of times, for minutes: make rights"),
]
EXPECTED = Path(__file__).parent / "matrix.json"
# Who is asked about which objects: the two ends in full; between them only what tells the roles apart.
ASKING = {
    "administrator": KINDS,
    "approver": ("own",),
    "manager": ("own", "other"),
    "viewer": KINDS,
    "outsider": ("own", "missing"),
}
# What a verdict stands for: o open, f forbidden, m missing, w wrong method, s sign in first.
VERDICTS = {403: "f", 404: "m", 405: "w", 401: "s"}
# What everybody who is signed in may change: their own choices, and what they say or follow.
OWN_AFFAIRS = (
    *("/accounts/preferences/", "/accounts/workspace/", "/accounts/sign-in/", "/accounts/sign-out/"),
    *("/accounts/notices/", "/accounts/welcome/", "/campaigns/keep/", "/oauth/token", "/campaigns/many/"),
    *("/campaigns/<int:pk>/comment/", "/campaigns/<int:pk>/follow/"),
)


BEHIND_LABELS = ("campaigns/", "audiences/", "channels/")


class Undo(Exception):
    """Ends a request's savepoint."""


class Asker:
    """One role's session and token; every answer is judged, and what it did is undone."""

    def __init__(self, world: World, role: str) -> None:
        self.role, self.client = role, Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {world.tokens[role]}"} if role in world.tokens else {}
        if role in world.people:
            self.client.force_login(world.people[role])

    def ask(self, address: Address, method: str, path: str, body: Any = None) -> Any:
        options: dict[str, Any] = {"headers": self.headers} if address.is_api else {}
        if method != "GET":
            kind = "application/json" if address.is_api else "application/x-www-form-urlencoded"
            options["content_type"] = kind
            options["data"] = json.dumps(body or {}) if address.is_api else ""
        answers: list[Any] = []
        try:
            with transaction.atomic():
                answer = self.client.generic(method, path, **options)
                answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
                answers.append(answer)
                raise Undo
        except Undo:
            return answers[0]


def verdict(answer: Any) -> str:
    assert answer.status_code < 500, (answer.request["PATH_INFO"], answer.body[:300])
    if answer.status_code == 302 and "/sign-in/" in answer.headers["Location"]:
        return "s"
    return VERDICTS.get(answer.status_code, "o")


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> World:
    settings.MEDIA_ROOT = tmp_path
    return build()


def test_every_role_may_exactly_what_the_matrix_says(world: World) -> None:
    found: dict[str, dict[str, str]] = {}
    for role, asked in ASKING.items():
        asker = Asker(world, role)
        for address in every():
            kinds = asked if address.thing else ("own",)
            paths = [address.for_kind(world, kind) for kind in kinds]
            for method in methods(address):
                seen = {path: verdict(asker.ask(address, method, path)) for path in dict.fromkeys(paths)}
                marks = "".join(seen[path] for path in paths)
                found.setdefault(f"{method} {address.path}", {})[role] = marks
    if WRITES:
        rows = (f"{json.dumps(row)}: {json.dumps(found[row])}" for row in sorted(found))
        EXPECTED.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    _hold_to_principles(found)
    _hold_to_principles(found)
    expected = json.loads(EXPECTED.read_text())
    assert set(found) == set(expected), "an address without a row, or a row without an address: make rights"
    assert {row: marks for row, marks in found.items() if marks != expected[row]} == {}


def _hold_to_principles(found: dict[str, dict[str, str]]) -> None:
    """What must hold whatever the file says, so that nobody writes a hole into it."""
    assert [fault for row, marks in found.items() for fault in _faults(row, marks)] == []


def _faults(row: str, marks: dict[str, str]) -> Iterator[str]:
    method, path = row.split(" ")
    for role, seen in marks.items():
        by = dict(zip(ASKING[role], seen, strict=False))
        if by["own"] != by.get("missing", by["own"]) and role == "outsider":
            yield f"{row}: a stranger tells an object from none"
        if len(seen) < len(KINDS):
            continue
        if by["other"] != by["missing"]:
            yield f"{row}: a foreign object differs from a missing one for {role}"
        if path.split("<int:pk>")[0].endswith(BEHIND_LABELS) and by["labelled"] != by["missing"]:
            yield f"{row}: a label does not hide it from {role}"
    if method != "GET" and not path.startswith(OWN_AFFAIRS) and "o" in marks["viewer"]:
        yield f"{row}: a viewer reaches a change"


def test_nobody_who_is_not_signed_in_reaches_anything(world: World) -> None:
    asker = Asker(world, "nobody")
    open_to_all = {"/accounts/sign-in/", "/ajo/im/health", "/oauth/token", "/accounts/preferences/"}
    open_to_all |= {"/api/schema/", "/accounts/sign-out/"}
    for address in every():
        if address.path in open_to_all or address.path.startswith("/accounts/welcome/"):
            continue
        for method in methods(address):
            answer = asker.ask(address, method, address.for_kind(world, "own"))
            assert verdict(answer) in "sw", (method, address.path, answer.status_code)


def counts() -> dict[str, int]:
    from django.apps import apps

    skipped = {"sessions.session", "accounts.heartbeat"}
    models = [one for one in apps.get_models() if one._meta.label_lower not in skipped and one._meta.managed]
    return {one._meta.label_lower: one._default_manager.count() for one in models}


def test_no_get_changes_anything_and_no_answer_names_what_is_elsewhere_or_behind_a_label(
    world: World,
) -> None:
    """The canary: every page, list, search and export, as each role, with numbers of every kind."""
    before = counts()
    searches = ("", f"?search={CANARY[:5]}", f"?tag={CANARY[:4]}&status=all", f"?q={HIDDEN[:5]}&status=all")
    for role in ("administrator", "viewer"):
        asker = Asker(world, role)
        for address in every():
            if "GET" not in methods(address):
                continue
            for kind in KINDS if address.thing else ("own",):
                for query in searches if not address.thing else ("",):
                    path = address.for_kind(world, kind) + query
                    page = _get(asker, address, path).lower()
                    for mark in (CANARY, HIDDEN):
                        assert mark.lower().encode() not in page, (role, path, mark)
    assert counts() == before


def _get(asker: Asker, address: Address, path: str) -> bytes:
    """Not undone: a GET has nothing to undo."""
    headers = asker.headers if address.is_api else {}
    answer = asker.client.get(path, headers=headers)
    assert answer.status_code < 500, path
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


FORBIDDEN = {
    "id": 1,
    "pk": 1,
    "status": "live",
    "state": "approved",
    "owner": 1,
    "createdBy": 1,
    "created_by": 1,
    "approvedBy": 1,
    "approved_by": 1,
    "workspace": 1,
    "workspace_id": 1,
    "is_superuser": True,
    "isSuperuser": True,
    "revision": 99,
    "counters": {},
    "createdAt": "2020-01-01T00:00:00Z",
    "created_at": "2020-01-01T00:00:00Z",
    "activated_at": "2020-01-01T00:00:00Z",
    "serving": 7,
}


def test_no_body_sets_what_is_not_the_callers_to_set(world: World) -> None:
    """Each read-only field at each writing address of the API: refused, or at least never stored."""
    asker = Asker(world, "administrator")
    for address in every():
        if not address.is_api or address.path.startswith("/oauth/"):
            continue
        for method in set(methods(address)) & {"POST", "PUT", "PATCH"}:
            path = address.for_kind(world, "own")
            with transaction.atomic():
                before = _rows(world)
                answer = asker.client.generic(
                    method,
                    path,
                    json.dumps(FORBIDDEN),
                    content_type="application/json",
                    headers=asker.headers,
                )
                assert answer.status_code < 500, path
                after = _rows(world)
                transaction.set_rollback(True)
            if answer.status_code >= 400:
                assert before == after, (method, path)
            else:  # a verb that reads no body
                stored = json.dumps(after, default=str)
                assert "2020-01-01" not in stored and '"revision": 99' not in stored, (method, path)


def _rows(world: World) -> list[dict[str, Any]]:
    from audiences.models import Audience, Profile, Topic
    from campaigns.models import Campaign
    from channels.models import ChannelConfiguration

    models = (Campaign, Audience, Profile, Topic, ChannelConfiguration)
    return [row for model in models for row in model.objects.order_by("pk").values()]
