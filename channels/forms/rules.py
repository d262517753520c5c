"""The forms of what holds messages back: rule sets, rules, the allowed list, a configuration's limits."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import domaingroups
from channels.kinds import KINDS
from channels.limits import Limits
from channels.models import Rule, RuleSet
from channels.quiet import MOST_PERIODS
from channels.rulesets import RuleValues

WEEKDAYS = (
    *((0, gettext_lazy("Mon")), (1, gettext_lazy("Tue")), (2, gettext_lazy("Wed")), (3, gettext_lazy("Thu"))),
    *((4, gettext_lazy("Fri")), (5, gettext_lazy("Sat")), (6, gettext_lazy("Sun"))),
)


class RuleSetForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=500, required=False)


class RuleForm(forms.Form):
    """What caps and quiet hours share."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    channels = forms.MultipleChoiceField(
        label=gettext_lazy("Channels"),
        choices=[(kind.key, kind.label) for kind in KINDS.values()],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Several channels share one total."),
    )

    def values(self) -> RuleValues:
        raise NotImplementedError


class CapForm(RuleForm):
    count = forms.IntegerField(label=gettext_lazy("At most"), min_value=1, initial=5)
    every = forms.IntegerField(label=gettext_lazy("Messages every"), min_value=1, initial=1)
    unit = forms.ChoiceField(
        label=gettext_lazy("Unit"),
        choices=Rule.Unit,
        initial=Rule.Unit.WEEK,
        help_text=gettext_lazy("Calendar windows in UTC; a week starts on Sunday."),
    )

    def values(self) -> RuleValues:
        return RuleValues(**{**self.cleaned_data, "kind": Rule.Kind.CAP, "channels": self._channels()})

    def _channels(self) -> tuple[str, ...]:
        return tuple(self.cleaned_data["channels"])


class QuietForm(RuleForm):
    """Five lines of periods; a line with neither days nor dates is not there."""

    zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Empty: each recipient’s own. Otherwise a name such as Asia/Taipei."),
    )
    default_zone = forms.CharField(
        label=gettext_lazy("Time zone of people without one"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Empty: the workspace’s."),
    )
    handling = forms.ChoiceField(
        label=gettext_lazy("What becomes of a message"), choices=Rule.Handling, initial=Rule.Handling.QUEUE
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["channels"].help_text = ""
        known = (initial or {}).get("periods", [])
        for place in range(MOST_PERIODS):
            one = known[place] if place < len(known) else {}
            self._add_period(place, one)

    def _add_period(self, place: int, one: dict[str, Any]) -> None:
        number = {"number": place + 1}
        clock = {"type": "time"}
        self.fields[f"days_{place}"] = forms.MultipleChoiceField(
            label=_("Days of period %(number)s") % number,
            choices=WEEKDAYS,
            required=False,
            initial=one.get("days"),
            widget=forms.CheckboxSelectMultiple,
        )
        self.fields[f"dates_{place}"] = forms.CharField(
            label=_("or dates of period %(number)s") % number,
            required=False,
            max_length=800,
            initial=", ".join(one.get("dates", [])),
            help_text=_("Separated by commas, like 2026-12-24."),
        )
        for name, label in (
            ("start", _("Start of period %(number)s")),
            ("end", _("End of period %(number)s")),
        ):
            self.fields[f"{name}_{place}"] = forms.CharField(
                label=label % number,
                required=False,
                max_length=5,
                initial=one.get(name, ""),
                widget=forms.TextInput(attrs=clock),
            )

    def lines(self) -> list[tuple[list[forms.BoundField], bool]]:
        """The fields of each period, and whether it is shown open: the first, and what holds something."""
        names, found = ("days", "dates", "start", "end"), []
        for place in range(MOST_PERIODS):
            bounds = [self[f"{name}_{place}"] for name in names]
            found.append((bounds, place == 0 or any(one.value() or one.errors for one in bounds)))
        return found

    def plain(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "channels", "zone", "default_zone", "handling")]

    def values(self) -> RuleValues:
        given = self.cleaned_data
        return RuleValues(
            name=given["name"],
            kind=Rule.Kind.QUIET,
            channels=tuple(given["channels"]),
            zone=given["zone"].strip(),
            default_zone=given["default_zone"].strip(),
            handling=given["handling"],
            periods=[one for place in range(MOST_PERIODS) if (one := self._period(place))],
        )

    def _period(self, place: int) -> dict[str, Any]:
        given = self.cleaned_data
        dates = [one.strip() for one in given[f"dates_{place}"].split(",") if one.strip()]
        found: dict[str, Any] = {
            "days": [int(day) for day in given[f"days_{place}"]],
            "dates": dates,
            "start": given[f"start_{place}"],
            "end": given[f"end_{place}"],
        }
        return {name: value for name, value in found.items() if value}


def rule_form(kind: str, data: Any = None, rule: Rule | None = None) -> CapForm | QuietForm:
    names = ("name", "channels", "count", "every", "unit", "zone", "default_zone", "handling", "periods")
    initial = {name: getattr(rule, name) for name in names} if rule else None
    form = CapForm if kind == Rule.Kind.CAP else QuietForm
    return form(data, initial=initial)


def rule_set_form(data: Any = None, rule_set: RuleSet | None = None) -> RuleSetForm:
    known = {"name": rule_set.name, "description": rule_set.description} if rule_set else None
    return RuleSetForm(data, initial=known)


class AllowForm(forms.Form):
    entries = forms.CharField(
        label=gettext_lazy("Addresses or domains"),
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy("One on each line; a domain like @example.com."),
    )

    def clean_entries(self) -> list[str]:
        lines = self.cleaned_data["entries"].replace(",", "\n").splitlines()
        return [line.strip() for line in lines if line.strip()]


class LimitsForm(forms.Form):
    rate = forms.FloatField(
        label=gettext_lazy("Messages per second"), required=False, help_text=gettext_lazy("Empty: no limit.")
    )
    urgent_share = forms.IntegerField(
        label=gettext_lazy("Kept for API-triggered messages, in percent"), required=False, initial=0
    )
    domains = forms.CharField(
        label=gettext_lazy("Limits per destination"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, data: Any = None, *, limits: Limits) -> None:
        lines = "\n".join(f"{name} {rate:g}" for name, rate in sorted(limits.domains.items()))
        known = {"rate": limits.rate, "urgent_share": limits.urgent_share, "domains": lines}
        super().__init__(data, initial=known)
        groups = ", ".join(domaingroups.LABELS)
        detail = _(
            "On each line a domain or a group, and messages per second: “gmail 5”. Groups: %(groups)s."
        )
        self.fields["domains"].help_text = detail % {"groups": groups}

    def clean_urgent_share(self) -> int:
        return self.cleaned_data["urgent_share"] or 0

    def clean_domains(self) -> dict[str, str]:
        found = {}
        for line in self.cleaned_data["domains"].splitlines():
            parts = line.split()
            if len(parts) == 2:
                found[parts[0]] = parts[1]
            elif parts:
                raise ValidationError(_("Write a name and a number on each line, like “gmail 5”."))
        return found
