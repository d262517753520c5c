"""What a browser may send about an attribute or a namespace; its meaning is checked by the verbs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from audiences.models import AttributeDefinition


class ChoicesField(forms.CharField):
    """One choice per line."""

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class AttributeForm(forms.Form):
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=63,
        help_text=gettext_lazy("Content reads it as profile.key; small letters, digits and _."),
    )
    label = forms.CharField(label=gettext_lazy("Label"), max_length=100, required=False)
    type = forms.ChoiceField(label=gettext_lazy("Type"), choices=AttributeDefinition.Type.choices)
    choices = ChoicesField(
        label=gettext_lazy("Choices"),
        required=False,
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy("One per line; for the type choice only."),
    )


class NamespaceForm(forms.Form):
    key = forms.CharField(label=gettext_lazy("Key"), max_length=63)
    label = forms.CharField(label=gettext_lazy("Label"), max_length=100, required=False)
