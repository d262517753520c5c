"""The form of a seed list."""

from __future__ import annotations

import csv
import io
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User, Workspace
from audiences.models import Profile
from campaigns import seedlists
from channels.models import ChannelConfiguration, SeedList
from common.csvfiles import plain_cell

MOST_BYTES = 1024 * 1024


class SeedListForm(forms.Form):
    """`addresses` are typed; those of a CSV file (its first column with an @) are added to them."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    addresses = forms.CharField(
        label=gettext_lazy("Addresses"),
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy("One on each line, at most 300."),
    )
    file = forms.FileField(label=gettext_lazy("or a CSV file of them"), required=False)
    test_profile = forms.ChoiceField(
        label=gettext_lazy("Test profile"),
        required=False,
        help_text=gettext_lazy("Whose data fills the copies."),
    )
    configurations = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Channel configurations"),
        queryset=ChannelConfiguration.objects.none(),
        required=False,
        help_text=gettext_lazy("Each has one seed list; choosing it here takes it from another."),
    )

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        actor: User,
        workspace: Workspace,
        seed_list: SeedList | None = None,
    ) -> None:
        known: dict[str, Any] = {}
        if seed_list:
            known = {"name": seed_list.name, "addresses": "\n".join(seed_list.addresses)}
            known["test_profile"] = seed_list.test_profile or ""
            known["configurations"] = [use.configuration_id for use in seed_list.uses.all()]
        super().__init__(data, files, initial=known)
        people = Profile.objects.filter(workspace=workspace, is_test=True).order_by("email", "pk")[:200]
        chooser, wanted = self.fields["test_profile"], self.fields["configurations"]
        assert isinstance(chooser, forms.ChoiceField) and isinstance(wanted, forms.ModelMultipleChoiceField)
        chooser.choices = [("", _("None")), *((str(one.pk), str(one)) for one in people)]
        wanted.queryset = seedlists.attachable(actor, workspace)

    def clean_file(self) -> list[str]:
        file = self.cleaned_data["file"]
        if not file:
            return []
        if file.size > MOST_BYTES:
            raise forms.ValidationError(_("The file is larger than 1 MB."))
        try:
            rows = list(csv.reader(io.StringIO(file.read().decode("utf-8-sig")), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise forms.ValidationError(
                _("This is not a CSV file in UTF-8. Save it as “CSV UTF-8”.")
            ) from error
        cells = ([plain_cell(cell).strip() for cell in row] for row in rows)
        found = [next((cell for cell in row if "@" in cell), "") for row in cells]
        return [address for address in found if address]

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        typed = [line.strip() for line in given["addresses"].replace(",", "\n").splitlines() if line.strip()]
        return {
            "name": given["name"],
            "addresses": [*typed, *given["file"]],
            "test_profile": int(given["test_profile"]) if given["test_profile"] else None,
            "configurations": list(given["configurations"]),
        }
