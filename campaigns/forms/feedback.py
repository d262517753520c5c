"""The form of a feedback webhook. It checks and shows; `feedback.endpoints` does."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns.models import FeedbackEndpoint, FeedbackKind


class FeedbackForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("Which system listens there, such as “Web shop”.")
    )
    url = forms.CharField(label=_("Web address"), max_length=2000, widget=forms.URLInput)
    kinds = forms.MultipleChoiceField(
        label=_("What it hears of"),
        choices=FeedbackKind.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
    )
    only_triggered = forms.BooleanField(
        label=_("Only of API-triggered campaigns"),
        required=False,
        help_text=_("Else of every campaign: a run to a million people is a million calls."),
    )

    def __init__(self, data: Any = None, *, endpoint: FeedbackEndpoint | None = None) -> None:
        known: dict[str, Any] = {"only_triggered": True, "kinds": FeedbackKind.values[:5]}
        if endpoint:
            known = {name: getattr(endpoint, name) for name in self.base_fields}
        super().__init__(data, initial=known)
