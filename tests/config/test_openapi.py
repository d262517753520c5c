"""OpenAPI says what the API does: every address is in it with its errors, and real answers fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from audiences.models import AttributeDefinition, Profile
from tests import builders
from tests.api import Caller

HIDDEN = {"/api/schema/"}
METHODS = ("get", "post", "put", "patch", "delete")


def addresses(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith(("/api/", "/ajo/")):
            yield path, pattern.callback


def without_names(path: str) -> str:
    """Parameters are written `<int:pk>` by Django and `{id}` by OpenAPI."""
    parts = path.replace("<", "{").replace(">", "}").split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)


def test_the_description_is_one_of_openapi(schema: dict[str, Any]) -> None:
    validate_schema(schema)


def test_every_address_and_method_is_described(schema: dict[str, Any]) -> None:
    described = {without_names(path): set(methods) for path, methods in schema["paths"].items()}
    for path, view in addresses(get_resolver().url_patterns):
        if path in HIDDEN:
            continue
        offered = {
            name for name in ("get", "post", "put", "patch", "delete") if hasattr(view.view_class, name)
        }
        assert described.get(without_names(path)) == offered, path


def test_every_operation_says_its_errors(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if not operation.get("security"):
                assert path in ("/ajo/im/health", "/oauth/token")
                continue
            statuses = set(operation["responses"])
            assert {"400", "401", "403"} <= statuses, (path, method)
            assert "requestBody" not in operation or {"413", "415"} <= statuses, (path, method)
            for status in statuses:
                if status >= "400":
                    content = operation["responses"][status]["content"]
                    assert list(content) == ["application/problem+json"], (path, method, status)


def test_every_body_and_answer_has_an_example_that_fits(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media, told in (
                (kind, one) for body in bodies for kind, one in body.get("content", {}).items()
            ):
                shown = [told["example"]] if "example" in told else []
                shown += [one["value"] for one in told.get("examples", {}).values()]
                assert shown, (path, method, media)
                if media.endswith("json"):
                    shape = Draft202012Validator({**told["schema"], "components": schema["components"]})
                    for one in shown:
                        assert not [fault.message for fault in shape.iter_errors(one)], (path, method, one)


def test_every_operation_has_a_name_of_its_own(schema: dict[str, Any]) -> None:
    names = [one["operationId"] for methods in schema["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def check(schema: dict[str, Any], path: str, method: str, answer: Any) -> None:
    response = schema["paths"][path][method]["responses"][str(answer.status_code)]
    media = answer.headers["Content-Type"].partition(";")[0]
    shape = {**response["content"][media]["schema"], "components": schema["components"]}
    Draft202012Validator(shape, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json())


@pytest.mark.django_db
def test_what_counts_as_blank_is_described_so(schema: dict[str, Any]) -> None:
    described = schema["components"]["schemas"]["DomainWriteRequest"]["properties"]["spf"]["pattern"]
    call = Caller(builders.workspace(), "administrator")
    for blank in (" ", "\x1e", "\x85\u3000"):
        answer = call.post("/api/sending-domains/", {"name": "news.example.com", "spf": blank})
        assert answer.status_code == 400 and not re.search(described, blank), repr(blank)
    assert re.search(described, " mx ")


@pytest.mark.django_db
def test_real_answers_fit_what_is_described(schema: dict[str, Any]) -> None:
    where = builders.workspace()
    builders.profiles(where, 2)
    AttributeDefinition.objects.create(workspace=where, key="points", type="number")
    call, person = Caller(where), Profile.objects.latest("pk")
    email = {"namespace": "email", "value": "ana@example.com"}
    event = {"name": "seen", "at": "2026-11-23T00:00:00Z", "identity": email}
    calls: list[tuple[str, str, str, Any]] = [
        ("/api/profiles/", "post", "/api/profiles/", {"identities": [email]}),
        ("/api/profiles/", "post", "/api/profiles/", {"identities": [email], "locale": "zh-TW"}),
        ("/api/profiles/", "post", "/api/profiles/", {"identities": []}),
        ("/api/profiles/", "get", "/api/profiles/?limit=1", None),
        ("/api/profiles/{id}/", "get", f"/api/profiles/{person.pk}/", None),
        ("/api/profiles/{id}/", "get", "/api/profiles/1/", None),
        ("/api/profiles/{id}/", "patch", f"/api/profiles/{person.pk}/", {"attributes": {"points": 1}}),
        ("/api/profiles/{namespace}/{value}/", "put", "/api/profiles/external_id/7/", {}),
        ("/api/profiles/bulk/", "post", "/api/profiles/bulk/", {"profiles": [{"identities": [email]}, {}]}),
        ("/api/events/", "post", "/api/events/", {"events": [event, {}]}),
        ("/api/profiles/{id}/events/", "get", f"/api/profiles/{person.pk + 1}/events/", None),
        ("/api/attributes/", "post", "/api/attributes/", {"key": "vip", "type": "boolean"}),
        ("/api/attributes/", "get", "/api/attributes/", None),
        ("/api/attributes/{key}/", "patch", "/api/attributes/vip/", {"label": "VIP"}),
        ("/api/attributes/{key}/", "patch", "/api/attributes/vip/", {"label": 5, "x": 1}),
        ("/api/namespaces/", "post", "/api/namespaces/", {"key": "card"}),
        ("/api/namespaces/", "get", "/api/namespaces/", None),
    ]
    for path, method, address, body in calls:
        check(schema, path, method, call(method.upper(), address, body))
    check(schema, "/api/profiles/", "get", Caller(None).get("/api/profiles/"))
    check(schema, "/api/profiles/", "get", Caller(where, "viewer").get("/api/profiles/"))
    check(schema, "/ajo/im/health", "get", call.get("/ajo/im/health"))
    check(schema, "/ajo/im/executions/unitary", "post", call.post("/ajo/im/executions/unitary", {}))
