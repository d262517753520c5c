"""The one place where an error becomes `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpResponse
from rest_framework import exceptions, parsers
from rest_framework.response import Response

from common.api import problems_of, require_utf8
from common.errors import CarillonError, Invalid


class NestedJSONParser(parsers.JSONParser):
    """DRF's own, but JSON is UTF-8 (RFC 8259), and a body that nests without end is the caller's fault, and
    so is a number without end.
    """

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        require_utf8(media_type or "")
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError("JSON parse error - it nests too deeply") from error
        except exceptions.ParseError as error:
            if "set_int_max_str_digits" in str(error.detail):  # Python's own words speak to its programmer
                raise exceptions.ParseError("JSON parse error - a number has too many digits") from error
            raise


def problem(status: int, code: str, detail: str, **extra: Any) -> HttpResponse:
    """In UTF-8, to be read as it stands; half a surrogate pair that it echoes is written as an escape."""
    body = {
        "type": "about:blank",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
    }
    told = {**body, "detail": detail, **extra}
    text = json.dumps(told, ensure_ascii=False, cls=DjangoJSONEncoder)
    content = text.encode(errors="backslashreplace")  # what that writes, \\udXXX, is how JSON escapes it
    response = HttpResponse(content, status=status, content_type="application/problem+json")
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if wait := extra.get("retryAfter"):
        response["Retry-After"] = str(wait)
    return response


def _pointer(place: str) -> str:
    """A verb names a field; a caller of the API knows it by its place in the body."""
    if not place or place.startswith("/"):
        return place
    first, *others = place.split("_")
    return "/" + first + "".join(word.capitalize() for word in others)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | HttpResponse | None:
    """DRF's exception handler. Returns None for what is a defect of ours, so that it is logged as one.

    `named` in the context is what a call says of itself; it comes back where the reference product tells it.
    """
    named = context.get("named")
    about: dict[str, Any] = {"report": {"additionalContext": named}} if named else {}
    if isinstance(error, Invalid):
        errors = [
            {"pointer": _pointer(p.pointer), "code": p.code, "detail": str(p.detail)} for p in error.problems
        ]
        return problem(error.status, error.code, str(error.detail), errors=errors, **about)
    if isinstance(error, CarillonError):
        return problem(error.status, error.code, str(error.detail), **error.extra, **about)
    if isinstance(error, Http404):
        return problem(404, "not_found", "There is nothing here, or it is not visible to this credential.")
    if isinstance(error, exceptions.ValidationError):
        return problem_response(Invalid(problems_of(error.detail)), context)
    if isinstance(error, exceptions.APIException):
        return problem(error.status_code, str(error.default_code), str(error.detail)[:500], **about)
    return None
