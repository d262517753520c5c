"""The form of a fragment. Its key and kind are chosen once, as contents name the one and hold the other."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns import fragments
from campaigns.models import Fragment


class FragmentForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    key = forms.CharField(
        label=_("Key"),
        max_length=50,
        help_text=_("Contents name it by this, so it never changes: small letters, digits, - and _."),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=Fragment.Kind)
    source = forms.CharField(
        label=_("What it says"),
        required=False,
        strip=False,
        max_length=fragments.LONGEST,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "mono"}),
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, fragment: Fragment | None = None) -> None:
        known = ("name", "source", "revision")
        super().__init__(
            data, initial={name: getattr(fragment, name) for name in known} if fragment else None
        )
        if fragment:
            del self.fields["key"], self.fields["kind"]
