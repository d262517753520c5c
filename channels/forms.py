"""The form of a channel configuration: what every provider needs, beside the provider's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from channels.configurations import Values
from channels.models import ChannelConfiguration
from channels.providers.base import Provider, ProviderForm

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[ChannelConfiguration]
else:
    ModelForm = forms.ModelForm  # cannot be subscripted while running


class ConfigurationForm(ModelForm):
    """Checks and shows; it never saves, `configurations` does."""

    class Meta:
        model = ChannelConfiguration
        fields = ["name", "kind", "sender_name", "sender_email", "reply_to"]
        help_texts = {
            "name": _("How people find it when they write a campaign."),
            "kind": _("Marketing goes to those who agreed; transactional answers something a person did."),
            "sender_name": _("What the mail reader shows."),
            "sender_email": _("The mail server must allow this address."),
            "reply_to": _("Empty: answers go to the sender."),
        }

    def _post_clean(self) -> None:
        """Does not write into the row that is shown, and leaves unique names to the database."""


def settings_form(
    provider: Provider, data: Any = None, *, configuration: ChannelConfiguration | None = None
) -> ProviderForm:
    initial = configuration.settings if configuration and configuration.provider == provider.key else None
    return provider.Form(data, initial=initial, prefix="provider")


def values_of(form: ConfigurationForm, settings: ProviderForm, provider: Provider) -> Values:
    return Values(
        **form.cleaned_data,
        provider=provider.key,
        settings=settings.plain_settings(),
        secret=settings.secret(),
    )
