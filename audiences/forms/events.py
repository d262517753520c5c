"""What a browser may send to bring in events."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy


class EventFileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV, up to 100,000 rows and 50 MB. The first row names the columns."),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        allow_empty_file=True,
    )
    create_profiles = forms.BooleanField(
        label=gettext_lazy("Make a profile for everybody who is not known yet"), required=False
    )
