"""Direct mail: a row for each person, collected until the execution ends, then delivered as one file.

A message is accepted once its row is durable. Writing and delivering the file is the affair of
`mailfiles.py`; where it goes to, of `mailtargets.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy
from psycopg.types.json import Jsonb

from channels import checks, mailtargets
from channels.kinds import clean_receiver
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import Part, ProviderForm, Step
from channels.providers.over_http import CODE, AddressField, SecretField
from channels.providers.rows import RowsLane
from common.errors import Invalid
from common.wording import worded as _

MOST_CELL = 10_000
OF_RUN = re.compile(r"([0-9]+\.[0-9]+)\.[0-9]+")  # a message's key: run, action, person
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
NEEDED = {
    "local": (),
    "sftp": ("host", "username", "host_key"),
    "s3": ("endpoint", "bucket", "region", "access_key_id"),
}
# The file's row is locked until these rows are in, so whoever closes it waits for them.
FILE = """
INSERT INTO channels_mailfile ("group", digest, configuration_id, layout, state, reason, path, rows, size,
                               tries, created_at, touched_at, closed_at, due_at)
VALUES (%s, %s, %s, %s, 'waiting', '', '', 0, 0, 0, %s, %s, %s, %s)
ON CONFLICT (configuration_id, "group", digest) WHERE closed_at IS NULL
DO UPDATE SET touched_at = EXCLUDED.touched_at RETURNING id
"""
KNOWN = "SELECT key FROM channels_mailrow WHERE configuration_id = %s AND key = ANY(%s)"
PUT = """
INSERT INTO channels_mailrow (configuration_id, file_id, key, cells)
SELECT %s, %s, t.key, t.cells FROM unnest(%s::text[], %s::jsonb[]) AS t(key, cells)
ON CONFLICT (configuration_id, key) DO NOTHING
"""


class DirectMailForm(ProviderForm):
    secret_field = "key_or_password"  # noqa: S105  the name of a field
    secret_goes_to = ("target", "host", "port", "username", "host_key", "endpoint", "access_key_id")

    parts = (
        Part(
            gettext_lazy("SFTP"), ("host", "port", "username", "host_key"),
            gettext_lazy("Where files go to an SFTP server."), when=("target", "sftp"),
        ),
        Part(
            gettext_lazy("S3-compatible store"), ("endpoint", "bucket", "region", "access_key_id"),
            gettext_lazy("Where files go to a bucket."), when=("target", "s3"),
        ),
    )  # fmt: skip

    separator = forms.ChoiceField(
        label=gettext_lazy("Between the columns"),
        choices=(
            ("comma", gettext_lazy("Comma (CSV)")), ("tab", gettext_lazy("Tab")),
            ("semicolon", gettext_lazy("Semicolon ;")), ("pipe", gettext_lazy("Vertical bar |")),
            ("ampersand", gettext_lazy("Ampersand &")),
        ),
    )  # fmt: skip
    target = forms.ChoiceField(
        label=gettext_lazy("Where files go"),
        choices=(
            ("local", gettext_lazy("A folder on this server")), ("sftp", gettext_lazy("SFTP")),
            ("s3", gettext_lazy("S3-compatible store")),
        ),
        help_text=gettext_lazy("For SFTP or a store, fill in its part below as well."),
    )  # fmt: skip
    folder = forms.CharField(
        label=gettext_lazy("Folder"), required=False, max_length=200,
        help_text=gettext_lazy("Such as letters/2026. It is made when it is not there."),
    )  # fmt: skip
    host = forms.RegexField(
        label=gettext_lazy("SFTP server"), regex=f"^{HOST.pattern}$", required=False, max_length=253
    )
    port = forms.IntegerField(
        label=gettext_lazy("SFTP port"), required=False, min_value=1, max_value=65535, initial=22
    )
    username = forms.CharField(label=gettext_lazy("SFTP account"), required=False, max_length=100)
    host_key = forms.CharField(
        label=gettext_lazy("Host key of the SFTP server"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy(
            "One line such as “ssh-ed25519 AAAA…”. A server with another key is never spoken to."
        ),
    )
    endpoint = AddressField(
        label=gettext_lazy("Address of the S3 store"), required=False,
        help_text=gettext_lazy("Such as https://s3.eu-central-1.amazonaws.com"),
    )  # fmt: skip
    bucket = forms.RegexField(
        label=gettext_lazy("Bucket"), regex=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", required=False
    )
    region = forms.RegexField(label=gettext_lazy("Region"), regex=r"^[a-z0-9-]{1,40}$", required=False)
    access_key_id = forms.RegexField(
        label=gettext_lazy("Access key ID"), regex=r"^[\x21-\x7e]{3,128}$", required=False
    )
    key_or_password = SecretField(
        label=gettext_lazy("Password, private key or secret access key"),
        max_length=20_000,
        help_text=gettext_lazy(
            "Not needed for a folder. Stored sealed and never shown. Leave it empty to keep the stored one."
        ),
        widget=forms.Textarea(attrs={"rows": 3, **CODE}),
    )

    def clean_folder(self) -> str:
        folder = str(self.cleaned_data["folder"]).strip().strip("/")
        if folder and list(checks.filename(folder, "")):
            raise ValidationError(_("Give a folder, such as letters/2026."), code="bad_folder")
        return folder

    def clean_port(self) -> int:
        return int(self.cleaned_data["port"] or 22)

    def clean_host_key(self) -> str:
        line = " ".join(str(self.cleaned_data["host_key"]).split())
        from channels.sftp import is_host_key  # heavy: only where a form is checked

        if line and not is_host_key(line):
            raise ValidationError(_("This is no public host key."), code="bad_host_key")
        return line

    def clean(self) -> None:
        super().clean()
        for name in NEEDED.get(self.cleaned_data.get("target", ""), ()):
            if name not in self.errors and not self.cleaned_data.get(name):
                self.add_error(name, ValidationError(_("This is needed for where files go."), code="needed"))


class DirectMail:
    key = "direct_mail"
    channels = ("direct_mail",)
    label = gettext_lazy("Direct mail files")
    about = gettext_lazy("One file for each execution, for who prints and posts the letters.")
    Form = DirectMailForm

    def open(self, configuration: ChannelConfiguration) -> DirectMailLane:
        return DirectMailLane(configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        return await mailtargets.rehearse(configuration)


class DirectMailLane(RowsLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        super().__init__()
        self.configuration_id = configuration.pk

    def write_all(self, messages: Sequence[Rendered]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        found: dict[tuple[str, str], list[tuple[str, Jsonb]]] = {}
        for message in messages:
            problem = problem_of(message)
            outcomes.append(problem or Outcome(Fact.ACCEPTED, "", provider_id=message.key))
            if problem is None:
                cells = [one["expression"] for one in message.extra["columns"]]
                place = (group_of(message.key), as_text(layout_of(message)))
                found.setdefault(place, []).append((message.key[:64], Jsonb(cells)))
        for (group, layout), rows in sorted(found.items()):  # always in one order: no two wait in a ring
            self._put(group, layout, rows)
        return outcomes

    def _put(self, group: str, layout: str, rows: list[tuple[str, Jsonb]]) -> None:
        """A row that is there already stays in its file, and opens no new one."""
        keys = [key for key, _cells in rows]
        known = {key for (key,) in self.database.execute(KNOWN, (self.configuration_id, keys))}
        fresh = [(key, cells) for key, cells in rows if key not in known]
        if not fresh:
            return
        now, digest = timezone.now(), hashlib.sha256(layout.encode()).hexdigest()
        closed = None if OF_RUN.fullmatch(keys[0]) else now  # a test is a file by itself, at once
        values = (group, digest, self.configuration_id, Jsonb(json.loads(layout)), now, now, closed, closed)
        row = self.database.execute(FILE, values).fetchone()
        assert row is not None  # it returns the row in either case
        columns = [list(column) for column in zip(*fresh, strict=True)]
        self.database.execute(PUT, (self.configuration_id, row[0], *columns))


def group_of(key: str) -> str:
    """Run and action; what belongs to no run is a group by itself."""
    found = OF_RUN.fullmatch(key)
    return found.group(1) if found else key[:64]


def layout_of(message: Rendered) -> dict[str, Any]:
    """What all rows of a file share."""
    extra = message.extra
    return {
        "filename": extra["filename"],
        "timestamp": bool(extra.get("timestamp")),
        "labels": [one["label"] for one in extra["columns"]],
        **{name: str(extra.get(name) or "") for name in ("sort_by", "header", "footer")},
    }


def as_text(layout: dict[str, Any]) -> str:
    return json.dumps(layout, ensure_ascii=False, sort_keys=True)


def problem_of(message: Rendered) -> Outcome | None:
    def refused(detail: str, fault: Fault = Fault.CONTENT) -> Outcome:
        return Outcome(Fact.REFUSED, "", detail, fault=fault)

    try:
        clean_receiver(message.recipient)
    except Invalid as error:
        return refused(error.detail, Fault.ADDRESS)
    wrong = [*checks.filename(message.extra.get("filename"), ""), *_wrong_columns(message)]
    if wrong:
        return refused(wrong[0].detail)
    texts = [str(one["expression"]) for one in message.extra["columns"]]
    text = as_text(layout_of(message)) + "".join(texts)
    if any(len(one) > MOST_CELL for one in texts):
        return refused(_("A cell is longer than 10,000 characters."))
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return refused(_("A cell holds characters that no file can hold."))
    return None


def _wrong_columns(message: Rendered) -> list[Any]:
    columns = message.extra.get("columns")
    is_good = isinstance(columns, list) and 0 < len(columns) <= checks.MOST_COLUMNS
    if is_good and all(
        isinstance(one, dict) and {"label", "expression"} <= set(one) for one in columns or ()
    ):
        return []
    return [checks.bad("", _("The message has no columns."))]
