"""The form of a proof: which contents of one message, as whom, and to which addresses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audiences.models import Profile
from campaigns import samples
from campaigns.languages import language_name
from campaigns.models import Action, Campaign
from campaigns.versions import contents_of

SAMPLE = '{"profile": {"name": "林"}, "context": {"order": "A-1"}}'


class ProofForm(forms.Form):
    contents = forms.MultipleChoiceField(
        label=gettext_lazy("What is sent"), widget=forms.CheckboxSelectMultiple, required=False
    )
    profile = forms.ChoiceField(
        label=gettext_lazy("As"),
        required=False,
        help_text=gettext_lazy("Whose data fills the message: your test profiles."),
    )
    addresses = forms.CharField(
        label=gettext_lazy("Addresses"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One on each line, at most 10. Empty: the test profile’s own."),
    )
    subject_prefix = forms.CharField(
        label=gettext_lazy("Before the subject"),
        required=False,
        max_length=40,
        help_text=gettext_lazy("Letters, digits, spaces and . - _ ( ) [ ]."),
    )
    sample = forms.CharField(
        label=gettext_lazy("Other values, in JSON"),
        required=False,
        max_length=samples.MAX_SAMPLE,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "placeholder": SAMPLE}),
        help_text=gettext_lazy("They go before those of the test profile."),
    )

    def __init__(self, data: Any = None, *, campaign: Campaign, action: Action, person: User) -> None:
        written = [(one["treatment"], one["language"]) for one in contents_of(action, campaign)]
        self.places = {f"{treatment}|{language}": (treatment, language) for treatment, language in written}
        known: dict[str, Any] = {"contents": list(self.places), "subject_prefix": _("[Proof]")}
        if action.channel == "email":
            known["addresses"] = person.email
        people = Profile.objects.filter(workspace=campaign.workspace_id, is_test=True)
        self.people = {str(one.pk): one for one in people.order_by("email", "pk")[:200]}
        known["profile"] = next(iter(self.people), "")
        super().__init__(data, initial=known)
        contents, chooser = self.fields["contents"], self.fields["profile"]
        assert isinstance(contents, forms.MultipleChoiceField) and isinstance(chooser, forms.ChoiceField)
        contents.choices = [(key, title(campaign, *place)) for key, place in self.places.items()]
        chooser.choices = [
            *((key, str(one)) for key, one in self.people.items()),
            ("", _("Nobody: its fields are empty")),
        ]
        if action.channel != "email":
            del self.fields["subject_prefix"]
        if len(self.places) == 1:
            del self.fields["contents"]

    def clean_sample(self) -> dict[str, Any]:
        return samples.read(self.cleaned_data["sample"])

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            "places": [self.places[key] for key in given["contents"]] if "contents" in given else None,
            "person": self.people.get(given["profile"]),
            "addresses": given["addresses"].replace(",", "\n").splitlines(),
            "prefix": given.get("subject_prefix"),
            "sample": given["sample"],
        }


def title(campaign: Campaign, treatment: str, language: str) -> str:
    """A content as its author calls it: its treatment and its language, where there are several."""
    treatments = {one["key"]: one["title"] for one in campaign.experiment.get("treatments", [])}
    code = language or campaign.languages.get("default", "")
    named = (treatments.get(treatment or "A", ""), language_name(code) if code else "")
    return " · ".join(filter(None, named)) or _("The message")
