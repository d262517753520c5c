"""What a browser may send to bring in events."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy


class EventFileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV, TSV or Excel, up to 1,000,000 rows and 500 MB. The first row names the columns."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv"}),
        allow_empty_file=True,
    )
    create_profiles = forms.BooleanField(
        label=gettext_lazy("Make a profile for everybody who is not known yet"), required=False
    )
