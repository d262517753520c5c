"""What a browser may send about a person."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy


class ProfileForm(forms.Form):
    """What may be corrected by hand; its meaning is checked by `profiles.change`."""

    locale = forms.CharField(
        label=gettext_lazy("Language"),
        max_length=35,
        required=False,
        help_text=gettext_lazy("Such as zh-TW."),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Such as Asia/Taipei."),
    )
    is_test = forms.BooleanField(
        label=gettext_lazy("Test profile: offered first for previews"), required=False
    )
