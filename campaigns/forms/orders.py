"""The form of a report by mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.access import people_who_may
from accounts.models import User
from campaigns.models import Campaign, ReportOrder
from campaigns.reports.orders import VIEW


class OrderForm(forms.Form):
    """The time is the workspace's."""

    every = forms.ChoiceField(label=_("How often it is sent"), choices=ReportOrder.Every)
    form = forms.ChoiceField(label=_("File"), choices=ReportOrder.Form)
    begins_at = forms.DateTimeField(
        label=_("The first time"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("By the workspace's clock; from then on at the same hour."),
    )
    people = forms.ModelMultipleChoiceField(
        label=_("To whom"),
        queryset=User.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Everybody here may see the report. Who may no more gets it no more."),
    )

    def __init__(self, data: Any = None, *, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        people = self.fields["people"]
        assert isinstance(people, forms.ModelMultipleChoiceField)
        people.queryset = people_who_may(VIEW, campaign).order_by("name")
