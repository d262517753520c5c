"""The settings of each mail service: its keys, its own choices, and where its API is."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from channels.providers.anymail_service import (
    RECEIPTS,
    KeyForm,
    PasswordField,
    PlainAddressField,
    ProofField,
    RegionalField,
)
from channels.providers.base import Part
from channels.providers.email_form import EmailForm
from channels.providers.over_http import SecretField


class SendGridForm(KeyForm):
    secret_fields = ("api_key",)
    parts = (Part(RECEIPTS[0].heading, ("verification_key",), RECEIPTS[0].about),)

    verification_key = forms.RegexField(
        label=gettext_lazy("Verification key"),
        regex=r"^[A-Za-z0-9+/]{60,300}={0,2}$",
        required=False,
        help_text=gettext_lazy(
            "The public key of the signed event webhook; without it receipts are refused."
        ),
    )
    api_url = RegionalField("https://api.sendgrid.com/v3/")


class MailgunForm(KeyForm):
    sender_domain = forms.RegexField(
        label=gettext_lazy("Sending domain"),
        regex=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
        help_text=gettext_lazy("As it stands in your Mailgun account, such as mg.example.com."),
    )
    webhook_secret = ProofField(gettext_lazy("Webhook signing key"))
    api_url = RegionalField("https://api.mailgun.net/v3/")


class PostmarkForm(EmailForm):
    secret_fields = ("server_token", "webhook_secret")
    secret_goes_to = ("api_url",)
    parts = RECEIPTS

    server_token = SecretField(label=gettext_lazy("Server token"))
    message_stream = forms.RegexField(
        label=gettext_lazy("Message stream"),
        regex=r"^[a-z0-9][a-z0-9_-]{0,49}$",
        required=False,
        help_text=gettext_lazy("Such as broadcast. Empty: Postmark’s own default, for transactional mail."),
    )
    webhook_secret = PasswordField()
    api_url = PlainAddressField("https://api.postmarkapp.com/")


class BrevoForm(KeyForm):
    webhook_secret = PasswordField()
    api_url = PlainAddressField("https://api.brevo.com/v3/")


class MailjetForm(EmailForm):
    secret_fields = ("secret_key", "webhook_secret")
    secret_goes_to = ("api_url",)
    parts = RECEIPTS

    api_key = forms.RegexField(label=gettext_lazy("API key"), regex=r"^[\x21-\x39\x3b-\x7e]{1,100}$")
    secret_key = SecretField(label=gettext_lazy("Secret key"))
    webhook_secret = PasswordField()
    api_url = PlainAddressField("https://api.mailjet.com/v3.1/")


class MailerSendForm(EmailForm):
    secret_fields = ("api_token", "webhook_secret")
    secret_goes_to = ("api_url",)
    parts = RECEIPTS

    api_token = SecretField(label=gettext_lazy("API token"))
    webhook_secret = ProofField(gettext_lazy("Webhook signing secret"))
    api_url = PlainAddressField("https://api.mailersend.com/v1/")


class MandrillForm(KeyForm):
    webhook_secret = ProofField(gettext_lazy("Webhook key"))
    api_url = PlainAddressField("https://mandrillapp.com/api/1.0/")


class ResendForm(KeyForm):
    webhook_secret = ProofField(gettext_lazy("Webhook signing secret"))
    api_url = PlainAddressField("https://api.resend.com/")


class SparkPostForm(KeyForm):
    webhook_secret = PasswordField()
    api_url = RegionalField("https://api.sparkpost.com/api/v1/")


class UnisenderGoForm(KeyForm):
    secret_fields = ("api_key",)
    parts = ()

    api_url = RegionalField("https://go1.unisender.ru/en/transactional/api/v1/")


class ScalewayForm(EmailForm):
    secret_fields = ("secret_key", "webhook_secret")
    secret_goes_to = ("api_url",)
    parts = RECEIPTS

    secret_key = SecretField(label=gettext_lazy("Secret key"))
    project_id = forms.RegexField(
        label=gettext_lazy("Project ID"), regex=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    )
    webhook_secret = PasswordField()
    api_url = RegionalField("https://api.scaleway.com/transactional-email/v1alpha1/regions/fr-par/")
