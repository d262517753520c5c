"""The Schedule tab: when, how often, in whose time zone, in which waves, how fast.

Times are read and shown on the wall clock of the campaign's zone. The form checks shapes and gives what
`drafts.save` takes; what is impossible is told by `validation.py`.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import recurrence, schedule, sentences, waves
from campaigns.forms.tab import FARTHEST, NEAREST, TabForm
from campaigns.models import Campaign
from common.text import whole_number

ROWS = 3  # rules offered without a save; each save offers more
MORNING = time(9)  # what a new frequency begins with
MODES = [
    ("", gettext_lazy("Everybody at once")),
    ("equal", gettext_lazy("Equal waves")),
    ("percent", gettext_lazy("Waves by percent")),
    ("number", gettext_lazy("Waves by number of people")),
]
EVERY = [
    ("", gettext_lazy("It is not repeated")),
    ("day", gettext_lazy("Daily")),
    ("week", gettext_lazy("Weekly")),
    ("month", gettext_lazy("Monthly")),
]


class WallClockField(forms.DateTimeField):
    """A naive time: whose wall it hangs on is another field's business."""

    def __init__(self, **kwargs: Any) -> None:
        kind = {"type": "datetime-local"}
        super().__init__(
            required=False, widget=forms.DateTimeInput(attrs=kind, format="%Y-%m-%dT%H:%M"), **kwargs
        )

    def prepare_value(self, value: Any) -> Any:
        return value

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            found = datetime.fromisoformat(str(value).strip())
        except ValueError as error:
            raise forms.ValidationError(_("Write a date and a time.")) from error
        if found.tzinfo is not None:
            raise forms.ValidationError(_("Write a date and a time."))
        if not NEAREST <= found.year <= FARTHEST:
            years = {"first": NEAREST, "last": FARTHEST}
            raise forms.ValidationError(_("Choose a year from %(first)s to %(last)s.") % years)
        return found


class RuleForm(forms.Form):
    """One frequency; without `every` the row is empty."""

    interval = forms.IntegerField(
        label=gettext_lazy("Interval"),
        required=False,
        min_value=1,
        max_value=recurrence.LONGEST_INTERVAL,
        initial=1,
        help_text=gettext_lazy("2: every second one."),
    )
    every = forms.ChoiceField(label=gettext_lazy("Repeats"), choices=EVERY, required=False)
    at = forms.TimeField(
        label=gettext_lazy("At"),
        required=False,
        initial=MORNING,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    nth = forms.TypedChoiceField(
        label=gettext_lazy("Which of these weekdays in the month"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", gettext_lazy("every one")), *sentences.NTHS.items()],
    )
    weekdays = forms.MultipleChoiceField(
        label=gettext_lazy("Weekdays"),
        required=False,
        choices=list(zip(recurrence.WEEKDAYS, sentences.WEEKDAY_NAMES, strict=True)),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.CharField(
        label=gettext_lazy("Days of the month"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Such as 1, 15, last."),
    )

    def clean_days(self) -> list[int]:
        found = []
        for word in self.cleaned_data["days"].replace(",", " ").split():
            if word.lower() in ("last", _("last")):
                found.append(-1)
            elif day := whole_number(word, 31):
                found.append(day)
            else:
                raise forms.ValidationError(_("Write days from 1 to 31, or “last”."))
        return sorted(set(found))

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("every") and not self.cleaned_data.get("at") and "at" not in self.errors:
            self.add_error("at", _("Say at what time."))
        return self.cleaned_data

    def as_json(self) -> dict[str, Any]:
        found = self.cleaned_data
        is_monthly, is_daily = found["every"] == "month", found["every"] == "day"
        return {
            "every": found["every"],
            "interval": found["interval"] or 1,
            "at": f"{found['at']:%H:%M}",
            "weekdays": [] if is_daily else found["weekdays"],
            "nth": (found["nth"] or 0) if is_monthly and found["weekdays"] else 0,
            "days": found["days"] if is_monthly else [],
        }


class ScheduleForm(TabForm):
    zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    starts_at = WallClockField(
        label=gettext_lazy("Start"), help_text=gettext_lazy("Empty: at once, when it is activated.")
    )
    ends_at = WallClockField(
        label=gettext_lazy("End"), help_text=gettext_lazy("No run starts after it. Empty: it has no end.")
    )
    per_person = forms.BooleanField(
        label=gettext_lazy("Everybody at that hour of their own time zone"), required=False
    )
    occurrences = forms.IntegerField(
        label=gettext_lazy("End after this many runs"),
        required=False,
        min_value=1,
        max_value=schedule.MOST_OCCURRENCES,
    )
    rate = forms.IntegerField(
        label=gettext_lazy("Delivery rate"),
        required=False,
        min_value=1,
        max_value=2000,
        help_text=gettext_lazy("Messages per second, at most. Empty: as fast as the channel allows."),
    )
    wave_mode = forms.ChoiceField(label=gettext_lazy("How it is sent"), choices=MODES, required=False)
    wave_count = forms.IntegerField(
        label=gettext_lazy("How many waves"), required=False, min_value=1, max_value=100
    )
    wave_sizes = forms.CharField(
        label=gettext_lazy("Size of each wave"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Such as 20, 30, 50."),
    )
    wave_interval = forms.IntegerField(
        label=gettext_lazy("Minutes between waves"), required=False, min_value=1, max_value=43_200
    )
    wave_starts = forms.CharField(
        label=gettext_lazy("Or a fixed start for each wave"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, such as 2027-03-01 09:00."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zones = sorted(available_timezones())
        if self.campaign.type == Campaign.Type.API_TRIGGERED:
            self.fields["starts_at"].help_text = _(
                "Calls are taken from then on. Empty: from its activation on."
            )
            self.fields["ends_at"].help_text = _("Calls are refused after it. Empty: it has no end.")
            for name in (
                "per_person",
                "occurrences",
                *(key for key in self.fields if key.startswith("wave_")),
            ):
                del self.fields[name]
            self.rules: list[RuleForm] = []
            return
        stored = self.campaign.schedule.get("rules", [])
        given = self.data if self.is_bound else None
        self.rules = [
            RuleForm(given, prefix=f"rule{at}", initial=_row(stored[at]) if at < len(stored) else None)
            for at in range(min(max(len(stored) + 1, ROWS), recurrence.MOST_RULES))
        ]

    def present(self) -> dict[str, Any]:
        campaign = self.campaign
        table = schedule.of_draft(campaign)
        given = campaign.waves
        sizes = ", ".join(map(str, given.get("sizes") or []))
        starts = [datetime.fromisoformat(start) for start in given.get("starts") or []]
        return {
            "zone": table.zone.key,
            "starts_at": _on_wall(campaign.starts_at, table.zone),
            "ends_at": _on_wall(campaign.ends_at, table.zone),
            "per_person": table.per_person,
            "occurrences": table.occurrences,
            "rate": campaign.rate,
            "wave_mode": "" if not given else given.get("mode", "percent") if sizes else "equal",
            "wave_count": given.get("count"),
            "wave_sizes": sizes,
            "wave_interval": given.get("interval_minutes"),
            "wave_starts": "\n".join(f"{start.astimezone(table.zone):%Y-%m-%d %H:%M}" for start in starts),
        }

    def clean_zone(self) -> str:
        name = str(self.cleaned_data["zone"] or self.campaign.workspace.time_zone)
        if recurrence.zone_named(name) is None:
            detail = _("“%(name)s” is not a time zone. Give an IANA name such as Asia/Taipei.")
            raise forms.ValidationError(detail % {"name": name})
        return name

    def clean_wave_sizes(self) -> list[int]:
        words = self.cleaned_data["wave_sizes"].replace(",", " ").replace("%", " ").split()
        sizes = [size for word in words if (size := whole_number(word, 10**9 - 1)) is not None]
        if len(sizes) < len(words):
            raise forms.ValidationError(_("Write whole numbers, with commas between them."))
        return sizes

    def clean(self) -> dict[str, Any]:
        for row in self.rules:
            if not row.is_valid():
                faults = [str(fault) for told in row.errors.values() for fault in told]
                self.add_error(None, " ".join([_("A frequency is not complete."), *faults]))
        return self.cleaned_data

    def cleaned(self) -> dict[str, Any]:
        """What `drafts.save` takes. Raises Invalid for what only the whole can show."""
        found, zone = self.cleaned_data, ZoneInfo(self.cleaned_data["zone"])
        changes = {
            "rate": found["rate"],
            "starts_at": _moment(found["starts_at"], zone),
            "ends_at": _moment(found["ends_at"], zone),
        }
        if "wave_mode" not in self.fields:
            return {**changes, "schedule": schedule.clean({"zone": zone.key})}
        rules = [row.as_json() for row in self.rules if row.cleaned_data.get("every")]
        planned = {
            "zone": zone.key,
            "per_person": found["per_person"],
            "rules": rules,
            "occurrences": found["occurrences"],
        }
        return {**changes, "schedule": schedule.clean(planned), "waves": self._waves(zone)}

    def _waves(self, zone: ZoneInfo) -> dict[str, Any]:
        found = self.cleaned_data
        if not found["wave_mode"]:
            return {}
        made: dict[str, Any] = {"interval_minutes": found["wave_interval"], "starts": self._starts(zone)}
        if found["wave_mode"] == "equal":
            made["count"] = found["wave_count"] or len(made["starts"]) or 1
        else:
            made |= {"mode": found["wave_mode"], "sizes": found["wave_sizes"] or [100]}
        return waves.clean(made)

    def _starts(self, zone: ZoneInfo) -> list[str]:
        field, found = WallClockField(), []
        for line in filter(None, map(str.strip, self.cleaned_data["wave_starts"].splitlines())):
            moment = _moment(field.to_python(line), zone)
            found.append(moment.isoformat() if moment else "")
        return found

    def clean_wave_starts(self) -> str:
        text = str(self.cleaned_data["wave_starts"])
        for line in filter(None, map(str.strip, text.splitlines())):
            WallClockField().to_python(line)
        return text

    def timetable(self) -> schedule.Timetable:
        """What is in the form now, saved or not."""
        changes = self.cleaned()
        return schedule.timetable(changes["schedule"], changes["starts_at"], changes["ends_at"])


def _row(rule: dict[str, Any]) -> dict[str, Any]:
    days = [_("last") if day == -1 else str(day) for day in rule.get("days", [])]
    return {**rule, "days": ", ".join(days), "nth": rule.get("nth") or ""}


def _on_wall(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.astimezone(zone).replace(tzinfo=None) if moment else None


def _moment(wanted: datetime | None, zone: ZoneInfo) -> datetime | None:
    return recurrence.in_zone(wanted, zone).at if wanted else None
