"""A page of rows becomes lines for COPY: its columns cleaned one by one, its faulty rows taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter

from audiences.imports import cells
from audiences.imports.cells import Refused
from audiences.imports.columns import Cleaned, Column, EmailColumn, phone_column, quoted, tidy
from audiences.imports.mapping import Plan, Target
from audiences.imports.problems import shown
from audiences.imports.reader import Batch
from audiences.imports.staging import escaped
from audiences.models import AttributeDefinition
from audiences.profiles import clean_locale, clean_time_zone
from channels.kinds import clean_email, clean_phone
from common.errors import Invalid

Type = AttributeDefinition.Type
NULL = "\\N"
TOGETHER = ("attribute", "identity", "consent", "membership")  # several columns of the file in one
MOST_KEPT = 500  # characters of a cell that is kept with a membership
PROBLEM_COLUMNS = ["job_id", '"row"', '"column"', "value", "code", "extra", "is_rejected"]


@dataclass
class Page:
    """What a batch became. `lines` and `problems` are in COPY's text format."""

    lines: bytes = b""
    problems: bytes = b""
    read: int = 0
    staged: int = 0
    rejected: int = 0


@dataclass
class _Faults:
    """Refused cells by place in the batch."""

    found: dict[int, list[tuple[str, str, Refused]]] = field(default_factory=dict)

    def add(self, place: int, column: str, value: str, refused: Refused) -> None:
        self.found.setdefault(place, []).append((column, value, refused))


class Sheet:
    """Turns batches of one job into pages. `columns` are those of the staging table it fills, in order."""

    def __init__(self, job_id: int, plan: Plan, width: int) -> None:
        self.job_id, self.plan, self.width = job_id, plan, width
        self.fixed = [target for target in plan.targets if target.to not in TOGETHER]
        self.attributes, self.identities = plan.of("attribute"), plan.of("identity")
        self.consents, self.membership = plan.of("consent"), plan.of("membership")
        self.columns = ["number", *[target.to for target in self.fixed]]
        for name in ("attributes", "identities", "consents", "membership"):
            if getattr(self, name):
                self.columns.append(name)
        self.cleaners = {target.index: cleaner(target, plan) for target in plan.targets}

    def page(self, batch: Batch) -> Page:
        if not batch.rows:
            return Page()
        faults = _Faults()
        table = self._square(batch, faults)
        parts = [_encoded(list(map(str, batch.numbers)))]
        parts += [self._fixed(target, table, faults) for target in self.fixed]
        for targets, one in ((self.attributes, self._attribute), (self.identities, self._attribute)):
            if targets:
                parts.append(_objects([one(target, table, faults) for target in targets]))
        if self.consents:
            said = [self._cleaned(target, table, faults).cells for target in self.consents]
            parts.append(_encoded(list(map("".join, zip(*said, strict=True)))))
        if self.membership:
            parts.append(_objects([self._attribute(one, table, faults) for one in self.membership]))
        return self._written(batch, parts, faults)

    def _square(self, batch: Batch, faults: _Faults) -> list[tuple[str, ...]]:
        """The file's columns, whatever the lengths of its rows."""
        rows, width = batch.rows, self.width
        if any(length != width for length in set(map(len, rows))):
            for place, row in enumerate(rows):
                if len(row) > width and any(cell.strip() for cell in row[width:]):
                    faults.add(place, "", row[-1], Refused("row_too_many_cells"))
            rows = [(row + [""] * (width - len(row)))[:width] for row in rows]
        return list(zip(*rows, strict=True))

    def _cleaned(self, target: Target, table: list[tuple[str, ...]], faults: _Faults) -> Cleaned:
        """The column in its stored form, its faults noted with what the file says there."""
        tidied = tidy(table[target.index])
        if target.to == "membership":
            _shorten(tidied, MOST_KEPT)
        cleaned = self.cleaners[target.index].clean(tidied)
        for place, refused in {**cleaned.faults, **tidied.faults}.items():
            faults.add(place, target.name, table[target.index][place], refused)
        return cleaned

    def _fixed(self, target: Target, table: list[tuple[str, ...]], faults: _Faults) -> list[bytes]:
        cleaned = self._cleaned(target, table, faults).cells
        if "" in cleaned:
            if target.to == self.plan.match:
                for place, cell in enumerate(cleaned):
                    if not cell and place not in faults.found:
                        faults.add(place, target.name, "", Refused("row_no_identity"))
            cleaned = [cell or NULL for cell in cleaned]
        return _encoded(cleaned)

    def _attribute(self, target: Target, table: list[tuple[str, ...]], faults: _Faults) -> list[bytes]:
        """Each cell as a member of a JSON object, with a comma before it; "" where it is empty."""
        cleaned = self._cleaned(target, table, faults)
        start, joined = f',"{target.key}":', cleaned.joined
        if joined and joined[0] != "\n" and "\n\n" not in joined:
            members = start + joined[:-1].replace("\n", "\n" + start)
        else:
            members = "\n".join([start + cell if cell else "" for cell in cleaned.cells])
        return members.replace("\\", "\\\\").encode().split(b"\n")

    def _written(self, batch: Batch, parts: list[list[bytes]], faults: _Faults) -> Page:
        page = Page(read=len(batch.rows), rejected=len(faults.found))
        if faults.found:
            good = [place not in faults.found for place in range(len(batch.rows))]
            parts = [list(compress(part, good)) for part in parts]
            page.problems = self._problems(batch, faults)
        page.staged = len(parts[0])
        if page.staged:
            page.lines = b"\n".join(map(b"\t".join, zip(*parts, strict=True))) + b"\n"
        return page

    def _problems(self, batch: Batch, faults: _Faults) -> bytes:
        lines = []
        for place, found in sorted(faults.found.items(), key=itemgetter(0)):
            for column, value, refused in found:
                told = [escaped(shown(text)) for text in (column, value, refused.code, refused.extra)]
                lines.append("\t".join((str(self.job_id), str(batch.numbers[place]), *told, "t")))
        return ("\n".join(lines) + "\n").encode()


# From here on columns are bytes: joining texts of different alphabets would widen every letter.


def _encoded(column: Sequence[str]) -> list[bytes]:
    """Nothing that goes to COPY holds a line end."""
    return "\n".join(column).encode().split(b"\n")


def _objects(members: list[list[bytes]]) -> list[bytes]:
    """The JSON objects of these members; which member stands first is of no importance."""
    full = next((place for place, column in enumerate(members) if b"" not in column), None)
    if full is None:
        return [b"{" + text[1:] + b"}" for text in map(b"".join, zip(*members, strict=True))]
    first = [b"{" + member[1:] for member in members[full]]
    others = [*members[:full], *members[full + 1 :], [b"}"] * len(first)]
    return list(map(b"".join, zip(first, *others, strict=True)))


def _shorten(tidied: Cleaned, most: int) -> None:
    """Names the cells that are longer than `most` characters, which bounds what one membership keeps."""
    for place, cell in enumerate(tidied.cells):
        if len(cell) > most:
            tidied.faults.setdefault(place, Refused("row_too_long_to_keep", str(most)))


# ---- which cleaner a column has ---------------------------------------------------------------


class Escaping(Column):
    """A text that goes to COPY as it is."""

    def __init__(self, most: int) -> None:
        super().__init__(self._check)
        self.most = most

    def _check(self, cell: str) -> str:
        if len(cell) > self.most:
            raise Refused("bad_identity", str(self.most))
        return escaped(cell)


class Texts(Column):
    """JSON strings. A column without quotes and backslashes needs no look at each cell."""

    def __init__(self) -> None:
        super().__init__(cells.in_json)

    def clean(self, tidied: Cleaned) -> Cleaned:
        joined = tidied.joined
        if joined and not any(letter in joined for letter in '"\\\t\r'):
            return Cleaned(joined=quoted(joined))
        return Cleaned([cells.in_json(cell) if cell else "" for cell in tidied.cells])


def cleaner(target: Target, plan: Plan) -> Column:
    if target.to in ("attribute", "membership"):
        return _of_type(target, plan)
    if target.to == "identity":
        return _identity(target.key)
    made: dict[str, Callable[[], Column]] = {
        "email": EmailColumn,
        "phone": lambda: phone_column(plan.country),
        "external_id": lambda: Escaping(128),
        "locale": lambda: Column(_coded(clean_locale, "row_bad_locale")),
        "time_zone": lambda: Column(_coded(clean_time_zone, "row_bad_time_zone")),
        "is_test": lambda: Column(lambda cell: {"true": "t", "false": "f"}[cells.boolean(cell)]),
        "consent": Consents,
    }
    return made[target.to]()


class Consents(Column):
    """One letter: y agreed, n opted out, - nothing said."""

    def __init__(self) -> None:
        super().__init__(lambda cell: "y" if cells.truth(cell) else "n")
        self.known[""] = "-"


def _of_type(target: Target, plan: Plan) -> Column:
    made: dict[str, Callable[[], Column]] = {
        Type.TEXT: Texts,
        Type.NUMBER: lambda: Column(cells.number, cells.NUMBER),
        Type.BOOLEAN: lambda: Column(cells.boolean, "true|false"),
        Type.DATE: lambda: Column(cells.date_cleaner(plan.date_format), cells.DAY, in_quotes=True),
        Type.DATE_TIME: lambda: Column(
            cells.date_time_cleaner(plan.date_format, plan.zone), cells.MOMENT, in_quotes=True
        ),
        Type.LIST: lambda: Column(cells.items),
        Type.CHOICE: lambda: _choices(target),
        Type.EMAIL: lambda: Column(lambda cell: cells.in_json(clean_email(cell))),
        Type.PHONE: lambda: Column(lambda cell: cells.in_json(clean_phone(cell, plan.country or None))),
    }
    return made[target.type]()


def _choices(target: Target) -> Column:
    """A new attribute's choices are what the file holds; how many may differ is checked when it is staged."""
    if not target.is_new:
        return Column(cells.choice_cleaner(list(target.choices)))
    return Column(cells.new_choice)


def _identity(namespace: str) -> Column:
    return Column(lambda cell: cells.identity(namespace, cell))


def _coded(clean: Callable[[str], str], code: str) -> Callable[[str], str]:
    def cleaned(cell: str) -> str:
        try:
            return clean(cell)
        except Invalid:
            raise Refused(code) from None

    return cleaned
