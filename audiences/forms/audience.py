"""What a browser may send about an audience as an object: its settings, and with whom it is shared.

The forms check shapes; what may be is checked by the verbs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from accounts.access import labels_held
from accounts.models import AccessLabel, User, Workspace
from audiences.models import Audience


def members(workspace: Workspace) -> QuerySet[User]:
    return User.objects.filter(groups__role__workspace=workspace, is_active=True).distinct().order_by("name")


class TagsField(forms.CharField):
    """Written with commas between; given as a list."""

    def clean(self, value: Any) -> list[str]:
        return str(super().clean(value)).split(",")


class SettingsForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    description = forms.CharField(
        label=_("Description"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    tags = TagsField(
        label=_("Tags"), required=False, max_length=1200, help_text=_("Separate them with commas.")
    )
    owner = forms.ModelChoiceField(
        label=_("Owner"), queryset=User.objects.none(), required=False, empty_label=_("nobody")
    )
    refresh = forms.ChoiceField(label=_("Evaluated"), choices=Audience.Refresh)
    labels = forms.ModelMultipleChoiceField(
        label=_("Access labels"),
        queryset=AccessLabel.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text=_("Only who holds all of them sees it. You can give the labels that your roles hold."),
    )
    seen_at = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, audience: Audience, actor: User, **kwargs: Any) -> None:
        first = {
            "name": audience.name,
            "description": audience.description,
            "tags": ", ".join(audience.tags),
            "owner": audience.owner_id,
            "refresh": audience.refresh,
            "labels": audience.labels.all(),
            "seen_at": audience.changed_at.isoformat(),
        }
        super().__init__(*args, **{"initial": first, **kwargs})
        self._offer("owner", members(audience.workspace))
        self._offer("labels", labels_held(actor, audience.workspace))
        if not labels_held(actor, audience.workspace).exists():
            del self.fields["labels"]

    def _offer(self, name: str, rows: QuerySet[Any]) -> None:
        chooser = self.fields[name]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = rows

    def clean_seen_at(self) -> datetime:
        try:
            found = parse_datetime(self.cleaned_data["seen_at"])
        except ValueError:
            found = None
        if found is None or timezone.is_naive(found):
            raise forms.ValidationError(_("Load the page again."))
        return found
