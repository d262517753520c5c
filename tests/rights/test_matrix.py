"""Role × address × method × object, from the resolver; what each may is read from `matrix.json`.

    "GET /campaigns/<int:pk>/": "oommm o om oommm mm s"

One word for each role of `asking.ASKING`, one letter for each of the objects it is asked about there: o open,
f forbidden, m missing, w wrong method, s sign in first. One database state and many requests: each is undone
after it was answered. This asks everything and takes minutes (`make rights`, which also writes the file; with
ROWS=new it asks what is new only, in a minute); `test_sample.py` asks each address once in the default suite.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.rights.addresses import every
from tests.rights.asking import ASKING, Asker, rows, verdict
from tests.rights.world import CANARY, HIDDEN, KINDS, World

WRITES = os.environ.get("CARILLON_WRITE_MATRIX", "")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not WRITES, reason="asks every address thousands of times, for minutes: make rights"),
]
EXPECTED = Path(__file__).parent / "matrix.json"
# What everybody who is signed in may change: their own choices, and what they say or follow.
OWN_AFFAIRS = (
    *("/accounts/preferences/", "/accounts/workspace/", "/accounts/sign-in/", "/accounts/sign-out/"),
    *(
        "/accounts/own/",
        "/accounts/notices/",
        "/accounts/welcome/",
        "/campaigns/keep/",
        "/oauth/token",
        "/campaigns/many/",
    ),
    *("/campaigns/<int:pk>/comment/", "/campaigns/<int:pk>/follow/"),
    "/campaigns/<int:pk>/report/orders/",  # the report by mail, to oneself
)
# What is there before anybody has signed in.
OPEN_TO_ALL = ("/accounts/sign-in/", "/accounts/welcome/", "/ajo/im/health", "/oauth/token", "/api/schema/")
OPEN_TO_ALL += ("/accounts/preferences/", "/accounts/sign-out/")
BEHIND_LABELS = ("campaigns/", "audiences/", "channels/", "runs/", "channel-configurations/")
BEHIND_LABELS += ("assets/", "fragments/", "templates/", "content-templates/")


def test_every_role_may_exactly_what_the_matrix_says(world: World) -> None:
    known: dict[str, str] = json.loads(EXPECTED.read_text()) if WRITES == "new" else {}
    found: dict[str, list[str]] = {}
    for role, kinds in ASKING.items():
        asker = Asker(world, role)
        for row, address, method in rows(every()):
            if row in known:
                continue
            paths = [address.for_kind(world, kind) for kind in (kinds if address.thing else kinds[:1])]
            seen = {path: verdict(asker.ask(address, method, path)) for path in dict.fromkeys(paths)}
            found.setdefault(row, []).append("".join(seen[path] for path in paths))
    there = {row for row, _address, _method in rows(every())}
    asked = {row: " ".join(marks) for row, marks in found.items()}
    told = {row: marks for row, marks in sorted({**known, **asked}.items()) if row in there}
    EXPECTED.write_text(json.dumps(told, indent=0) + "\n")
    assert [fault for row, marks in told.items() for fault in _faults(row, marks)] == []


def _faults(row: str, marks: str) -> Iterator[str]:
    """What must hold whatever the file says, so that nobody writes a hole into it."""
    method, path = row.split(" ")
    of = dict(zip(ASKING, marks.split(" "), strict=True))
    stranger = set(of["outsider"])
    if len(of["outsider"]) > 1 and len(stranger) > 1:
        yield f"{row}: a stranger tells an object from none"
    if "o" in of["nobody"] and not path.startswith(OPEN_TO_ALL):
        yield f"{row}: open to who is not signed in"
    for role in ("administrator", "viewer"):
        if len(of[role]) < len(KINDS):
            continue
        by = dict(zip(KINDS, of[role], strict=True))
        if by["other"] != by["missing"]:
            yield f"{row}: a foreign object differs from a missing one for {role}"
        if path.split("<int:pk>")[0].endswith(BEHIND_LABELS) and by["labelled"] != by["missing"]:
            yield f"{row}: a label does not hide it from {role}"
    if method != "GET" and not path.startswith(OWN_AFFAIRS) and "o" in of["viewer"]:
        yield f"{row}: a viewer reaches a change"


def test_no_answer_names_what_is_elsewhere_or_behind_a_label(world: World) -> None:
    """The canary: every page, list, search and export, as each role, with numbers of every kind."""
    searches = ("", f"?search={CANARY[:5]}", f"?tag={CANARY[:4]}&status=all", f"?q={HIDDEN[:5]}&status=all")
    named = []
    for role in ("administrator", "viewer"):
        asker = Asker(world, role)
        for _row, address, method in rows(every()):
            if method != "GET":
                continue
            for kind in KINDS if address.thing else ("own",):
                for query in searches if not address.thing else ("",):
                    path = address.for_kind(world, kind) + query
                    named += named_in(asker.send(address, "GET", path), path)
    assert named == []


def named_in(answer: Any, path: str) -> list[tuple[str, bytes]]:
    """Where the answer names what must stay hidden, with the words around it."""
    assert answer.status_code < 500, path
    page = answer.body.lower()
    places = [page.find(mark.lower().encode()) for mark in (CANARY, HIDDEN)]
    return [(path, page[max(0, at - 100) : at + 60]) for at in places if at >= 0]


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
    for _row, address, method in rows(every()):
        if address.is_api and method in ("POST", "PUT", "PATCH") and address.path != "/oauth/token":
            path = address.for_kind(world, "own")
            with transaction.atomic():
                before = _rows(world)
                answer = asker.send(address, method, path, FORBIDDEN)
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
