"""What a browser may send about topics, the suppression list and what a person allows. The verbs judge it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from audiences.models import ConsentState, Topic
from audiences.reachability import CHANNELS
from audiences.suppressionlists import MOST_BYTES


class TopicForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=63,
        help_text=gettext_lazy("Stands in the address of its page, such as shop-news. It stays for ever."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("People read it before they agree; it is kept as part of the wording."),
    )
    is_public = forms.BooleanField(
        label=gettext_lazy("Offered to the public: on the preference page and on a page of its own"),
        required=False,
        initial=True,
    )
    double_opt_in = forms.BooleanField(
        label=gettext_lazy("New subscribers confirm by email (double opt-in)"), required=False, initial=True
    )


class SuppressForm(forms.Form):
    address = forms.CharField(
        label=gettext_lazy("Address or domain"),
        max_length=300,
        help_text=gettext_lazy("ana@example.com, or @example.com for everybody there."),
    )
    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=list(CHANNELS.items()))
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=60)


class SuppressionFileForm(forms.Form):
    prefix = "file"

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy(
            "In UTF-8, one address or domain per line, up to 100,000. "
            "A first row may name the columns: address, channel, reason."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
        allow_empty_file=True,
    )
    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=list(CHANNELS.items()))
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=60)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(_("The file is larger than 20 MB. Split it."))
        return file


class SayForm(forms.Form):
    """What a person said to somebody of ours, recorded by hand."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=list(CHANNELS.items()))
    topic = forms.ModelChoiceField(
        label=gettext_lazy("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=gettext_lazy("the whole channel"),
    )
    state = forms.ChoiceField(
        label=gettext_lazy("The person"),
        choices=[(ConsentState.NO, gettext_lazy("opted out")), (ConsentState.YES, gettext_lazy("agreed"))],
    )
    source = forms.CharField(
        label=gettext_lazy("Where they said so"),
        max_length=60,
        help_text=gettext_lazy("Such as “by phone” or “paper form, Taipei shop”."),
    )
    wording = forms.CharField(
        label=gettext_lazy("The wording they agreed to"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Needed when somebody who opted out agrees again."),
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["topic"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = Topic.objects.filter(workspace=workspace)
