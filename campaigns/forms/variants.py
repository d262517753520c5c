"""Languages and treatments of a campaign: who gets which, and what happens to who reads none of them."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.forms.tab import DraftForm
from campaigns.languages import language_name
from campaigns.models import Campaign

LANGUAGES = (
    *("en", "en-GB", "zh-Hant", "zh-Hans", "ja", "ko", "vi", "th", "id", "ms", "fil", "my", "km", "hi", "bn"),
    *("ta", "ur", "fr", "fr-CA", "de", "es", "es-419", "pt", "pt-BR", "it", "nl", "sv", "da", "nb", "fi"),
    *("pl", "cs", "sk", "hu", "ro", "bg", "el", "tr", "uk", "ru", "he", "ar", "fa", "hr", "sl", "sr", "et"),
    *("lv", "lt", "ca"),
)
KEYS = "ABCDE"


class VariantsForm(DraftForm):
    default = forms.ChoiceField(label=gettext_lazy("First language"), required=False)
    others = forms.MultipleChoiceField(
        label=gettext_lazy("Other languages"), required=False, widget=forms.CheckboxSelectMultiple
    )
    when_missing = forms.ChoiceField(
        label=gettext_lazy("Who reads none of them"),
        required=False,
        choices=[
            ("default", gettext_lazy("gets the first language")),
            ("exclude", gettext_lazy("gets nothing")),
        ],
    )
    holdout = forms.DecimalField(
        label=gettext_lazy("Held out (percent)"),
        required=False,
        min_value=0,
        max_value=50,
        decimal_places=2,
        help_text=gettext_lazy("They get nothing, so that the campaign’s effect can be measured."),
    )
    metric = forms.ChoiceField(
        label=gettext_lazy("Compared by"),
        required=False,
        choices=[
            ("click", gettext_lazy("clicks")),
            ("open", gettext_lazy("opens")),
            ("unsubscribe", gettext_lazy("unsubscribes (fewer is better)")),
            ("event", gettext_lazy("an event of yours")),
        ],
    )
    event = forms.RegexField(
        r"^[A-Za-z][A-Za-z0-9_.:-]{0,99}$", label=gettext_lazy("Name of the event"), required=False
    )
    window_hours = forms.IntegerField(
        label=gettext_lazy("Counted for (hours)"), required=False, min_value=1, max_value=24 * 90
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("How it is decided"),
        required=False,
        choices=[
            ("ab", gettext_lazy("Everybody gets a treatment; you compare them")),
            ("winner", gettext_lazy("A part tries them; the rest gets the better one")),
            ("bandit", gettext_lazy("Each run, and each hour of calls, gives more people the better one")),
        ],
    )
    test_percent = forms.DecimalField(
        label=gettext_lazy("Who tries them (percent)"),
        required=False,
        min_value=1,
        max_value=90,
        decimal_places=2,
    )
    after_hours = forms.IntegerField(
        label=gettext_lazy("Decided after (hours)"), required=False, min_value=1, max_value=24 * 14
    )
    otherwise = forms.ChoiceField(
        label=gettext_lazy("If none is surely better"),
        required=False,
        choices=[
            ("leading", gettext_lazy("the rest gets the one that is ahead")),
            ("first", gettext_lazy("the rest gets the first")),
            ("hand", gettext_lazy("the rest waits until somebody chooses")),
        ],
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        self.campaign = campaign
        kwargs.setdefault("initial", {"revision": campaign.revision, **_present(campaign)})
        super().__init__(*args, **kwargs)
        kept = [campaign.languages.get("default"), *campaign.languages.get("others", [])]
        known = list(dict.fromkeys([*LANGUAGES, *(one for one in kept if one)]))
        named: list[tuple[str, Any]] = sorted(
            ((one, language_name(one)) for one in known), key=lambda one: one[1]
        )
        for name, choices in (("default", [("", _("Only one, for everybody")), *named]), ("others", named)):
            chooser = self.fields[name]
            assert isinstance(chooser, forms.ChoiceField)
            chooser.choices = choices
        for key in KEYS:
            self.fields[f"title_{key}"] = forms.CharField(
                label=_("Name of treatment %(key)s") % {"key": key}, required=False, max_length=60
            )
            self.fields[f"percent_{key}"] = forms.DecimalField(
                label=_("Percent"), required=False, min_value=0, max_value=100, decimal_places=2
            )

    def rows(self) -> list[tuple[str, Any, Any]]:
        return [(key, self[f"title_{key}"], self[f"percent_{key}"]) for key in KEYS]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("others") and not cleaned.get("default"):
            self.add_error("default", _("Choose the first language."))
        if cleaned.get("default") in (cleaned.get("others") or []):
            cleaned["others"].remove(cleaned["default"])
        if len(cleaned.get("others") or []) >= 50:
            self.add_error("others", _("At most 50 languages can be offered."))
        shares = self._shares(cleaned)
        if len(shares) == 1:
            self.add_error("percent_B", _("An experiment needs two treatments."))
        elif shares and sum(shares.values()) != 100:
            detail = _("The shares add up to %(sum)s percent; make it 100.")
            self.add_error(f"percent_{KEYS[0]}", detail % {"sum": f"{sum(shares.values()):g}"})
        if shares and list(shares) != list(KEYS[: len(shares)]):
            self.add_error("percent_A", _("Fill the treatments from A on, without a gap."))
        if cleaned.get("metric") == "event" and not cleaned.get("event"):
            self.add_error("event", _("Name the event that counts."))
        if cleaned.get("mode") == "winner" and not cleaned.get("test_percent"):
            self.add_error("test_percent", _("Say how many try the treatments."))
        return cleaned

    def _shares(self, cleaned: dict[str, Any]) -> dict[str, Decimal]:
        return {key: share for key in KEYS if (share := cleaned.get(f"percent_{key}"))}

    def languages(self) -> dict[str, Any]:
        if not self.cleaned_data["default"]:
            return {}
        return {
            "default": self.cleaned_data["default"],
            "others": self.cleaned_data["others"],
            "when_missing": self.cleaned_data["when_missing"] or "default",
        }

    def experiment(self) -> dict[str, Any]:
        """The salt stays what it was, so that people keep their treatment while the author goes on."""
        cleaned, shares = self.cleaned_data, self._shares(self.cleaned_data)
        held_out = float(cleaned["holdout"] or 0)
        if not shares and not held_out:
            return {}
        before = self.campaign.experiment
        metric = cleaned["metric"] or "click"
        found: dict[str, Any] = {
            "treatments": [
                {"key": key, "title": cleaned[f"title_{key}"] or key, "percent": float(share)}
                for key, share in shares.items()
            ],
            "holdout": held_out,
            "metric": f"event:{cleaned['event']}" if metric == "event" else metric,
            "window_hours": cleaned["window_hours"] or 72,
            "mode": (cleaned["mode"] or "ab") if shares else "ab",
            "salt": before.get("salt") or secrets.token_hex(8),
        }
        if found["mode"] == "winner":
            kept = before.get("winner", {})
            test = float(cleaned["test_percent"])
            found["winner"] = {
                **kept,
                "test_percent": test,
                "after_hours": cleaned["after_hours"] or 4,
                "otherwise": cleaned["otherwise"] or "leading",
            }
        return found


def _present(campaign: Campaign) -> dict[str, Any]:
    experiment, languages = campaign.experiment, campaign.languages
    metric = experiment.get("metric", "click")
    winner = experiment.get("winner", {})
    present = {
        "default": languages.get("default", ""),
        "others": languages.get("others", []),
        "when_missing": languages.get("when_missing", "default"),
        "holdout": _plain(experiment.get("holdout")),
        "metric": "event" if metric.startswith("event:") else metric,
        "event": metric.removeprefix("event:") if metric.startswith("event:") else "",
        "window_hours": experiment.get("window_hours", 72),
        "mode": experiment.get("mode", "ab"),
        "test_percent": _plain(winner.get("test_percent")),
        "after_hours": winner.get("after_hours"),
        "otherwise": winner.get("otherwise", "leading"),
    }
    for one in experiment.get("treatments", []):
        present |= {f"title_{one['key']}": one["title"], f"percent_{one['key']}": _plain(one["percent"])}
    return present


def _plain(percent: float | None) -> str:
    """50 is not 50.0 to its author, and none is nothing."""
    return f"{percent:g}" if percent else ""
