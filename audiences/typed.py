"""A value of an attribute in the one stored form of its type.

Stored in `Profile.attributes` as JSON: text and choice as texts, number as number, boolean as true or false,
date as "2026-11-24", datetime as "2026-11-24T05:00:00Z" (always UTC), list as a list of texts, email and
phone as the one spelling of that address. A person without a value lacks the key.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from django.utils.translation import gettext as _

from audiences.models import AttributeDefinition
from channels.kinds import clean_email, clean_phone
from common.errors import Invalid, Problem
from common.text import BREAKS, has_control

Type = AttributeDefinition.Type
Stored = str | int | float | bool | list[str]

MOST_TEXT, MOST_ITEM, MOST_ITEMS = 2000, 200, 100
TRUE = frozenset(("yes", "y", "true", "t", "on", "1", "是"))
FALSE = frozenset(("no", "n", "false", "f", "off", "0", "否"))
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[+-]\d{2}:?\d{2}))?")
_SEPARATORS = re.compile(r"[;,、|\n]")


def clean(
    definition: AttributeDefinition, value: Any, *, zone: tzinfo | None = None, pointer: str = ""
) -> Stored | None:
    """The value in its stored form; None when there is none (None, a blank text, an empty list).

    A text in any type is read as a person writes it in a file, so “是” is a boolean and "a; b" a list.
    `zone` is that of a moment written without one; such a moment is refused where it is None.
    Raises Invalid with one Problem (bad_number, bad_choice, control_char, …) at `pointer`, which is
    /attributes/<key> unless told otherwise.
    """
    if value is None:
        return None
    pointer = pointer or f"/attributes/{definition.key}"
    if isinstance(value, str):
        value = clean_text(value, pointer)
        if not value:
            return None
    stored: Stored | None = _READERS[Type(definition.type)](definition, value, zone, pointer)
    return stored


def clean_text(value: str, pointer: str) -> str:
    """NFC, no control characters but line ends and tabs, no blanks around it. Raises Invalid."""
    text = unicodedata.normalize("NFC", value).strip()
    if has_control(text, allowed=BREAKS):
        raise _wrong("control_char", _("The text holds a character that cannot be stored."), pointer)
    if len(text) > MOST_TEXT:
        detail = _("The text is longer than %(most)s characters.") % {"most": MOST_TEXT}
        raise _wrong("too_long", detail, pointer)
    return text


def _wrong(code: str, detail: str, pointer: str) -> Invalid:
    return Invalid(Problem(code, detail, pointer))


def _read_text(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    if isinstance(value, str):
        return value
    raise _wrong("bad_text", _("Give a text."), pointer)


def _read_number(
    definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str
) -> int | float:
    number: Any = value
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value)
        number = float(text) if text.isascii() and len(text) < 40 and _NUMBER.fullmatch(text) else None
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if is_number and abs(number) < 1e15 and math.isfinite(number):
        return int(number) if number == int(number) else float(number)
    raise _wrong("bad_number", _("Give a number of ordinary size, such as 12 or 3.5."), pointer)


def _read_boolean(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> bool:
    word = unicodedata.normalize("NFKC", str(value)).casefold() if isinstance(value, str | int) else ""
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise _wrong("bad_boolean", _("Give yes or no (true or false, 1 or 0, 是 or 否)."), pointer)


def _read_date(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.isascii() and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise _wrong("bad_date", _("Give a day that exists, such as 2026-11-24."), pointer)


def _read_moment(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    return written_moment(read_moment(value, zone=zone, pointer=pointer))


def read_moment(value: Any, *, zone: tzinfo | None = None, pointer: str = "") -> datetime:
    """An aware moment in UTC from a datetime or an ISO 8601 text. Raises Invalid `bad_datetime`."""
    moment = value if isinstance(value, datetime) else None
    if isinstance(value, str) and value.isascii() and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.replace(" Z", "Z").replace(" +", "+").replace(" -", "-"))
        except ValueError:
            moment = None
    if moment is None:
        detail = _("Give a moment that exists, such as 2026-11-24T13:00:00+08:00.")
        raise _wrong("bad_datetime", detail, pointer)
    if moment.tzinfo is None:
        moment = _placed(moment, zone, pointer)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise _wrong("bad_datetime", _("The moment is out of range."), pointer) from error


def _placed(moment: datetime, zone: tzinfo | None, pointer: str) -> datetime:
    if zone is None:
        detail = _("The moment lacks its time zone. Write it like 2026-11-24T13:00:00+08:00 or …05:00:00Z.")
        raise _wrong("naive_datetime", detail, pointer)
    placed = moment.replace(tzinfo=zone)
    try:
        exists = placed.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    except (OverflowError, ValueError):
        exists = False
    if not exists:
        detail = _("The clocks were put forward over this moment; it does not exist in %(zone)s.")
        raise _wrong("bad_datetime", detail % {"zone": zone}, pointer)
    return placed


def written_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _read_list(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> Any:
    """A text from a file is a JSON list, or items with ; , 、 | or line ends between them."""
    items = value
    if isinstance(value, str):
        items = _json_list(value)
        items = _SEPARATORS.split(value) if items is None else items
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise _wrong("bad_list", _("Give a list of texts."), pointer)
    found = dict.fromkeys(item for item in (clean_text(item, pointer) for item in items) if item)
    if len(found) > MOST_ITEMS:
        raise _wrong("too_long", _("The list has more than %(most)s items.") % {"most": MOST_ITEMS}, pointer)
    if any(len(item) > MOST_ITEM or has_control(item) for item in found):
        detail = _("Each item of a list is one line of at most %(most)s characters.") % {"most": MOST_ITEM}
        raise _wrong("bad_list", detail, pointer)
    return list(found) or None


def _json_list(text: str) -> Any:
    if not text.startswith("["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_choice(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    if isinstance(value, str) and value in definition.choices:
        return value
    some = ", ".join(definition.choices[:10]) + (" …" if len(definition.choices) > 10 else "")
    raise _wrong("bad_choice", _("Give one of: %(choices)s.") % {"choices": some}, pointer)


def _read_email(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    return _address(clean_email, value, pointer)


def _read_phone(definition: AttributeDefinition, value: Any, zone: tzinfo | None, pointer: str) -> str:
    return _address(clean_phone, value, pointer)


def _address(clean_it: Callable[[str], str], value: Any, pointer: str) -> str:
    """In the form that the profile's own address is stored in: a list of addresses knows it by no other."""
    if not isinstance(value, str):
        raise _wrong("bad_text", _("Give a text."), pointer)
    try:
        return clean_it(value)
    except Invalid as error:
        raise _wrong(error.problems[0].code, error.detail, pointer) from error


_READERS: Mapping[Type, Callable[[AttributeDefinition, Any, tzinfo | None, str], Any]] = {
    Type.TEXT: _read_text,
    Type.NUMBER: _read_number,
    Type.BOOLEAN: _read_boolean,
    Type.DATE: _read_date,
    Type.DATE_TIME: _read_moment,
    Type.LIST: _read_list,
    Type.CHOICE: _read_choice,
    Type.EMAIL: _read_email,
    Type.PHONE: _read_phone,
}


def written(value: Any) -> str:
    """A stored value as a person writes it in a file or a form; `clean` reads it back to the same value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [str(item) for item in value]
        if any(_SEPARATORS.search(item) or item.startswith("[") for item in items):
            return json.dumps(items, ensure_ascii=False)
        return "; ".join(items)
    return str(value)
