"""Reads the bodies of bulk calls strictly. What is wrong with one item is told of that item; only what is
wrong with the whole call refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from audiences.events import Happened
from audiences.upsert import Given
from common.errors import Invalid, Problem, pointer_to

Item = TypeVar("Item")
PERSON = ("identities", "locale", "timeZone", "isTest", "isUntracked", "attributes")
OURS = ("id", "createdAt", "changedAt")
EVENT = ("name", "at", "profileId", "identity", "properties", "key")


def an_object(given: Any, known: Collection[str], pointer: str = "") -> dict[str, Any]:
    """The object, which holds no other keys. Raises Invalid."""
    if not isinstance(given, dict):
        raise Invalid(Problem("not_an_object", _("Give a JSON object."), pointer))
    problems = [_unknown(name, known, pointer) for name in given if name not in known]
    if problems:
        raise Invalid(problems)
    return given


def _unknown(name: str, known: Iterable[str], pointer: str) -> Problem:
    place = pointer + pointer_to(name)
    if name in OURS:
        return Problem("read_only_field", _("This cannot be written."), place)
    detail = _("There is no such field; the fields are: %(known)s.") % {"known": ", ".join(known)}
    return Problem("unknown_field", detail, place)


def items_of(
    body: Any, name: str, most: int, read: Callable[[Any], Item], also: Collection[str] = ()
) -> list[Item | Invalid]:
    """The items of the list `name`, each read, or the Invalid that says why it cannot be."""
    items = an_object(body, (name, *also)).get(name)
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        detail = _("Give a list of 1 to %(most)s items.") % {"most": most}
        raise Invalid(Problem("bad_count", detail, f"/{name}"))
    return [_read(one, read) for one in items]


def _read(given: Any, read: Callable[[Any], Item]) -> Item | Invalid:
    try:
        return read(given)
    except Invalid as error:
        return error


def flag(body: Any, name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Invalid(Problem("bad_boolean", _("Give true or false."), f"/{name}"))
    return value


def person(given: Any, *, key: tuple[str, str] | None = None) -> Given:
    """One person. With a `key` the identities may be left out; it is always the first of them."""
    body = an_object(given, PERSON)
    pairs = [pair(one, f"/identities/{place}") for place, one in enumerate(_list(body, "identities"))]
    if key is not None:
        pairs = [key, *(one for one in pairs if one != key)]
    is_test = flag(body, "isTest", False) if "isTest" in body else None
    attributes = body.get("attributes", {})
    if not isinstance(attributes, dict):
        raise Invalid(Problem("not_an_object", _("Give a JSON object."), "/attributes"))
    return Given(
        identities=pairs,
        locale=_text(body, "locale"),
        time_zone=_text(body, "timeZone"),
        is_test=is_test,
        is_untracked=flag(body, "isUntracked", False) if "isUntracked" in body else None,
        attributes=attributes,
        has_key=key is not None,
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    """None where it is left out."""
    value = body.get(name)
    if name in body and not isinstance(value, str):
        raise Invalid(Problem("not_a_text", _("Give a text."), f"/{name}"))
    return value


def _list(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise Invalid(Problem("not_a_list", _("Give a list."), f"/{name}"))
    return value


def pair(given: Any, pointer: str) -> tuple[Any, Any]:
    body = an_object(given, ("namespace", "value"), pointer)
    return body.get("namespace"), body.get("value")


def event(given: Any) -> Happened:
    body = an_object(given, EVENT)
    identity = body.get("identity")
    return Happened(
        name=body.get("name"),
        at=body.get("at"),
        profile_id=body.get("profileId"),
        identity=None if identity is None else pair(identity, "/identity"),
        properties=body.get("properties", {}),
        key=body.get("key"),
    )


def answer(name: str, outcomes: Collection[Any], statuses: Iterable[str]) -> dict[str, Any]:
    """A bulk call's answer: how many of each status, and every item's own result with its pointers."""
    counts = {status: sum(1 for one in outcomes if one.status == status) for status in statuses}
    results = [
        {
            "index": place,
            "status": one.status,
            "id": one.profile_id,
            "errors": [
                {
                    "pointer": f"/{name}/{place}{fault.pointer}",
                    "code": fault.code,
                    "detail": str(fault.detail),
                }
                for fault in one.problems
            ],
        }
        for place, one in enumerate(outcomes)
    ]
    return {**counts, "results": results}
