"""The exact cleaner of one cell, by type: from what people write in files to the one form that is stored.

Each returns "" for nothing, JSON text for an attribute, and raises Refused with a code of `problems.py`.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

from audiences.imports.controls import has_control
from audiences.namespaces import LONGEST
from channels.kinds import clean_push_token, clean_subscription
from common.errors import Invalid

YES = [
    "y",
    "yes",
    "true",
    "t",
    "1",
    "on",
    "ok",
    "✓",
    "✔",
    "是",
    "有",
    "真",
    "要",
    "好",
    "同意",
    "訂閱",
    "はい",
]
NO = [
    "n",
    "no",
    "false",
    "f",
    "0",
    "off",
    "✗",
    "✘",
    "否",
    "無",
    "沒有",
    "假",
    "不",
    "不要",
    "不同意",
    "退訂",
    "取消訂閱",
    "いいえ",
]
TRUTH = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
MAX_ITEMS = 100
MAX_ITEM = 200


class Refused(Exception):
    """A cell that cannot be taken. `extra` completes the sentence of the code."""

    def __init__(self, code: str, extra: str = "") -> None:
        super().__init__(code)
        self.code, self.extra = code, extra


def truth(cell: str) -> bool | None:
    """Yes or no as people write it; None for nothing. Raises Refused for anything else, such as "maybe"."""
    if not cell:
        return None
    try:
        return TRUTH[unicodedata.normalize("NFKC", cell).strip().casefold()]
    except KeyError:
        raise Refused("row_bad_boolean") from None


def in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
MOST = 1e15
# At most 15 digits, so that no reader's binary fraction changes one.
NUMBER = r"0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,8})\.[0-9]{0,5}[1-9]"


def number(cell: str) -> str:
    """Digits with a point, thousands by comma; below 10^15 as a 64-bit number holds it."""
    text = unicodedata.normalize("NFKC", cell).replace("−", "-")
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if len(text) >= 40 or not _NUMBER.fullmatch(text):
        raise Refused("row_bad_number")
    value = float(text)
    if not abs(value) < MOST:
        raise Refused("row_bad_number")
    return str(int(value)) if value == int(value) else repr(value)


def boolean(cell: str) -> str:
    return {True: "true", False: "false", None: ""}[truth(cell)]


# ---- dates ------------------------------------------------------------------------------------

_SEP = r"[-./年月]"
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_ORDERS: dict[str, tuple[re.Pattern[str], str]] = {
    "iso": (_ISO, "ymd"),
    "ymd": (re.compile(rf"([0-9]{{4}}){_SEP}([0-9]{{1,2}}){_SEP}([0-9]{{1,2}})日?"), "ymd"),
    "dmy": (re.compile(r"([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})"), "dmy"),
    "mdy": (re.compile(r"([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})"), "mdy"),
    "roc": (
        re.compile(rf"(?:民國)? ?([0-9]{{2,3}}) ?{_SEP} ?([0-9]{{1,2}}) ?{_SEP} ?([0-9]{{1,2}}) ?日?"),
        "roc",
    ),
}
DATE_FORMATS = tuple(_ORDERS)
_ROC_YEAR_ZERO = 1911
# Days and moments in their stored form; 29 February is left to the calendar.
DAY = (
    r"(?:1[89]|2[01])[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
MOMENT = DAY + r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_LOCAL = re.compile(DAY + r"[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?")


def read_date(text: str, style: str) -> date:
    """The date as the file's style writes it; ISO 8601 is always understood. Years 1800 to 2200."""
    pattern, order = _ORDERS[style]
    found = pattern.fullmatch(text)
    if found is None:
        found, order = _ISO.fullmatch(text), "ymd"
    if found is None:
        raise Refused("row_bad_date", style)
    first, second, third = (int(part) for part in found.groups())
    year, month, day = {
        "ymd": (first, second, third),
        "dmy": (third, second, first),
        "mdy": (third, first, second),
        "roc": (first + _ROC_YEAR_ZERO, second, third),
    }[order]
    try:
        value = date(year, month, day)
    except ValueError:
        raise Refused("row_bad_date", style) from None
    if not 1800 <= year <= 2200:
        raise Refused("row_bad_date", style)
    return value


def date_cleaner(style: str) -> Callable[[str], str]:
    def clean(cell: str) -> str:
        return f'"{read_date(cell, style).isoformat()}"'

    return clean


_CLOCK = re.compile(
    r"(.*?)(?:[T ] ?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?(?: ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)?"
)


def date_time_cleaner(style: str, zone: str) -> Callable[[str], str]:
    """A time without its own offset is meant in `zone`, an IANA name."""
    here = zoneinfo.ZoneInfo(zone)

    def clean(cell: str) -> str:
        if _LOCAL.fullmatch(cell):  # the usual form, a few times quicker
            return _in_utc(datetime.fromisoformat(cell).replace(tzinfo=here))
        found = _CLOCK.fullmatch(cell)
        if found is None:
            raise Refused("row_bad_datetime", style)
        day, hour, minute, second, half, offset = found.groups()
        hours = int(hour or 0)
        if half:
            if not 1 <= hours <= 12:
                raise Refused("row_bad_datetime", style)
            hours = hours % 12 + (12 if half in "Pp" else 0)
        when = read_date(day.strip(), style)
        try:
            local = datetime(when.year, when.month, when.day, hours, int(minute or 0), int(second or 0))
        except ValueError:
            raise Refused("row_bad_datetime", style) from None
        return _in_utc(local.replace(tzinfo=_offset(offset) if offset else here))

    return clean


def _in_utc(moment: datetime) -> str:
    return f'"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"'


def _offset(written: str) -> timezone:
    if written in ("Z", "UTC"):
        return UTC
    hours, minutes = int(written[1:3]), int(written[-2:])
    if hours > 14 or minutes > 59:
        raise Refused("row_bad_datetime")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if written[0] == "-" else span)


# ---- lists and choices ------------------------------------------------------------------------

_BETWEEN = re.compile(r"[;,、|；\n]")


def items(cell: str) -> str:
    """Texts separated by ; , 、 or |, or a JSON list; each once, in the file's order."""
    parts = _json_list(cell) if cell.startswith("[") else None
    found = list(dict.fromkeys(part.strip() for part in parts or _BETWEEN.split(cell) if part.strip()))
    if len(found) > MAX_ITEMS or any(len(part) > MAX_ITEM or "\r" in part or "\t" in part for part in found):
        raise Refused("row_bad_list")
    return json.dumps(found, ensure_ascii=False) if found else ""


def _json_list(cell: str) -> list[str] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    is_texts = isinstance(found, list) and all(isinstance(part, str) for part in found)
    if is_texts and any(has_control(part) for part in found):
        raise Refused("row_control_char")
    return found if is_texts else None


def choice_cleaner(choices: list[str]) -> Callable[[str], str]:
    written = {choice: in_json(choice) for choice in choices}

    def clean(cell: str) -> str:
        if cell not in written:
            raise Refused("row_bad_choice", ", ".join(choices)[:80])
        return written[cell]

    return clean


def new_choice(cell: str) -> str:
    if len(cell) > 100 or "\n" in cell:
        raise Refused("row_bad_list")
    return in_json(cell)


# ---- identities -------------------------------------------------------------------------------

_LINE_ID = re.compile(r"U[0-9a-f]{32}")


def identity(namespace: str, cell: str) -> str:
    """One identity, or several of a person as the JSON list that our export writes."""
    names = _json_list(cell) if cell.startswith("[") else None
    if not names:
        return in_json(_identity(namespace, cell))
    if len(names) > MAX_ITEMS:
        raise Refused("row_bad_list")
    return json.dumps([_identity(namespace, name) for name in names], ensure_ascii=False)


def _identity(namespace: str, name: str) -> str:
    text = unicodedata.normalize("NFC", name).strip()
    most = LONGEST.get(namespace, 500)
    if not 0 < len(text) <= most:
        raise Refused("bad_identity", str(most))
    if namespace == "line_id" and not _LINE_ID.fullmatch(text):
        raise Refused("bad_line_id")
    clean = {"push_token": clean_push_token, "webpush": clean_subscription}.get(namespace)
    try:
        return clean(text) if clean else text
    except Invalid as error:
        raise Refused(error.problems[0].code) from None
