"""What every SMS provider's form has: a sender that carriers show, what people who write back are answered,
and what one part costs.
"""

from __future__ import annotations

from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels.kinds import clean_sms_sender
from channels.models import ChannelConfiguration
from channels.providers.base import Part
from channels.providers.keywords_form import KeywordsForm
from common.errors import Invalid


class SmsForm(KeywordsForm):
    part_price = forms.RegexField(
        label=gettext_lazy("What one part costs"),
        regex=r"^\d{1,4}(\.\d{1,4})? [A-Z]{3}$",
        required=False,
        error_messages={"invalid": gettext_lazy("A number and a currency, such as 0.85 TWD.")},
        help_text=gettext_lazy("Such as 0.85 TWD. The pre-flight then tells what a campaign costs."),
    )

    def clean_sender(self) -> str:
        try:
            return clean_sms_sender(self.cleaned_data["sender"])
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error

    def _parts(self) -> list[Part]:
        return [*super()._parts(), Part(gettext_lazy("Price"), ("part_price",))]


def part_price(configuration: ChannelConfiguration) -> tuple[Decimal, str] | None:
    """The price of one part and its currency (ISO 4217), where the configuration says it."""
    amount, _space, currency = str(configuration.settings.get("part_price") or "").partition(" ")
    return (Decimal(amount), currency) if currency else None
