"""What a browser may send about an import: the file, and what each of its columns becomes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.imports.jobs import Preview
from audiences.imports.mapping import COUNTRIES, KEPT_TYPES, MATCHES, Known
from audiences.imports.sniff import DELIMITERS, ENCODINGS, MAX_BYTES
from audiences.models import AttributeDefinition, Audience, Import
from audiences.reachability import CHANNELS

LABELS = {
    "email": gettext_lazy("Email"),
    "phone": gettext_lazy("Phone"),
    "external_id": gettext_lazy("External id"),
    "locale": gettext_lazy("Language"),
    "time_zone": gettext_lazy("Time zone"),
    "is_test": gettext_lazy("Test profile (yes or no)"),
    "push_token": gettext_lazy("Push token"),
    "line_id": gettext_lazy("LINE id"),
}
DATES = [
    ("iso", gettext_lazy("2026-03-02 (ISO)")),
    ("ymd", gettext_lazy("2026/03/02 or 2026年3月2日 (year, month, day)")),
    ("dmy", gettext_lazy("02/03/2026 is 2 March (day, month, year)")),
    ("mdy", gettext_lazy("03/02/2026 is 2 March (month, day, year)")),
    ("roc", gettext_lazy("民國115年3月2日 or 115/03/02 (year of the Republic)")),
]
NEW = "new"


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, TSV or .xlsx, up to 500 MB. The first row names the columns; one holds email, phone "
            "or your own id."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv"}),
        allow_empty_file=True,
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than 500 MB. Split it."))
        return file


class ReadingForm(forms.Form):
    """How a text file is read. What is missing or unknown is what the job has."""

    encoding = forms.ChoiceField(label=gettext_lazy("Encoding"), choices=list(ENCODINGS.items()))
    delimiter = forms.ChoiceField(label=gettext_lazy("Between columns"), choices=list(DELIMITERS.items()))


def reading_of(job: Import, given: Any) -> ReadingForm:
    chosen = {name: given.get(name) or getattr(job, name) for name in ("encoding", "delimiter")}
    return ReadingForm(chosen, auto_id="id_%s")


class ColumnsForm(forms.Form):
    """`to_3`, `key_3` and `type_3` say what the fourth column becomes; the rest is about the whole file."""

    match = forms.ChoiceField(label=gettext_lazy("People are the same when they have the same"))
    date_format = forms.ChoiceField(label=gettext_lazy("Dates look like"), choices=DATES)
    country = forms.ChoiceField(
        label=gettext_lazy("Phone numbers without a country are from"),
        required=False,
        choices=[("", "–"), *((region, f"{region} +{code}") for region, code in COUNTRIES.items())],
    )
    audience = forms.ModelChoiceField(
        label=gettext_lazy("Add everybody to"),
        queryset=Audience.objects.none(),
        required=False,
        empty_label=gettext_lazy("no audience, or the new one named here"),
    )
    name = forms.CharField(label=gettext_lazy("A new audience called"), max_length=100, required=False)
    again = forms.BooleanField(
        label=gettext_lazy("These people have agreed anew: “yes” also counts for those who opted out before"),
        required=False,
    )
    wording = forms.CharField(
        label=gettext_lazy("The words they agreed to"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    agreed_at = forms.DateField(
        label=gettext_lazy("The day they agreed"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def __init__(
        self, *args: Any, preview: Preview, known: Known, audiences: QuerySet[Audience], **kwargs: Any
    ) -> None:
        self.preview = preview
        kwargs["initial"] = self._initial(preview)
        super().__init__(*args, **kwargs)
        chooser, match = self.fields["audience"], self.fields["match"]
        assert isinstance(chooser, forms.ModelChoiceField) and isinstance(match, forms.ChoiceField)
        chooser.queryset = audiences
        match.choices = [(name, LABELS[name]) for name in MATCHES]
        targets = _targets(known)
        for place, name in enumerate(preview.header):
            self.fields[f"to_{place}"] = forms.ChoiceField(label=name, choices=targets, required=False)
            self.fields[f"key_{place}"] = forms.CharField(
                label=_("Key of the new attribute for %(name)s") % {"name": name},
                max_length=63,
                required=False,
            )
            self.fields[f"type_{place}"] = forms.ChoiceField(
                label=_("Type of the new attribute for %(name)s") % {"name": name},
                choices=AttributeDefinition.Type.choices,
                required=False,
            )

    @staticmethod
    def _initial(preview: Preview) -> dict[str, Any]:
        mapping = preview.mapping
        initial = {"match": mapping.get("match"), "date_format": mapping.get("dateFormat")}
        initial["country"] = mapping.get("country", "")
        for place, one in enumerate(mapping["columns"]):
            initial[f"to_{place}"] = _written(one, preview)
            initial[f"key_{place}"], initial[f"type_{place}"] = one.get("key", ""), one.get("type", "text")
        return initial

    def rows(self) -> list[dict[str, Any]]:
        """Each column with its three fields and a few of its cells."""
        return [
            {
                "name": name or "–",
                "samples": [row[place] for row in self.preview.rows if place < len(row) and row[place]][:3],
                "to": self[f"to_{place}"],
                "key": self[f"key_{place}"],
                "type": self[f"type_{place}"],
            }
            for place, name in enumerate(self.preview.header)
        ]

    def as_mapping(self) -> dict[str, Any]:
        given = self.cleaned_data
        columns = [self._column(place, name) for place, name in enumerate(self.preview.header)]
        return {
            "match": given["match"],
            "dateFormat": given["date_format"],
            "country": given["country"],
            "again": given["again"],
            "wording": given["wording"],
            "agreedAt": given["agreed_at"].isoformat() if given["agreed_at"] else "",
            "columns": columns,
        }

    def _column(self, place: int, name: str) -> dict[str, Any]:
        to, _colon, rest = (self.cleaned_data.get(f"to_{place}") or "ignore").partition(":")
        key, kind = self.cleaned_data.get(f"key_{place}"), self.cleaned_data.get(f"type_{place}")
        if to == NEW:
            return {"name": name, "to": "attribute", "key": key, "type": kind}
        if to == "membership":  # one list has no choices to offer: what was guessed to be one is its text
            return {"name": name, "to": to, "key": key, "type": kind if kind in KEPT_TYPES else "text"}
        if to == "attribute":
            return {"name": name, "to": to, "key": rest}
        if to == "identity":
            return {"name": name, "to": to, "namespace": rest}
        if to == "consent":
            channel, _colon, topic = rest.partition(":")
            return {"name": name, "to": to, "channel": channel, "topic": topic}
        return {"name": name, "to": to}

    def field_of(self, pointer: str) -> str | None:
        """The field a fault in the mapping belongs to."""
        parts = pointer.strip("/").split("/")
        if parts[:2] == ["mapping", "columns"] and len(parts) > 2:
            part = parts[3] if len(parts) > 3 and parts[3] in ("key", "type") else "to"
            return f"{part}_{parts[2]}"
        names = {"dateFormat": "date_format", "agreedAt": "agreed_at"}
        name = names.get(parts[-1], parts[-1])
        return name if name in self.fields else None


def _written(one: dict[str, Any], preview: Preview) -> str:
    """A column of a mapping as its choice in the form."""
    to = one["to"]
    if to == "attribute":
        return f"attribute:{one['key']}" if one["key"] in preview.attributes else NEW
    if to == "identity":
        return f"identity:{one['namespace']}"
    if to == "consent":
        return f"consent:{one.get('channel', 'email')}:{one.get('topic') or ''}"
    return "" if to == "ignore" else str(to)


def _targets(known: Known) -> list[Any]:
    """The choices of one column, in groups."""
    consents = [
        (
            f"consent:{channel}:{key}",
            _("Consent: %(what)s")
            % {"what": f"{CHANNELS[channel]}, {topic}" if topic else CHANNELS[channel]},
        )
        for channel in CHANNELS
        for key, topic in [("", None), *known.topics.items()]
    ]
    profile = [(name, LABELS[name]) for name in (*MATCHES, "locale", "time_zone", "is_test")]
    return [
        ("", _("Leave out")),
        (_("Person"), profile),
        (_("Other identities"), [(f"identity:{key}", LABELS.get(key, key)) for key in known.namespaces]),
        (
            _("Attributes"),
            [
                (NEW, _("New attribute…")),
                *((f"attribute:{key}", str(one)) for key, one in known.definitions.items()),
            ],
        ),
        (_("Audience"), [("membership", _("Keep with the audience"))]),
        (_("Consent (yes or no)"), consents),
    ]
