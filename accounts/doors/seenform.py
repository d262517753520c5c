"""The forms of the admin site carry the mark of what they showed as well; see `seen.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Model

from accounts.doors import seen
from common.errors import Invalid

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # cannot be subscripted while running


class SeenField(forms.CharField):
    """Is no value of the row, so it is never one that was changed."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class SeenForm(ModelForm):
    """A form of the admin site that changes nothing over somebody else's newer change."""

    seen = SeenField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and seen.FIELD in self.fields:
            self.fields[seen.FIELD].initial = seen.mark(self._shown(self.instance))

    def _shown(self, row: Model) -> dict[str, Any]:
        stored = forms.model_to_dict(row, fields=self._meta.fields)
        return {name: _keys(value) if isinstance(value, list) else value for name, value in stored.items()}

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if self.instance.pk:
            rows = type(self.instance)._base_manager.select_for_update(of=("self",))
            row = rows.get(pk=self.instance.pk)
            try:
                seen.require_same(given.get(seen.FIELD) or None, row, self._shown(row))
            except Invalid as error:
                self.add_error(None, str(error.detail))
        return given


def _keys(tied: list[Model]) -> list[Any]:
    return sorted(one.pk for one in tied)
