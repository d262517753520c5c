"""What a browser may send about an import."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from audiences.imports.sniff import MAX_BYTES
from audiences.models import Audience


class ImportForm(forms.Form):
    audience = forms.ModelChoiceField(
        label=gettext_lazy("Add to"),
        queryset=Audience.objects.none(),
        required=False,
        empty_label=gettext_lazy("a new audience"),
    )
    name = forms.CharField(label=gettext_lazy("Name of the new audience"), max_length=100, required=False)
    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy(
            "The first row names the columns; one is called email. Up to 50 MB; UTF-8, UTF-16 or Big5."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        allow_empty_file=True,
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["audience"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = Audience.objects.filter(workspace=workspace, kind=Audience.Kind.UPLOAD)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than 50 MB. Split it."))
        return file

    def clean(self) -> None:
        if not self.cleaned_data.get("audience") and not self.cleaned_data.get("name"):
            self.add_error("name", _("Give the new audience a name, or choose one to add to."))
