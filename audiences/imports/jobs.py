"""The verbs of an import and the states it passes through: one table, from which pages and API take their
buttons and actions.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import IO, Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from accounts.orders import key_of
from audiences import attributes, audiences
from audiences.access import MANAGE
from audiences.imports import mapping, staging
from audiences.imports.controls import has_control
from audiences.imports.guessing import guess
from audiences.imports.mapping import Known
from audiences.imports.reader import PIECE, header_of, lines, sample_of, xlsx_rows
from audiences.imports.sniff import DELIMITERS, ENCODINGS, HEAD, MAX_BYTES, Guess, refusal, sniff
from audiences.models import Audience, Import, ImportChunk, ImportProblem
from common.errors import IllegalTransition, Invalid, Problem

State = Import.State
COPY_CHUNKS = "COPY audiences_importchunk (job_id, number, bytes) FROM STDIN (FORMAT BINARY)"
KEEP_FILE, KEEP_PROBLEMS, KEEP_UNUSED = timedelta(days=7), timedelta(days=90), timedelta(days=2)


@dataclass(frozen=True)
class Transition:
    verb: str
    label: Any
    icon: str
    sources: tuple[str, ...]
    target: str  # "" is where it was paused


TRANSITIONS = (
    Transition("check", gettext_lazy("Check the rows"), "checks", (State.UPLOADED,), State.STAGING),
    Transition("start", gettext_lazy("Import"), "check", (State.READY,), State.MERGING),
    Transition("pause", gettext_lazy("Pause"), "player-pause", (State.STAGING, State.MERGING), State.PAUSED),
    Transition("resume", gettext_lazy("Go on"), "broadcast", (State.PAUSED,), ""),
    Transition("remap", gettext_lazy("Change the columns"), "pencil", (State.READY,), State.UPLOADED),
    Transition(
        "cancel",
        gettext_lazy("Cancel"),
        "player-stop",
        (State.UPLOADED, State.STAGING, State.READY, State.MERGING, State.PAUSED),
        State.CANCELLED,
    ),
)
BY_VERB = {one.verb: one for one in TRANSITIONS}


def actions(job: Import) -> list[Transition]:
    """What can be done now."""
    return [one for one in TRANSITIONS if job.state in one.sources]


# ---- the file ---------------------------------------------------------------------------------


@transaction.atomic
def upload(
    workspace: Workspace, *, file: IO[bytes], name: str, size: int, actor: Actor, now: datetime
) -> Import:
    """Puts the file into the database, a piece at a time. Raises Invalid for one that cannot be right."""
    job = received(workspace, file=file, name=name, size=size, actor=actor, now=now)
    job.mapping = _first_mapping(job)
    keep(job, file, actor=actor, now=now)
    return job


def received(
    workspace: Workspace, *, file: IO[bytes], name: str, size: int, actor: Actor, now: datetime
) -> Import:
    """What the file's beginning says, not saved. Raises Invalid for a file that cannot be right."""
    require(actor, MANAGE, workspace)
    head = file.read(HEAD)
    found = sniff(head, size)
    job = Import(workspace=workspace, file_name=_file_name(name), size=size, kind=found.kind)
    job.encoding, job.delimiter = found.encoding, found.delimiter
    job.header, job.sample = _beginning_of(found, head, file, size)
    job.created_by = actor if isinstance(actor, User) else None
    job.actor_name, job.created_at = str(actor)[:200], now
    return job


def keep(job: Import, file: IO[bytes], *, actor: Actor, now: datetime) -> None:
    """Saves the job and the whole file, in the caller's transaction."""
    job.save()
    file.seek(0)
    _write_chunks(job, iter(lambda: file.read(PIECE), b""))
    where = job.workspace
    audit.record(
        actor=actor, verb="upload_import", obj=where, workspace=where, now=now, job=job.pk, size=job.size
    )


def _file_name(name: str) -> str:
    return "".join(letter if letter.isprintable() else "·" for letter in name)[:200] or "file"


def _write_chunks(job: Import, pieces: Iterable[bytes]) -> None:
    """By COPY: the connection remembers its last hundred statements, and with them would keep the file."""
    written = 0
    with connection.cursor() as cursor, cursor.copy(COPY_CHUNKS) as copy:
        copy.set_types(["int8", "int4", "bytea"])
        for number, piece in enumerate(pieces):
            written += len(piece)
            if written > MAX_BYTES:
                raise refusal("file_too_large", _("The file is larger than 500 MB. Split it."))
            copy.write_row((job.pk, number, piece))


def _beginning_of(
    found: Guess, head: bytes, file: IO[bytes] | None, size: int
) -> tuple[list[str], list[list[str]]]:
    """The column names and the first rows. Raises Invalid."""
    if file is not None and found.kind == Import.Kind.XLSX:
        rows = xlsx_rows(file)
    else:
        text = lines([head], found.encoding, is_whole=size <= len(head))
        rows = csv.reader(text, delimiter=found.delimiter, strict=True)
    header = header_of(rows)
    return header, sample_of(rows)


def _first_mapping(job: Import) -> dict[str, Any]:
    kept = mapping.remembered(job.workspace, job.header)
    return kept or guess(job.header, job.sample, Known.of(job.workspace))


@dataclass(frozen=True)
class Preview:
    """The file's beginning read in one way, and the mapping that suits it. `faults` says why it cannot be."""

    header: list[str]
    rows: list[list[str]]
    mapping: dict[str, Any]
    attributes: frozenset[str]  # keys the workspace has
    damaged: int  # cells with characters the encoding cannot read


def preview(job: Import, *, encoding: str, delimiter: str) -> Preview:
    """Raises Invalid where the file cannot be read so. Writes nothing."""
    job = _read_so(job, encoding, delimiter)
    damaged = sum("\ufffd" in cell for row in [job.header, *job.sample] for cell in row)
    known = frozenset(attributes.definitions_of(job.workspace))
    return Preview(job.header, job.sample, job.mapping, known, damaged)


def _read_so(job: Import, encoding: str, delimiter: str) -> Import:
    """The job with another encoding and delimiter, and what follows from them; not saved."""
    if job.kind == Import.Kind.XLSX or (encoding, delimiter) == (job.encoding, job.delimiter):
        return job
    for value, known, pointer in ((encoding, ENCODINGS, "encoding"), (delimiter, DELIMITERS, "delimiter")):
        if value not in known:
            detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(known)}
            raise Invalid(Problem("bad_choice", detail, pointer))
    head = bytes(ImportChunk.objects.get(job=job, number=0).bytes)[:HEAD]
    job.encoding, job.delimiter = encoding, delimiter
    found = Guess(job.kind, encoding, delimiter)
    job.header, job.sample = _beginning_of(found, head, None, job.size)
    job.mapping = _first_mapping(job)
    return job


# ---- the verbs --------------------------------------------------------------------------------


def locked_for(job: Import, verb: str, actor: Actor) -> Import:
    """The job's row, locked. Raises IllegalTransition naming its state, or PermissionMissing."""
    rows = Import.objects.select_for_update(of=("self",)).select_related("workspace", "audience")
    row = rows.get(pk=job.pk)
    require(actor, MANAGE, row.workspace)
    if row.state not in BY_VERB[verb].sources:
        possible = ", ".join(str(one.label) for one in actions(row)) or _("nothing")
        detail = _("The import is: %(state)s. Possible now: %(possible)s.")
        raise IllegalTransition(detail % {"state": row.get_state_display(), "possible": possible})
    return row


def _note(job: Import, verb: str, actor: Actor, now: datetime) -> None:
    where = job.workspace
    audit.record(actor=actor, verb=f"{verb}_import", obj=where, workspace=where, now=now, job=job.pk)


@transaction.atomic
def check(
    job: Import,
    *,
    how: Mapping[str, Any] | None,
    encoding: str = "",
    delimiter: str = "",
    audience: Audience | None = None,
    new_audience: str = "",
    actor: Actor,
    now: datetime,
) -> Import:
    """Takes the mapping `how`, or the guessed one, and begins the dry run, which changes nobody.

    Raises Invalid.
    """
    row = locked_for(job, "check", actor)
    row = _read_so(row, encoding or row.encoding, delimiter or row.delimiter)
    how = row.mapping if how is None else how
    _choose_audience(row, audience, new_audience, actor)
    plan = mapping.parse(how, row.header, Known.of(row.workspace, row.audience))
    if plan.of("membership") and not (row.audience or row.new_audience):
        detail = _("Choose the audience that is to keep “%(name)s”, or name a new one.")
        detail %= {"name": plan.of("membership")[0].name}
        raise Invalid(Problem("no_audience_to_keep", detail, "audience"))
    row.mapping = {key: how[key] for key in mapping.KEYS if key in how}
    row.state, row.reason, row.attempts, row.phase_at = State.STAGING, "", 0, now
    row.save()
    _note(row, "check", actor, now)
    return row


def _choose_audience(job: Import, audience: Audience | None, new_audience: str, actor: Actor) -> None:
    name = new_audience.strip()
    if audience is not None:
        require(actor, MANAGE, audience)
        if audience.kind != Audience.Kind.UPLOAD or audience.workspace_id != job.workspace_id:
            detail = _("“%(name)s” is not an uploaded audience; a file cannot be added to it.")
            raise Invalid(Problem("not_an_upload", detail % {"name": audience.name}, "audience"))
        if audience.state == Audience.State.ARCHIVED:
            raise Invalid(Problem("archived", _("This audience is archived."), "audience"))
    elif name:
        if len(name) > 100 or has_control(name):
            raise Invalid(Problem("bad_name", _("A name has at most 100 letters, on one line."), "name"))
        if Audience.objects.filter(workspace=job.workspace_id, name=name).exists():
            detail = _("There is an audience called “%(name)s” already.") % {"name": name}
            raise Invalid(Problem("name_taken", detail, "name"))
    job.audience, job.new_audience = audience, "" if audience else name


@transaction.atomic
def start(job: Import, *, actor: Actor, now: datetime) -> Import:
    """Makes the new attributes and the audience, and begins to merge. Raises Invalid for a taken name."""
    row = locked_for(job, "start", actor)
    choices, plan = row.mapping.get("choices", {}), mapping.plan_of(row)
    for target in plan.new_attributes():
        attributes.define(
            row.workspace,
            key=target.key,
            type=target.type,
            label=target.label if target.label.lower() != target.key else "",
            choices=choices.get(target.key, []),
            actor=actor,
            now=now,
        )
    if row.new_audience:
        row.audience = audiences.create(
            row.workspace, name=row.new_audience, kind=Audience.Kind.UPLOAD, actor=actor, now=now
        )
        row.new_audience = ""
    if row.audience is not None:
        audiences.keep_fields(row.audience, {one.key: one.type for one in plan.of("membership")})
    row.state, row.is_confirmed, row.phase_at, row.attempts = State.MERGING, True, now, 0
    row.ordered_by = key_of(actor)
    row.save()
    _note(row, "start", actor, now)
    return row


@transaction.atomic
def pause(job: Import, *, actor: Actor, now: datetime) -> Import:
    """The page at hand is finished; no other begins."""
    row = locked_for(job, "pause", actor)
    row.paused_in, row.state, row.lease_until = row.state, State.PAUSED, None
    row.save()
    _note(row, "pause", actor, now)
    return row


@transaction.atomic
def resume(job: Import, *, actor: Actor, now: datetime) -> Import:
    row = locked_for(job, "resume", actor)
    row.state, row.paused_in, row.attempts, row.phase_at = row.paused_in, "", 0, now
    row.ordered_by, row.reason = key_of(actor), ""
    row.epoch += 1  # whoever still holds the claim of before lost it
    row.save()
    _note(row, "resume", actor, now)
    return row


@transaction.atomic
def remap(job: Import, *, actor: Actor, now: datetime) -> Import:
    """Back to matching the columns; the dry run is thrown away."""
    row = locked_for(job, "remap", actor)
    _forget_rows(row)
    row.mapping = {key: value for key, value in row.mapping.items() if key != "choices"}
    row.state, row.forecast = State.UPLOADED, {}
    row.row_count = row.staged_count = row.rejected_count = row.read_bytes = 0
    row.save()
    _note(row, "remap", actor, now)
    return row


def _forget_rows(job: Import) -> None:
    staging.drop(job.pk)
    if not job.merged:
        ImportProblem.objects.filter(job=job).delete()


@transaction.atomic
def cancel(job: Import, *, actor: Actor, now: datetime) -> Import:
    """Before the merge nothing is left of it; what was merged already stays, and is told."""
    row = locked_for(job, "cancel", actor)
    _forget_rows(row)
    ImportChunk.objects.filter(job=row).delete()
    row.state, row.finished_at, row.lease_until = State.CANCELLED, now, None
    row.sample, row.is_emptied = [], True
    row.save()
    _note(row, "cancel", actor, now)
    return row


VERBS = {"start": start, "pause": pause, "resume": resume, "remap": remap, "cancel": cancel}


# ---- tidying up -------------------------------------------------------------------------------


def clear(now: datetime) -> None:
    """Removes files some days after their import, uploads that nobody went on with, and old refused rows."""
    over = Import.objects.filter(state__in=[State.COMPLETED, State.FAILED], is_emptied=False)
    unused = Import.objects.filter(state__in=[State.UPLOADED, State.READY, State.PAUSED], is_emptied=False)
    stale = unused.filter(created_at__lt=now - KEEP_UNUSED, merged=0)
    for job in chain(over.filter(finished_at__lt=now - KEEP_FILE)[:20], stale[:20]):
        with transaction.atomic():
            row = Import.objects.select_for_update().get(pk=job.pk)
            staging.drop(row.pk)
            ImportChunk.objects.filter(job=row).delete()
            row.sample, row.is_emptied = [], True
            if not row.is_over:
                row.state, row.finished_at = State.CANCELLED, now
            row.save()
    old = Import.objects.filter(finished_at__lt=now - KEEP_PROBLEMS, problems__isnull=False).distinct()
    ImportProblem.objects.filter(job__in=list(old.values_list("pk", flat=True)[:20])).delete()
