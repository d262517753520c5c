"""What the REST doors of all apps share: strict bodies, and pages that stay right while rows are added."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema_field, inline_serializer
from rest_framework import exceptions, pagination, renderers, serializers
from rest_framework.request import Request

from common.errors import ChangedSince, Invalid, Problem, UnconditionalChange, pointer_to

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know, and what only we may write, instead of passing over it in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            faults = {str(name): [self._fault(str(name))] for name in data if not self._takes(str(name))}
            if not isinstance(data, QueryDict):  # a form knows nothing but texts
                faults |= self._mistyped(data)
            if faults:
                raise exceptions.ValidationError(faults)
        return super().to_internal_value(data)

    def _mistyped(self, data: Mapping[Any, Any]) -> dict[str, list[exceptions.ErrorDetail]]:
        given = [(name, field, data[name]) for name, field in self.fields.items() if name in data]
        faults = {
            name: [exceptions.ErrorDetail(_("This is of another type."), code="invalid")]
            for name, field, value in given
            if _is_mistyped(field, value)
        }
        detail = _("Give a time with its offset, like 2026-12-01T09:00:00+08:00.")
        for name, field, value in given:
            is_time = isinstance(field, serializers.DateTimeField) and value is not None
            if is_time and not (isinstance(value, str) and is_moment(value)):
                faults[name] = [exceptions.ErrorDetail(detail, code="bad_moment")]
        return faults

    def _takes(self, name: str) -> bool:
        return name in self.fields and not self.fields[name].read_only

    def _fault(self, name: str) -> exceptions.ErrorDetail:
        if name in self.fields:
            return exceptions.ErrorDetail(_("This cannot be written."), code="read_only_field")
        known = ", ".join(key for key, field in self.fields.items() if not field.read_only)
        detail = _("There is no such field; the fields are: %(known)s.") % {"known": known}
        return exceptions.ErrorDetail(detail, code="unknown_field")


def require_utf8(content_type: str) -> None:
    """JSON travels as UTF-8 (RFC 8259, 8.1). Raises UnsupportedMediaType for what says that it does not."""
    charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise exceptions.UnsupportedMediaType(content_type[:80])


def is_moment(text: str) -> bool:
    """Written as RFC 3339 has it: a day of a month, a time and its offset. No more: a day may not exist."""
    return MOMENT.fullmatch(text) is not None


def _is_mistyped(field: Any, value: Any) -> bool:
    """Whether REST framework would read one JSON type as another: 0 as a text, "no" as false, "7" as 7."""
    if value is None:
        return False
    if isinstance(field, serializers.ListField):
        return isinstance(value, list) and any(_is_mistyped(field.child, one) for one in value)
    if isinstance(field, serializers.CharField):
        return not isinstance(value, str)
    if isinstance(field, serializers.BooleanField):
        return not isinstance(value, bool)
    return isinstance(field, serializers.IntegerField | serializers.FloatField) and isinstance(
        value, str | bool
    )


@extend_schema_field({"type": "string", "format": "binary", "minLength": 1})
class FilePart(serializers.FileField):
    """A file of a form. An empty one has no use; the verb that reads it says so in its own words."""


@extend_schema_field({"type": "string", "format": "email", "maxLength": 254})
class EmailOfSomebody(serializers.CharField):
    """Whoever looks the person up refuses an address that is nobody's, whatever it is written like."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, **options)


class SafeJSONRenderer(renderers.JSONRenderer):
    """UTF-8, but where a text echoes half a surrogate pair: that answer is written in ASCII escapes."""

    def render(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().render(*args, **kwargs)
        except UnicodeEncodeError:
            return _ASCIIRenderer().render(*args, **kwargs)


class _ASCIIRenderer(renderers.JSONRenderer):
    ensure_ascii = True


def problems_of(detail: Any, pointer: str = "") -> list[Problem]:
    """DRF's nested error detail as problems, each with its JSON pointer (RFC 6901). What they echo is cut."""
    if isinstance(detail, Mapping):
        found = []
        for name, inner in detail.items():
            part = "" if name == "non_field_errors" else pointer_to(name)
            found += problems_of(inner, pointer + part)
        return found
    if isinstance(detail, list):
        if all(isinstance(one, exceptions.ErrorDetail) for one in detail):
            return [Problem(one.code, _cut(str(one)), pointer) for one in detail]
        return [
            problem
            for place, inner in enumerate(detail)
            for problem in problems_of(inner, f"{pointer}/{place}")
        ]
    return [Problem(getattr(detail, "code", "invalid"), _cut(str(detail)), pointer)]


def _cut(text: str) -> str:
    """A sentence of ours is shorter; what makes one long is what was given, which stands in its middle."""
    return text if len(text) <= 1000 else f"{text[:80]}…{text[-60:]}"


PAGING = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": 1000}, description="100 rows unless told."
    ),
]


def page_of(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """A page of rows as CursorPages answers it, for OpenAPI."""
    fields: dict[str, Any] = {
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": shape(many=True),
    }
    return inline_serializer(shape.__name__.removesuffix("Shape") + "Page", fields)


class CursorPages(pagination.CursorPagination):
    """`{"next": address, "previous": address, "results": […]}`, newest first; `?limit=` up to 1,000."""

    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
    ordering = "-pk"

    def decode_cursor(self, request: Any) -> Any:
        """A moment that no database keeps is no place to go on from."""
        cursor = super().decode_cursor(request)
        try:
            moment = parse_datetime(str(cursor.position or "")) if cursor else None
            if moment is not None and moment.tzinfo is not None:
                moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise exceptions.NotFound(self.invalid_cursor_message) from error
        return cursor

    def get_page_size(self, request: Any) -> int:
        """Raises Invalid: what cannot be given is not rounded to what can."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= self.max_page_size):
            detail = _("Give a whole number from 1 to %(most)s.") % {"most": self.max_page_size}
            raise Invalid(Problem("bad_limit", detail, "/limit"))
        return int(asked)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError) as error:  # a cursor that we did not write
            raise exceptions.NotFound(self.invalid_cursor_message) from error


def ordered(request: Request, orders: Mapping[str, str], otherwise: str) -> CursorPages:
    """Pages in the order that `?ordering=` names, `-` in front for descending. Raises Invalid."""
    asked = request.query_params.get("ordering", otherwise)
    sign, name = ("-", asked[1:]) if asked.startswith("-") else ("", asked)
    if name not in orders:
        known = ", ".join(orders)
        detail = _("Order by one of: %(known)s; with - in front the other way round.") % {"known": known}
        raise Invalid(Problem("unknown_ordering", detail, "/ordering"))
    pages = CursorPages()
    pages.ordering = (sign + orders[name], sign + "pk")  # type: ignore[assignment]
    return pages


def ordering_of(orders: Iterable[str]) -> OpenApiParameter:
    values = [sign + name for name in orders for sign in ("", "-")]
    return OpenApiParameter("ordering", str, enum=values, description="- in front: the other way round.")


# ---- filters -------------------------------------------------------------------------------------


def choice_of(request: Request, name: str, choices: Iterable[str]) -> str:
    """What a filter asks for, empty where it is left out. Raises Invalid for what is none of `choices`."""
    asked, known = request.query_params.get(name), list(choices)
    if asked is not None and asked not in known:
        detail = _("Give one of: %(known)s.") % {"known": ", ".join(known)}
        raise Invalid(Problem("unknown_choice", detail, f"/{name}"))
    return asked or ""


def flag_of(request: Request, name: str) -> bool:
    """Whether the address says `?name=true`. Raises Invalid for anything but true and false."""
    return choice_of(request, name, ("true", "false")) == "true"


# ---- only some fields ---------------------------------------------------------------------------


def fields_of(shape: type[serializers.Serializer[Any]]) -> OpenApiParameter:
    """The parameter that `chosen_fields` reads."""
    return OpenApiParameter(
        "fields",
        {"type": "array", "items": {"type": "string", "enum": [*shape().fields]}, "minItems": 1},
        explode=False,
        description="Only these fields, by commas: `id,name`.",
    )


class SparseSerializer(StrictSerializer):
    """An answer of which `?fields=` may choose a part; `id` is always there.

    `moving` are fields that change though nobody changes the thing; the ETag is not of them.
    """

    moving: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, one in self.fields.items():
            one.required = name == "id"


def chosen_fields(request: Request, shape: type[serializers.Serializer[Any]]) -> set[str]:
    """The fields `?fields=` asks for; all without it. Raises Invalid for one that does not exist."""
    known = set(shape().fields)
    asked = request.query_params.get("fields")
    if asked is None:
        return known
    wanted = {name.strip() for name in asked.split(",") if name.strip()}
    if not wanted or wanted - known:
        detail = _("There is no such field; the fields are: %(known)s.") % {"known": ", ".join(sorted(known))}
        raise Invalid(Problem("unknown_field", detail, "/fields"))
    return wanted | {"id"} & known


def only(row: Mapping[str, Any], wanted: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in wanted}


# ---- changes that name what they were made for ----------------------------------------------------

IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": r"\S", "example": "*"},
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag of the last answer, or *. Without it: 428; when it was changed since: 412.",
)


IF_MATCH_GIVEN = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": r"\S", "example": "*"},
    OpenApiParameter.HEADER,
    description="The ETag of the last answer; when it was changed since: 412.",
)


def etag_of(row: Mapping[str, Any]) -> str:
    """A strong entity tag (RFC 9110 section 8.8.3) of what is shown."""
    text = json.dumps(row, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]}"'


def require_match(request: Request, etag: str) -> None:
    """Raises UnconditionalChange without If-Match, ChangedSince where none of its tags is the present one."""
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise UnconditionalChange(_("Send If-Match with the ETag that you last read, or * for any."))
    if given != "*" and etag not in [one.strip() for one in given.split(",")]:
        raise ChangedSince(_("It was changed since you read it. Read it again."), etag=etag)
