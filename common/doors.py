"""What the REST doors of every kind of thing do alike: pages of them, in an order, whole or in part; one with
its ETag; what may be done with it now; and a change that names the state it was made for.

A door brings the rows that its gate lets through, the shape they are shown in and the caller's rights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import (
    PAGING,
    SparseSerializer,
    chosen_fields,
    etag_of,
    fields_of,
    only,
    ordered,
    ordering_of,
    require_match,
)
from common.errors import Invalid, NotFound, Problem

Shape = type[SparseSerializer]
NEWEST = {"created": "created_at"}
CHANGED = {**NEWEST, "changed": "changed_at"}
NAMED = {**CHANGED, "name": "name"}
NUMBERED = {"number": "number"}
SEARCH = OpenApiParameter("search", str, description="A part of the name.")


class Acting(SparseSerializer):
    """A thing with the verbs that are possible in its present state, if the caller has the right to them.

    The rights stand in the context, as a set of permissions.
    """

    right: ClassVar[str]
    actions = serializers.SerializerMethodField(help_text="What may be done with it now.")

    def get_actions(self, row: Any) -> list[str]:
        return list(self.possible(row)) if self.right in self.context["rights"] else []

    def possible(self, row: Any) -> Iterable[str]:
        return ("change", "delete")


def listing(shape: Shape, orders: Iterable[str], *filters: OpenApiParameter) -> list[OpenApiParameter]:
    """The parameters that `listed` reads, for OpenAPI."""
    return [*filters, ordering_of(orders), fields_of(shape), *PAGING]


def listed(
    request: Request,
    rows: QuerySet[Any],
    shape: Shape,
    orders: Mapping[str, str],
    otherwise: str = "-created",
    *,
    rights: Collection[str] = (),
) -> Response:
    """A page of the rows. Raises Invalid for a field or an order that does not exist."""
    wanted, pages = chosen_fields(request, shape), ordered(request, orders, otherwise)
    found: Any = pages.paginate_queryset(rows, request) or []
    shown = shape(found, many=True, context={"rights": rights}).data
    return pages.get_paginated_response([only(row, wanted) for row in shown])


def whole(request: Request, rows: Iterable[Any], shape: Shape, rights: Collection[str] = ()) -> list[Any]:
    """A list so short that it has no pages."""
    wanted = chosen_fields(request, shape)
    return [only(row, wanted) for row in shape(list(rows), many=True, context={"rights": rights}).data]


def shown(
    request: Request, row: Any, shape: Shape, rights: Collection[str] = (), *, status: int = 200, **more: Any
) -> Response:
    """One thing with its ETag; `more` stands beside it in this answer only, such as a secret just made."""
    told, wanted = shape(row, context={"rights": rights}).data, None
    if request.method == "GET":
        wanted = chosen_fields(request, shape)
    answer = only(told, wanted) if wanted else {**told, **more}
    return Response(answer, status=status, headers={"ETag": tag_of(told, shape)})


@contextmanager
def unchanged(
    request: Request,
    row: Model,
    shape: Shape,
    *,
    told: Callable[[Any], Any] | None = None,
    lock: Model | None = None,
) -> Iterator[None]:
    """The change inside meets the row as it was compared with If-Match: it is locked and read again before,
    and committed with the change, so that whoever comes second is told 412 however close they are.

    `told` makes of the row what `shape` shows; `lock` is what the change locks first, where that is another
    row. Raises UnconditionalChange without If-Match, ChangedSince where it is another state than was read.
    """
    with transaction.atomic():
        if lock is not None:
            hold(lock)
        hold(row)
        seen = told(row) if told else row
        require_match(request, tag_of(shape(seen, context={"rights": ()}).data, shape))
        yield


def hold(row: Model) -> None:
    """Locks the row until the transaction ends and reads it again. Raises NotFound where it is gone."""
    try:
        row.refresh_from_db(from_queryset=type(row)._base_manager.select_for_update(of=("self",)))
    except ObjectDoesNotExist as error:
        raise NotFound(_("It is no longer there.")) from error


def tag_of(told: Mapping[str, Any], shape: Shape) -> str:
    """Of what only a change by somebody moves: not of what a clock or another's rights make of it."""
    return etag_of(
        {name: _still(value) for name, value in told.items() if name not in {"actions", *shape.moving}}
    )


def _still(value: Any) -> Any:
    """A part without what may be done with it."""
    if isinstance(value, Mapping):
        return {name: _still(inner) for name, inner in value.items() if name != "actions"}
    return [_still(inner) for inner in value] if isinstance(value, list) else value


def searched(request: Request, rows: QuerySet[Model], field: str = "name") -> QuerySet[Any]:
    """Those whose name holds what `?search=` asks for."""
    text = request.query_params.get("search", "").replace("\0", "")[:100]
    return rows.filter(**{f"{field}__icontains": text}) if text else rows


@contextmanager
def pointing(names: Mapping[str, str] | None = None) -> Iterator[None]:
    """A verb's faults name its own fields; a caller wants a JSON pointer into the body. `names` are those
    the body calls otherwise. What is a pointer already stays, and so does a fault of the whole.
    """
    try:
        yield
    except Invalid as error:
        raise Invalid(
            Problem(one.code, one.detail, _pointer(one.pointer, names or {})) for one in error.problems
        ) from error


def _pointer(field: str, names: Mapping[str, str]) -> str:
    return field if field[:1] in ("", "/") else f"/{names.get(field, field)}"


def body_of(request: Request, shape: type[serializers.Serializer[Any]], **options: Any) -> dict[str, Any]:
    """The body, checked. Raises ValidationError, with every fault at its place."""
    body = shape(data=request.data, **options)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
