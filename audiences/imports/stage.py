"""Checks every row of a sheet and puts the good ones into the staging table by COPY; the bad ones are listed
with row, column, masked value and what to do. Nothing else changes yet: `merge.py` comes next.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from accounts.access import Actor, require
from accounts.models import User
from audiences.imports.sniff import PROFILE_COLUMNS, sniff
from audiences.models import Audience, Import
from audiences.profiles import clean_locale, clean_time_zone
from channels.kinds import clean_email, clean_phone
from common.errors import Invalid, Problem

MAX_PROBLEMS = 1000
MAX_CELL = 2000
COPY = """COPY audiences_stagedrow (job_id, number, email, phone, locale, time_zone, attributes) FROM STDIN"""


@dataclass
class _Tally:
    staged: int = 0
    rejected: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, row: int, column: str, value: str, detail: str) -> None:
        self.rejected += 1
        if len(self.problems) < MAX_PROBLEMS:
            shown = mask(value)
            self.problems.append({"row": row, "column": column, "value": shown, "detail": detail})


def mask(value: str) -> str:
    """Enough to find the cell, too little to tell whose it is."""
    printable = "".join(letter if letter.isprintable() else "·" for letter in value[:40])
    return printable[:2] + "…" + printable[-2:] if len(printable) > 5 else printable


@transaction.atomic
def stage(raw: bytes, *, file_name: str, audience: Audience, actor: Actor, now: datetime) -> Import:
    """Raises Invalid when the file cannot be right; then nothing is left behind."""
    require(actor, "audiences.manage_audience", audience)
    if audience.kind != Audience.Kind.UPLOAD:
        detail = _("“%(name)s” is made by a rule; a file cannot be added to it.") % {"name": audience.name}
        raise Invalid(Problem("not_an_upload", detail, "audience"))
    sheet = sniff(raw)
    job = Import.objects.create(
        workspace=audience.workspace,
        audience=audience,
        file_name=file_name[:200],
        columns=[name for name in sheet.columns if name],
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
    )
    tally, seen = _Tally(), set[str]()
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, cells in sheet.rows():
            values = _checked(number, sheet.columns, cells, tally)
            if values is None:
                continue
            if values["email"] in seen:
                tally.reject(number, "email", values["email"], _("This address stands in an earlier row."))
                continue
            seen.add(values["email"])
            tally.staged += 1
            attributes = {key: cell for key, cell in values.items() if key not in PROFILE_COLUMNS and cell}
            fixed = [values.get(name) for name in PROFILE_COLUMNS]
            copy.write_row(
                (
                    job.pk,
                    number,
                    fixed[0],
                    fixed[1] or None,
                    fixed[2] or "",
                    fixed[3] or "",
                    Jsonb(attributes),
                )
            )
    if not tally.staged:
        first = tally.problems[0]["detail"] if tally.problems else _("There is no row below the header.")
        raise Invalid(
            Problem("csv_no_rows", _("No row can be imported. %(first)s") % {"first": first}, "file")
        )
    job.total, job.rejected_count, job.problems = tally.staged, tally.rejected, tally.problems
    job.save()
    return job


CLEANERS: dict[str, Callable[[str], str]] = {
    "email": clean_email,
    "phone": clean_phone,
    "locale": clean_locale,
    "time_zone": clean_time_zone,
}


def _checked(row: int, columns: tuple[str, ...], cells: list[str], tally: _Tally) -> dict[str, str] | None:
    """The row's values by column, or None after noting why it is rejected."""
    if len(cells) > len(columns):
        tally.reject(row, "", cells[-1], _("The row has more cells than the header."))
        return None
    values: dict[str, str] = {}
    for name, cell in zip(columns, cells, strict=False):
        text = unicodedata.normalize("NFC", cell).strip()
        if not name or (not text and name != "email"):
            continue
        if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n\r" for letter in text):
            tally.reject(row, name, text, _("The cell holds a control character."))
            return None
        if len(text) > MAX_CELL:
            tally.reject(
                row, name, text, _("The cell is longer than %(most)s characters.") % {"most": MAX_CELL}
            )
            return None
        try:
            values[name] = CLEANERS[name](text) if name in CLEANERS else text
        except Invalid as error:
            tally.reject(row, name, text, error.detail)
            return None
    if "email" not in values:
        tally.reject(row, "email", "", _("The row has no email address."))
        return None
    return values
