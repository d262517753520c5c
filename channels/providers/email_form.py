"""The settings that every email provider's form has; what they mean stands in `channels/sending.py`."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import mailboxes, mailtokens, verp
from channels.destinations import check_url
from channels.providers.base import Part, ProviderForm
from channels.sending import (
    AT_ONCE,
    MOST_DAYS,
    MOST_HOURS,
    NAMES,
    compiled,
    headers_of,
    parameters_of,
    waits_of,
)
from common.errors import Invalid
from common.text import has_control

HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.:-]*[A-Za-z0-9_])?\Z")

SECRETS = (mailboxes.PASSWORD, mailboxes.REFRESH_TOKEN)
MAILBOX = (
    *("bounce_host", "bounce_port", "bounce_username", "bounce_folder", "bounce_sign_in", "bounce_password"),
    *("bounce_refresh_token", "bounce_token_url", "bounce_client_id", "bounce_scope"),
)


class EmailForm(ProviderForm):
    """The base of every email provider's form."""

    beside = (*NAMES, *AT_ONCE)

    error_address = forms.EmailField(
        label=gettext_lazy("Bounce address"),
        max_length=254,
        required=False,
        help_text=gettext_lazy(
            "Where mail servers return what they cannot deliver. Each message adds a token to it."
        ),
    )
    reply_to_template = forms.CharField(
        label=gettext_lazy("Reply-to, personal"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "Such as {{ profile.adviser_email }}; without a value answers go to the reply-to email."
        ),
    )
    bcc = forms.EmailField(
        label=gettext_lazy("Blind copy to"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("Gets a copy of every message, for your archive."),
    )
    mail_headers = forms.CharField(
        label=gettext_lazy("Further headers"),
        max_length=12_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, such as Feedback-ID: {{ campaign.id }}:fernhill. At most 10."),
    )
    without_mailto = forms.BooleanField(
        label=gettext_lazy("Leave out unsubscribing by mail (List-Unsubscribe: mailto)"), required=False
    )
    without_one_click = forms.BooleanField(
        label=gettext_lazy("Leave out unsubscribing by one click (List-Unsubscribe-Post)"), required=False
    )
    url_parameters = forms.CharField(
        label=gettext_lazy("Parameters of tracked links"),
        max_length=60_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, such as utm_campaign={{ campaign.name }}. At most 10."),
    )
    retry_hours = forms.FloatField(
        label=gettext_lazy("Try again for (hours)"),
        required=False,
        min_value=0.16,
        max_value=MOST_HOURS,
        help_text=gettext_lazy(
            "After a refusal for now: 10 minutes (0.17), for marketing 6 hours, up to 84 hours. Empty: 84."
        ),
    )
    retry_waits = forms.CharField(
        label=gettext_lazy("Minutes between tries"),
        max_length=120,
        required=False,
        help_text=gettext_lazy(
            "Such as 1, 5, 15, 60: the last one is repeated. Empty: 1, then twice as long each time, up to "
            "4 hours. A server that asks for a longer wait gets it."
        ),
    )
    soft_bounces = forms.IntegerField(
        label=gettext_lazy("Soft bounces until suppressed"),
        required=False,
        min_value=1,
        max_value=20,
        help_text=gettext_lazy(
            "A full mailbox, or a domain that is not found, counts once a day. A delivery starts anew. "
            "Empty: 5; more than 10 harms your reputation."
        ),
    )
    soft_bounce_days = forms.IntegerField(
        label=gettext_lazy("Soft bounces counted over (days)"),
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text=gettext_lazy("Older ones are forgotten. Empty: 30."),
    )
    to_complainers = forms.BooleanField(
        label=gettext_lazy("Send to addresses that are suppressed for a complaint"),
        required=False,
        help_text=gettext_lazy(
            "For transactional mail only. Addresses that bounced, or that you entered yourself, get nothing."
        ),
    )
    bounce_host = forms.CharField(
        label=gettext_lazy("Mailbox server (IMAP)"),
        max_length=253,
        required=False,
        help_text=gettext_lazy("Spoken to over TLS only. Empty: no mailbox is read."),
    )
    bounce_port = forms.IntegerField(
        label=gettext_lazy("Mailbox port"),
        required=False,
        min_value=1,
        max_value=65535,
        help_text=gettext_lazy("Empty: 993."),
    )
    bounce_username = forms.CharField(label=gettext_lazy("Mailbox user name"), max_length=200, required=False)
    bounce_password = forms.CharField(
        label=gettext_lazy("Mailbox password, or the client’s secret"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Stored sealed and never shown. Leave it empty to keep the stored one."),
    )
    bounce_sign_in = forms.ChoiceField(
        label=gettext_lazy("Sign in to the mailbox"),
        required=False,
        choices=(
            ("", gettext_lazy("With a password")),
            (mailtokens.CLIENT, gettext_lazy("By OAuth, with the application’s own right (Microsoft 365)")),
            (mailtokens.REFRESH, gettext_lazy("By OAuth, with a refresh token (Google, Microsoft 365)")),
        ),
    )
    bounce_refresh_token = forms.CharField(
        label=gettext_lazy("Refresh token of the mailbox"),
        max_length=4000,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Stored sealed and never shown. Leave it empty to keep the stored one."),
    )
    bounce_token_url = forms.CharField(
        label=gettext_lazy("Token address"),
        max_length=500,
        required=False,
        help_text=gettext_lazy(
            "Microsoft: https://login.microsoftonline.com/your-tenant/oauth2/v2.0/token; "
            "Google: https://oauth2.googleapis.com/token."
        ),
    )
    bounce_client_id = forms.CharField(
        label=gettext_lazy("Client ID of the application"), max_length=300, required=False
    )
    bounce_scope = forms.CharField(
        label=gettext_lazy("Scope"),
        max_length=500,
        required=False,
        help_text=gettext_lazy(
            "Microsoft: https://outlook.office365.com/.default for the application’s own right, else "
            "https://outlook.office.com/IMAP.AccessAsUser.All offline_access; Google: leave it empty."
        ),
    )
    bounce_folder = forms.CharField(
        label=gettext_lazy("Mailbox folder"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Empty: INBOX."),
    )

    def _parts(self) -> list[Part]:
        mailbox = Part(
            _("Mailbox of the bounces"),
            MAILBOX,
            _("Read by IMAP once a minute, where no mail server hands bounces over."),
        )
        return [*super()._parts(), mailbox]

    def plain_settings(self) -> dict[str, Any]:
        return {name: value for name, value in super().plain_settings().items() if name not in SECRETS}

    def mailbox_secrets(self) -> dict[str, str]:
        return {name: str(self.cleaned_data.get(name, "")) for name in SECRETS}

    def clean_bounce_host(self) -> str:
        host = str(self.cleaned_data["bounce_host"]).strip("[] ")
        if host and not HOST.match(host):
            raise ValidationError(_("Give a server name such as imap.example.com."), code="bad_host")
        return host.lower()

    def clean_bounce_username(self) -> str:
        return self._line("bounce_username")

    def clean_bounce_password(self) -> str:
        return self._line("bounce_password")

    def clean_bounce_refresh_token(self) -> str:
        return self._line("bounce_refresh_token")

    def clean_bounce_client_id(self) -> str:
        return self._line("bounce_client_id")

    def clean_bounce_scope(self) -> str:
        return self._line("bounce_scope")

    def clean_bounce_token_url(self) -> str:
        text = self._line("bounce_token_url").strip()
        try:
            return check_url(text) if text else ""
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error

    def clean_bounce_folder(self) -> str:
        folder = self._line("bounce_folder")
        if not folder.isascii():
            raise ValidationError(_("Give the folder’s name in ASCII letters."), code="bad_folder")
        return folder

    def _line(self, name: str) -> str:
        text = str(self.cleaned_data[name])
        if has_control(text):
            raise ValidationError(_("This cannot hold control characters."), code="bad_text")
        return text

    def clean_error_address(self) -> str:
        text = str(self.cleaned_data["error_address"])
        local = text.rpartition("@")[0]
        if text and (len(local) > verp.MOST_LOCAL or "+" in local or not text.isascii()):
            detail = _("What stands before the @ has at most 15 characters and no +: a token follows it.")
            raise ValidationError(detail, code="bad_error_address")
        return text.lower()

    def clean_reply_to_template(self) -> str:
        return self._checked("reply_to_template", lambda text: [compiled(text)])

    def clean_mail_headers(self) -> str:
        return self._checked("mail_headers", headers_of)

    def clean_retry_waits(self) -> str:
        return self._checked("retry_waits", waits_of)

    def clean_url_parameters(self) -> str:
        return self._checked("url_parameters", parameters_of)

    def _checked(self, name: str, parse: Any) -> str:
        text = str(self.cleaned_data[name])
        try:
            parse(text)
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error
        return text
