"""The form of a warm-up plan: its volumes are a table as it is copied from a spreadsheet."""

from __future__ import annotations

import csv
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.domaingroups import LABELS, OTHERS
from channels.models import ChannelConfiguration, WarmupPlan
from channels.warmups import MOST_DAYS, PlanValues

USUAL = ("gmail", "microsoft", "yahoo", OTHERS)
FIRST, LAST_DAY = 50, 14  # doubled every other day from then on


def usual_days() -> list[dict[str, int]]:
    """A cautious beginning, to be changed: 50 messages a day for each group, doubled every other day."""
    return [dict.fromkeys(USUAL, FIRST * 2 ** (day // 2)) for day in range(LAST_DAY)]


def table_of(days: list[dict[str, int]]) -> str:
    if not days:
        return ""
    lines = [", ".join(days[0])]
    return "\n".join([*lines, *(", ".join(str(most) for most in day.values()) for day in days)])


class WarmupForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=500, required=False)
    configuration = forms.ModelChoiceField(
        label=gettext_lazy("Channel configuration"),
        queryset=ChannelConfiguration.objects.none(),
        help_text=gettext_lazy("Marketing email. Everything that leaves over it counts, proofs too."),
    )
    days = forms.CharField(
        label=gettext_lazy("Messages a day"),
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 17, "class": "font-monospace", "spellcheck": "false"}),
    )
    own_groups = forms.CharField(
        label=gettext_lazy("Domain groups of your own"),
        required=False,
        max_length=30_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "font-monospace", "spellcheck": "false"}),
        help_text=gettext_lazy("On each line a domain and its group: “bigbank.example partners”."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        configurations: QuerySet[ChannelConfiguration],
        plan: WarmupPlan | None = None,
    ) -> None:
        days = plan.days if plan else usual_days()
        known: dict[str, Any] = {"days": table_of(days)}
        if plan:
            own = "\n".join(f"{domain} {group}" for domain, group in plan.own_groups.items())
            known |= {"name": plan.name, "description": plan.description, "own_groups": own}
            known["configuration"] = plan.configuration_id
        super().__init__(data, initial=known)
        field = self.fields["configuration"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = configurations
        field.disabled = plan is not None and plan.state == WarmupPlan.State.LIVE
        detail = _(
            "The first line names the groups, each line after it is one day; it can be pasted from a "
            "spreadsheet. “others” is every domain in no other group. Groups: %(groups)s."
        )
        self.fields["days"].help_text = detail % {"groups": ", ".join(LABELS)}

    def clean_days(self) -> list[dict[str, Any]]:
        lines = [line for line in self.cleaned_data["days"].splitlines() if line.strip()]
        if len(lines) > MOST_DAYS + 1:
            raise ValidationError(_("At most %(most)s days can be planned.") % {"most": MOST_DAYS})
        rows = [_cells(line) for line in lines]
        groups = [name.lower() for name in rows[0]]
        if len(set(groups)) < len(groups):
            raise ValidationError(_("The first line names a group twice."))
        return [_day(groups, row, number) for number, row in enumerate(rows[1:], start=1)]

    def clean_own_groups(self) -> dict[str, str]:
        found = {}
        for line in self.cleaned_data["own_groups"].splitlines():
            parts = line.replace(",", " ").split()
            if len(parts) == 2:
                found[parts[0]] = parts[1]
            elif parts:
                raise ValidationError(_("On each line a domain and its group: “bigbank.example partners”."))
        return found

    def values(self) -> PlanValues:
        return PlanValues(**self.cleaned_data)


def _cells(line: str) -> list[str]:
    """Cells parted by tabs, semicolons or commas. A number may be grouped, where commas do not part."""
    mark = next((one for one in "\t;" if one in line), ",")
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [])]
    except csv.Error as error:
        raise ValidationError(_("“%(line)s” is not a line of a table.") % {"line": line[:80]}) from error


def _day(groups: list[str], row: list[str], number: int) -> dict[str, int]:
    if len(row) != len(groups):
        detail = _("Day %(day)s has %(found)s numbers, but the first line names %(groups)s groups.")
        raise ValidationError(detail % {"day": number, "found": len(row), "groups": len(groups)})
    return {group: _number(cell, group, number) for group, cell in zip(groups, row, strict=True)}


def _number(cell: str, group: str, number: int) -> int:
    plain = re.sub(r"(?<=\d)[, ](?=\d{3}(?:\D|$))", "", cell)
    if not re.fullmatch(r"[0-9]{1,9}", plain):
        detail = _("Day %(day)s, %(group)s: “%(value)s” is not a whole number.")
        raise ValidationError(detail % {"day": number, "group": group[:40], "value": cell[:40]})
    return int(plain)
