"""An example for every body and answer that OpenAPI describes, made from the description itself.

What a shape says of itself (its example, its choices) is taken first; then what a field of that name or form
usually holds. So an example is never missing, and never of another shape. A hook of drf-spectacular.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 8
FORMATS: dict[str, str] = {
    "date-time": "2026-12-01T01:00:00Z",
    "date": "2026-12-01",
    "email": "ana@example.com",
    "uri": "https://shop.example/winter",
    "uuid": "7f0c1a52-5b1e-4a0e-9a54-0d6a3e1f8b11",
    "binary": "email\nana@example.com\n",
}
NAMES: dict[str, str] = {
    "name": "Winter layers",
    "title": "Winter layers",
    "description": "For those who walk in December.",
    "label": "Loyalty points",
    "key": "points",
    "address": "ana@example.com",
    "channel": "email",
    "comment": "Read twice, ready to go.",
    "code": "ok",
    "domain": "fernhill.example",
    "folder": "Winter",
    "locale": "zh-TW",
    "namespace": "email",
    "userId": "ana@example.com",
    "value": "ana@example.com",
    "requestId": "reset-2026-12-01-0001",
    "campaignId": "17",
    "audienceId": "4",
    "mobilePhoneNumber": "+886 912 345 678",
    "source": "<p>Free delivery until Sunday.</p>",
    "subject": "Your new password",
    "timeZone": "Asia/Taipei",
    "zone": "Asia/Taipei",
    "token": "fcm-token-of-the-device",
    "url": "https://shop.example/winter",
    "why": "A wrong price in the mail.",
    "wording": "I want the newsletter.",
}


def add_examples(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Leaves alone what has examples of its own."""
    made = Examples(result["components"]["schemas"])
    for media in _media_of(result):
        if "schema" in media and not media.keys() & {"example", "examples"}:
            media["example"] = made.of(media["schema"])
    return result


def _media_of(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in result["paths"].values():
        for operation in methods.values():
            yield from operation.get("requestBody", {}).get("content", {}).values()
            for answer in operation["responses"].values():
                yield from answer.get("content", {}).values()


class Examples:
    """Writes values that fit a JSON schema whose references lead into `components`."""

    def __init__(self, components: dict[str, Any]) -> None:
        self.components = components

    def of(self, shape: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        if "example" in shape:
            return shape["example"]
        if reference := shape.get("$ref"):
            return self.of(self.components[reference.rpartition("/")[2]], name, depth + 1)
        if "enum" in shape:
            return next(value for value in shape["enum"] if value not in (None, ""))
        if parts := shape.get("allOf"):
            return self.of({**parts[0], **{key: shape[key] for key in shape if key != "allOf"}}, name, depth)
        if choices := shape.get("oneOf") or shape.get("anyOf"):
            return self.of(next(one for one in choices if one.get("type") != "null"), name, depth)
        return self._of_type(shape, name, depth)

    def _of_type(self, shape: dict[str, Any], name: str, depth: int) -> Any:
        kinds = shape.get("type", "object")
        kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
        if kind == "object":
            return self._object(shape, depth)
        if kind == "array":
            least = shape.get("minItems", 0)
            if depth > DEEPEST and not least:
                return []
            return [self.of(shape.get("items", {}), name, depth + 1)] * max(1, least)
        if kind == "string":
            return _text(shape, name)
        return False if kind == "boolean" else max(shape.get("minimum", 1), min(1, shape.get("maximum", 1)))

    def _object(self, shape: dict[str, Any], depth: int) -> dict[str, Any]:
        wanted = shape.get("properties", {})
        if depth > DEEPEST:
            wanted = {name: wanted[name] for name in shape.get("required", [])}
        return {name: self.of(part, name, depth + 1) for name, part in wanted.items()}


def _text(shape: dict[str, Any], name: str) -> str:
    told = FORMATS.get(shape.get("format", ""))
    guesses: list[str | None] = [told] if told else [NAMES.get(name), "17", "text"]
    for guess in guesses:
        if guess is not None and _fits(shape, guess):
            return guess
    least: int = shape.get("minLength", 1)
    return "x" * max(1, least)


def _fits(shape: dict[str, Any], text: str) -> bool:
    if not shape.get("minLength", 0) <= len(text) <= shape.get("maxLength", len(text)):
        return False
    return re.search(shape.get("pattern", ""), text) is not None
