"""The forms of channels: what every provider needs beside its own settings, and a sending domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.access import Actor, labels_held
from accounts.models import AccessLabel, Workspace
from channels.configurations import Values
from channels.models import ChannelConfiguration
from channels.providers.base import Provider, ProviderForm

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[ChannelConfiguration]
else:
    ModelForm = forms.ModelForm  # cannot be subscripted while running

SENDER = ("sender_name", "sender_email", "reply_to")


class ConfigurationForm(ModelForm):
    """Checks and shows; it never saves. `labels` is there when the actor has any to give."""

    actions = forms.CharField(
        label=_("Marketing actions"),
        required=False,
        max_length=1300,
        help_text=_("Separated by commas; consent policies name them. For example: newsletter, offers."),
    )

    class Meta:
        model = ChannelConfiguration
        fields = ["name", "description", "kind", *SENDER]
        help_texts = {
            "name": _("How people find it when they write a campaign."),
            "kind": _("Marketing goes to those who agreed; transactional answers something a person did."),
            "sender_name": _("What the mail reader shows."),
            "sender_email": _("The mail server must allow this address."),
            "reply_to": _("Empty: answers go to the sender."),
        }

    def __init__(
        self, *args: Any, workspace: Workspace, actor: Actor, channel: str = "email", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        row: ChannelConfiguration = self.instance
        self.fields["actions"].initial = ", ".join(row.marketing_actions)
        if channel != "email":
            for name in SENDER:
                del self.fields[name]
        if row.status == ChannelConfiguration.Status.ACTIVE:
            self.fields["name"].disabled = True
        had = set(row.labels.all()) if row.pk else set()
        given = {label.pk for label in (*labels_held(actor, workspace), *had)}
        if given:
            self.fields["labels"] = forms.ModelMultipleChoiceField(
                label=_("Access labels"),
                required=False,
                queryset=AccessLabel.objects.filter(pk__in=given),
                initial=[label.pk for label in had],
                widget=forms.SelectMultiple(attrs={"size": min(6, len(given))}),
                help_text=_("Only who holds all of them sees it."),
            )

    def _post_clean(self) -> None:
        """Does not write into the row that is shown, and leaves unique names to the database."""


def settings_form(provider: Provider, data: Any = None, *, initial: dict[str, Any] | None) -> ProviderForm:
    return provider.Form(data, initial=initial, prefix="provider")


def values_of(form: ConfigurationForm, settings: ProviderForm, provider: Provider, channel: str) -> Values:
    given = dict(form.cleaned_data)
    actions, labels = given.pop("actions"), given.pop("labels", None)
    return Values(
        **given,
        marketing_actions=tuple(dict.fromkeys(filter(None, (one.strip() for one in actions.split(","))))),
        labels=None if labels is None else tuple(labels),
        provider=provider.key,
        channel=channel,
        settings=settings.plain_settings(),
        secret=settings.secret(),
        mailbox_secrets=settings.mailbox_secrets(),
    )


class DomainForm(forms.Form):
    name = forms.CharField(
        label=_("Domain"),
        max_length=200,
        help_text=_("What stands after the @ of the sender’s address, such as news.example.com."),
    )
    spf = forms.CharField(
        label=_("Servers that send for it"),
        max_length=200,
        initial="mx",
        help_text=_(
            "As SPF names them: mx for the domain’s own mail server, include:… as your mail provider "
            "tells you, ip4:… for an address."
        ),
    )
