"""Why a cell was refused, in the reader's language; and the refused rows as a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.models import Import, ImportProblem
from common.csvfiles import lines

REASONS: dict[str, Any] = {
    "row_encoding": gettext_lazy("The cell holds a character that cannot be read in the chosen encoding."),
    "row_control_char": gettext_lazy("The cell holds a control character."),
    "row_too_long": gettext_lazy("The cell is longer than 2,000 characters."),
    "row_too_long_to_keep": gettext_lazy(
        "The cell is longer than the %(extra)s characters that an audience keeps."
    ),
    "row_too_many_cells": gettext_lazy("The row has more cells than the header."),
    "row_no_identity": gettext_lazy("The cell that names the person is empty."),
    "row_duplicate": gettext_lazy("The same person stands in row %(extra)s already."),
    "bad_email": gettext_lazy("This is not an email address. Write it like ana@example.com."),
    "bad_phone": gettext_lazy(
        "This is not a phone number. Write it with its country, like +886 912 345 678."
    ),
    "bad_identity": gettext_lazy("The identity is too long: at most %(extra)s characters."),
    "bad_line_id": gettext_lazy("This is not a LINE user id: U and 32 digits or letters from a to f."),
    "bad_push_token": gettext_lazy(
        "This is not a device’s token. Write the platform before it, like fcm:… or apns:…."
    ),
    "bad_subscription": gettext_lazy(
        "This is not a browser’s push subscription: JSON with “endpoint” and “keys”."
    ),
    "row_bad_locale": gettext_lazy("This is not a language; write one like zh-TW."),
    "row_bad_time_zone": gettext_lazy("This is not a time zone; write one like Asia/Taipei."),
    "row_bad_number": gettext_lazy("This is not a number, or not one of ordinary size."),
    "row_bad_boolean": gettext_lazy("This is neither yes nor no (yes, y, true, 1, 是; no, n, false, 0, 否)."),
    "row_bad_date": gettext_lazy("This is no date in the chosen format, or no day that exists."),
    "row_bad_datetime": gettext_lazy("This is no date and time in the chosen format, or none that exists."),
    "row_bad_list": gettext_lazy("A list has at most 100 texts of at most 200 characters."),
    "row_bad_choice": gettext_lazy("This is none of the choices: %(extra)s."),
    "identity_twice": gettext_lazy("Row %(extra)s gives this to another person; it was left out here."),
    "identity_taken": gettext_lazy("This belongs to another person already; it was left out here."),
    "consent_kept": gettext_lazy(
        "This person opted out or never confirmed, and no newer agreement is shown; that stays."
    ),
    # Of events: as `audiences/events.py` says them, without the place in a body.
    "unknown_person": gettext_lazy("There is no such person."),
    "bad_person": gettext_lazy("profileId is the number of a person."),
    "bad_name": gettext_lazy(
        "A name has small letters, digits, _ and ., begins with a letter and is at most 63 long."
    ),
    "bad_datetime": gettext_lazy("This is no moment that exists; write it like 2026-11-24T13:00:00+08:00."),
    "in_the_future": gettext_lazy("The event lies more than a day ahead."),
    "too_old": gettext_lazy("Events of that time are not kept any more."),
    "bad_key": gettext_lazy("A key is a text of at most %(extra)s printable characters."),
    "bad_json": gettext_lazy("This is not a JSON object."),
    "bad_properties": gettext_lazy("The properties are an object of at most %(extra)s entries."),
    "bad_property": gettext_lazy(
        "A property has a name of 1 to 63 printable characters, and is a text, an ordinary number, true, "
        "false or null."
    ),
    "bad_unicode": gettext_lazy("A property holds a character that cannot be stored."),
    "too_large": gettext_lazy("The properties are larger than %(extra)s bytes."),
}


def sentence(code: str, extra: str = "") -> str:
    reason = str(REASONS.get(code, REASONS["row_control_char"] if code == "control_char" else code))
    return reason % {"extra": extra} if "%(extra)s" in reason else reason


def shown(value: str) -> str:
    """At most 80 characters, printable ones, so that the cell can be found."""
    return "".join(letter if letter.isprintable() else "·" for letter in value[:80])


def as_csv(job: Import) -> Iterator[str]:
    """The refused cells: row, column, value, reason. What a spreadsheet would calculate is guarded."""
    rows = ImportProblem.objects.filter(job=job).order_by("row", "id")
    cells = ([one.row, one.column, one.value, sentence(one.code, one.extra)] for one in rows.iterator(2000))
    return lines(chain([[_("Row"), _("Column"), _("Value"), _("What is wrong")]], cells))
