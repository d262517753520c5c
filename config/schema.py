"""What OpenAPI shows of every address alike: how one signs in, and which errors may be answered."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from common.api import SparseSerializer, StrictSerializer

MEDIA = "application/problem+json"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` names every fault of the body by its JSON pointer.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "report": {
            "type": "object",
            "description": "Of a refused execution: the requestId and campaignId that it named.",
            "required": ["additionalContext"],
            "properties": {
                "additionalContext": {"type": "object", "additionalProperties": {"type": "string"}}
            },
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
            },
        },
    },
    "additionalProperties": True,
}
MEANINGS = {
    "400": "What was sent is wrong; every fault is named with its place.",
    "401": "The credential is missing, unknown, expired or revoked.",
    "403": "The credential's role lacks the permission that is named.",
    "404": "There is no such thing, or the credential may not see it.",
    "409": "It cannot be done in the present state.",
    "412": "It was changed since the state that If-Match names.",
    "413": "The body is too large.",
    "415": "The body is not of the type that is read here.",
    "428": "If-Match is missing.",
    "429": "The credential calls more often than it may; Retry-After says when to come back.",
}

ETAG = {
    "schema": {"type": "string"},
    "required": True,
    "description": "Send it as If-Match with a change of what was read.",
}
RETRY_AFTER = {
    "schema": {"type": "integer", "minimum": 1, "maximum": 60},
    "required": True,
    "description": "Seconds.",
}
CODES = {
    "400": "invalid",
    "401": "not_authenticated",
    "403": "permission_missing",
    "404": "not_found",
    "409": "illegal_transition",
    "412": "changed_since",
    "413": "too_large",
    "415": "unsupported_media_type",
    "428": "if_match_missing",
    "429": "too_many",
}


# What a text may not be made of alone: all that Python strips, which is more than \s of a JSON Schema.
NOT_BLANK = r"[^\s\x1c-\x1f\x85]"


class CredentialScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.CredentialAuthentication"
    name = "credential"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "car_<prefix>.<secret>"}


class Schema(AutoSchema):
    """A strict body is described as strictly as it is read: no other fields, no blank where none may be."""

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        shape = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and isinstance(serializer, StrictSerializer):
            shape["additionalProperties"] = False
        if direction == "response" and isinstance(serializer, SparseSerializer):
            shape["required"] = [name for name in shape.get("required", []) if name == "id"]
        return shape

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        shape = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        is_text = isinstance(field, serializers.CharField) and not field.allow_blank
        if direction == "request" and is_text and "$ref" not in shape:
            shape.setdefault("pattern", NOT_BLANK)
        if direction == "request" and isinstance(field, serializers.ListSerializer) and not field.allow_empty:
            shape["minItems"] = 1
        return shape


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Every operation with the errors it may answer, below what it is about. A hook of drf-spectacular."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/"):
                operation["tags"] = [path.split("/")[2]]
            for status in _statuses(path, method, operation):
                operation["responses"].setdefault(status, _answer(status))
        if any(_needs_match(operation) for operation in operations.values()) and "get" in operations:
            operations["get"]["responses"]["200"]["headers"] = {"ETag": ETAG}
    return result


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    if not operation.get("security"):
        return ["400", "401", "413", "415"] if "requestBody" in operation else []
    found = ["400", "401", "403", "404", "429"]
    if method != "get":
        found.append("409")
    if _needs_match(operation):
        found += ["412", "428"]
    return [*found, "413", "415"] if "requestBody" in operation else found


def _needs_match(operation: dict[str, Any]) -> bool:
    return any(one["name"] == "If-Match" for one in operation.get("parameters", []))


def _answer(status: str) -> dict[str, Any]:
    code, detail = CODES[status], MEANINGS[status]
    example = {
        "type": "about:blank",
        "title": code.replace("_", " ").capitalize(),
        "status": int(status),
        "code": code,
        "detail": detail,
    }
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    told: dict[str, Any] = {"description": detail, "content": {MEDIA: media}}
    if status == "409":  # where the same call is being written
        told["headers"] = {"Retry-After": {**RETRY_AFTER, "required": False}}
    if status == "429":
        told["headers"] = {"Retry-After": RETRY_AFTER}
    return told
