"""What OpenAPI shows of every address alike: how one signs in, and which errors may be answered."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

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


class CredentialScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.CredentialAuthentication"
    name = "credential"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "car_<prefix>.<secret>"}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Every operation of the schema with the errors it may answer. A hook of drf-spectacular."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for status in _statuses(path, method, operation):
                operation["responses"].setdefault(status, _answer(status))
    return result


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    if not operation.get("security"):
        return ["400", "401", "413", "415"] if "requestBody" in operation else []
    found = ["400", "401", "403", "429"]
    if "{" in path or method == "get":
        found.append("404")
    if method != "get":
        found.append("409")
    if any(one["name"] == "If-Match" for one in operation.get("parameters", [])):
        found += ["412", "428"]
    return [*found, "413", "415"] if "requestBody" in operation else found


def _answer(status: str) -> dict[str, Any]:
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": MEANINGS[status], "content": content}
