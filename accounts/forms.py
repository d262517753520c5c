"""The form for a new API credential. It checks and shows; `credentials.issue` does."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.credentials import MOST_CALLS
from accounts.models import Role, Workspace

if TYPE_CHECKING:
    RoleChoice = forms.ModelChoiceField[Role]
else:
    RoleChoice = forms.ModelChoiceField  # cannot be subscripted while running


class RoleField(RoleChoice):
    def label_from_instance(self, obj: Role) -> str:
        return obj.label


class CredentialForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("Which system will use it, such as “Web shop”.")
    )
    role = RoleField(
        label=_("Acts as"), queryset=None, help_text=_("Triggering messages takes “Campaign approver”.")
    )
    last_day = forms.DateField(
        label=_("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty: it works until it is revoked."),
    )
    calls_per_minute = forms.IntegerField(
        label=_("Calls per minute, at most"),
        required=False,
        min_value=1,
        max_value=MOST_CALLS,
        help_text=_("Empty: as many as there are."),
    )

    def __init__(self, workspace: Workspace, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        role = self.fields["role"]
        assert isinstance(role, RoleField)
        role.queryset = Role.objects.filter(workspace=workspace).order_by("pk")

    def expires_at(self) -> datetime | None:
        """The end of the last day, where the reader is."""
        day = self.cleaned_data["last_day"]
        if day is None:
            return None
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
