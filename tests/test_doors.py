"""Every door of the API does what all doors do; a new one that does not fails here.

What an address lacks on purpose stands in a table below with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import Caller
from tests.rights.addresses import every, methods
from tests.rights.world import World, build

pytestmark = pytest.mark.django_db
Operation = tuple[str, str, dict[str, Any]]
# Lists so short that they come whole: none of them can grow without end.
WHOLE = {
    "/api/access-labels/",
    "/api/approvals/",
    "/api/attributes/",
    "/api/audiences/{id}/shares/",
    "/api/calendars/",
    "/api/campaigns/{id}/contents/",
    "/api/campaigns/{id}/proofs/",
    "/api/campaigns/{id}/report-orders/",
    "/api/campaigns/{id}/shares/",
    "/api/channel-configurations/{id}/shares/",
    "/api/doctor/",
    "/api/folders/",
    "/api/namespaces/",
    "/api/profiles/{id}/consents/",
    "/api/roles/",
    "/api/tags/",
}
# In the one order that their keys give: there is no index for another.
ONE_ORDER = {"/api/audiences/{id}/members/", "/api/runs/{id}/messages/", "/api/why/"}
# What names no thing that somebody else could have changed meanwhile.
UNCONDITIONAL = {
    "PUT /api/audiences/{id}/shares/{holder}/": "gives one holder one level, whatever it was",
    "PUT /api/campaigns/{id}/shares/{holder}/": "gives one holder one level, whatever it was",
    "PUT /api/channel-configurations/{id}/shares/{holder}/": "gives one holder one level, whatever it was",
    "PUT /api/profiles/{namespace}/{value}/": "makes the person where there is none; what is left out stays",
}
# Answers that are a picture of a moment, or a few words, and no thing of which one wants a part.
NO_PARTS = {
    "/api/assets/{id}/uses/",
    "/api/audiences/{id}/explain/",
    "/api/campaigns/{id}/code/",
    "/api/campaigns/{id}/contents/{position}/content/",
    "/api/campaigns/{id}/findings/",
    "/api/campaigns/{id}/forecast/",
    "/api/campaigns/{id}/preflight/",
    "/api/campaigns/{id}/proofs/{number}/",
    "/api/campaigns/{id}/upcoming/",
    "/api/campaigns/{id}/versions/compare/",
    "/api/fragments/{id}/uses/",
    "/api/imports/{id}/rejected.csv",
    "/api/reports/",
    "/api/reports/compare/",
    "/api/sending/",
    *(
        WHOLE
        - {"/api/attributes/", "/api/folders/", "/api/namespaces/", "/api/roles/", "/api/access-labels/"}
    ),
    *(ONE_ORDER),
}


def operations(schema: dict[str, Any]) -> Iterator[Operation]:
    for path, found in schema["paths"].items():
        if path.startswith("/api/"):
            yield from ((method.upper(), path, one) for method, one in found.items())


def parameters(operation: dict[str, Any]) -> set[str]:
    return {one["name"] for one in operation.get("parameters", [])}


def answer_of(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = next(one for status, one in operation["responses"].items() if status.startswith("2")).get(
        "content"
    )
    shape = next(iter(content.values()))["schema"] if content else {}
    return resolved(schema, shape)


def resolved(schema: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape:
        shape = schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    return shape


def is_list(shape: dict[str, Any]) -> bool:
    return "results" in shape.get("properties", {}) or shape.get("type") == "array"


def test_every_list_has_pages_an_order_and_parts(schema: dict[str, Any]) -> None:
    lacking = {}
    for method, path, operation in operations(schema):
        if method == "GET" and is_list(answer_of(schema, operation)):
            wanted = {"cursor", "limit", "ordering", "fields"}
            wanted -= {"cursor", "limit", "ordering"} if path in WHOLE else set()
            wanted -= {"ordering", "fields"} if path in ONE_ORDER else set()
            wanted -= {"fields"} if path in NO_PARTS else set()
            lacking[path] = wanted - parameters(operation)
    assert {path: names for path, names in lacking.items() if names} == {}


def test_of_every_thing_a_part_can_be_asked_for(schema: dict[str, Any]) -> None:
    lacking = [
        path
        for method, path, operation in operations(schema)
        if method == "GET" and path not in NO_PARTS and "fields" not in parameters(operation)
    ]
    assert lacking == []


def test_every_change_names_what_it_was_made_for(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        if method not in ("PUT", "PATCH") or f"{method} {path}" in UNCONDITIONAL:
            continue
        assert "If-Match" in parameters(operation), (method, path)
        if "get" in schema["paths"][path]:  # else it is a part of what is read as a whole
            assert "ETag" in schema["paths"][path]["get"]["responses"]["200"]["headers"], path
    known = {f"{method} {path}" for method, path, _operation in operations(schema)}
    assert set(UNCONDITIONAL) <= known


PARTS = ("/limits/", "/state/", "/code/", "/content/", "/addresses/")


def test_every_thing_that_can_be_changed_says_what_can_be_done_with_it(schema: dict[str, Any]) -> None:
    lacking = []
    for path, found in schema["paths"].items():
        if not path.startswith("/api/") or not {"put", "patch", "delete"} & set(found) or "get" not in found:
            continue
        if path.endswith(PARTS) or path.startswith("/api/profiles/"):
            continue  # a part of a thing, and the one verb there is
        if "actions" not in answer_of(schema, found["get"])["properties"]:
            lacking.append(path)
    assert lacking == []


def test_every_door_says_when_to_come_back(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        told = operation["responses"].get("429", {})
        assert "Retry-After" in told.get("headers", {}), (method, path)


def test_no_body_takes_what_it_does_not_know(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        if path.endswith("/content/"):
            continue  # what is in it depends on the channel: tests/campaigns/test_campaign_api.py
        for content in operation.get("requestBody", {}).get("content", {}).values():
            shape = resolved(schema, content["schema"])
            assert shape.get("additionalProperties") is False, (method, path)


# ---- as they answer ------------------------------------------------------------------------------


@pytest.fixture
def world(settings: Any, tmp_path: Any) -> World:
    settings.MEDIA_ROOT = tmp_path
    return build()


def test_every_thing_that_is_read_and_changed_has_an_etag_that_a_change_must_know(world: World) -> None:
    """Read, then changed without a word, and for another state: 428 and 412, and nothing was changed."""
    caller = Caller(world.here, "administrator")
    asked, wrong = 0, []
    for address in every():
        found = set(methods(address)) & {"PUT", "PATCH"}
        if not address.path.startswith("/api/") or not found or "GET" not in methods(address):
            continue
        path = address.for_kind(world, "own")
        read = caller.get(path)
        if read.status_code == 404 or "<path:value>" in address.path or address.path.endswith("/code/"):
            continue  # code is YAML: tests/campaigns/test_as_code.py
        assert read.headers["ETag"] == caller.get(path).headers["ETag"], path
        body = dict(BODIES.get(address.path, {}))
        if "configurationId" in body:
            body["configurationId"] = int(world.parts("configuration", "own")["pk"])
        for method in found:
            bare = caller(method, path, body, headers=caller.headers)
            late = caller(method, path, body, headers={**caller.headers, "If-Match": '"other"'})
            if address.path.startswith("/api/profiles/"):
                assert late.status_code == 412
                continue
            if (bare.status_code, late.status_code) != (428, 412):
                wrong.append((method, path, bare.content))
            assert caller.get(path).headers["ETag"] == read.headers["ETag"]
            asked += 1
    assert wrong == [] and asked >= len(BODIES)


# A right body, where the empty one is none.
BODIES: dict[str, Any] = {
    "/api/access-labels/<int:pk>/": {"name": "X", "roles": []},
    "/api/addresses/": {"email": ["email"]},
    "/api/allowed/state/": {"active": True},
    "/api/folders/<int:pk>/": {"name": "X"},
    "/api/approval-policies/<int:pk>/": {"name": "X", "approvers": {"match": "any", "of": [{"role": 1}]}},
    "/api/feedback-webhooks/<int:pk>/": {
        "name": "X",
        "url": "https://x.example/",
        "kinds": ["message.failed"],
    },
    "/api/roles/<int:pk>/": {"title": "X", "permissions": []},
    "/api/rule-sets/<int:pk>/": {"name": "X"},
    "/api/rule-sets/<int:pk>/rules/<int:rule>/": {"name": "X", "kind": "cap", "channels": ["email"]},
    "/api/seed-lists/<int:pk>/": {"name": "X", "addresses": ["x@y.example"]},
    "/api/warm-up-plans/<int:pk>/": {"name": "X", "configurationId": 0, "days": [{"others": 1}]},
}


def test_no_part_is_given_that_was_not_asked_for(schema: dict[str, Any], world: World) -> None:
    caller = Caller(world.here, "administrator")
    for address in every():
        if not address.path.startswith("/api/") or "GET" not in methods(address):
            continue
        path = address.for_kind(world, "own")
        shown = caller.get(f"{path}?fields=createdAt")
        if shown.status_code == 200 and shown.headers["Content-Type"] == "application/json":
            told = json.loads(shown.content)
            rows = told.get("results", [told]) if isinstance(told, dict) else told
            assert all(set(row) <= {"id", "createdAt"} for row in rows if isinstance(row, dict)) or any(
                path.startswith(one.split("{")[0]) for one in NO_PARTS
            ), path
