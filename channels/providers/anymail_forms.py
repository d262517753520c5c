"""The settings of each mail service: its keys, its own choices, and where its API is."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from channels.providers.anymail_service import (
    KeyForm,
    PlainAddressField,
    RegionalField,
)
from channels.providers.email_form import EmailForm
from channels.providers.over_http import SecretField


class SendGridForm(KeyForm):
    api_url = RegionalField("https://api.sendgrid.com/v3/")


class MailgunForm(KeyForm):
    sender_domain = forms.RegexField(
        label=gettext_lazy("Sending domain"),
        regex=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
        help_text=gettext_lazy("As it stands in your Mailgun account, such as mg.example.com."),
    )
    api_url = RegionalField("https://api.mailgun.net/v3/")


class PostmarkForm(EmailForm):
    secret_fields = ("server_token",)
    secret_goes_to = ("api_url",)

    server_token = SecretField(label=gettext_lazy("Server token"))
    message_stream = forms.RegexField(
        label=gettext_lazy("Message stream"),
        regex=r"^[a-z0-9][a-z0-9_-]{0,49}$",
        required=False,
        help_text=gettext_lazy("Such as broadcast. Empty: Postmark’s own default, for transactional mail."),
    )
    api_url = PlainAddressField("https://api.postmarkapp.com/")


class BrevoForm(KeyForm):
    api_url = PlainAddressField("https://api.brevo.com/v3/")


class MailjetForm(EmailForm):
    secret_fields = ("secret_key",)
    secret_goes_to = ("api_url",)

    api_key = forms.RegexField(label=gettext_lazy("API key"), regex=r"^[\x21-\x39\x3b-\x7e]{1,100}$")
    secret_key = SecretField(label=gettext_lazy("Secret key"))
    api_url = PlainAddressField("https://api.mailjet.com/v3.1/")


class MailerSendForm(EmailForm):
    secret_fields = ("api_token",)
    secret_goes_to = ("api_url",)

    api_token = SecretField(label=gettext_lazy("API token"))
    api_url = PlainAddressField("https://api.mailersend.com/v1/")


class MandrillForm(KeyForm):
    api_url = PlainAddressField("https://mandrillapp.com/api/1.0/")


class ResendForm(KeyForm):
    api_url = PlainAddressField("https://api.resend.com/")


class SparkPostForm(KeyForm):
    api_url = RegionalField("https://api.sparkpost.com/api/v1/")


class UnisenderGoForm(KeyForm):
    api_url = RegionalField("https://go1.unisender.ru/en/transactional/api/v1/")


class ScalewayForm(EmailForm):
    secret_fields = ("secret_key",)
    secret_goes_to = ("api_url",)

    secret_key = SecretField(label=gettext_lazy("Secret key"))
    project_id = forms.RegexField(
        label=gettext_lazy("Project ID"), regex=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    )
    api_url = RegionalField("https://api.scaleway.com/transactional-email/v1alpha1/regions/fr-par/")
