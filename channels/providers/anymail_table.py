"""What tells one mail service from another: its anymail back end, its settings, and how it says no."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from anymail.backends import brevo, mailgun, postmark, sendgrid
from django import forms
from django.utils.translation import gettext_lazy

from channels.messages import Fact
from channels.providers.email_form import EmailForm
from channels.providers.over_http import AddressField, Meaning, SecretField


class KeyForm(EmailForm):
    secret_fields = ("api_key",)
    secret_goes_to = ("api_url",)

    api_key = SecretField(label=gettext_lazy("API key"))


class SendGridForm(KeyForm):
    api_url = AddressField(
        label=gettext_lazy("API address"),
        initial="https://api.sendgrid.com/v3/",
        help_text=gettext_lazy("Another region has another address."),
    )


class MailgunForm(KeyForm):
    sender_domain = forms.RegexField(
        label=gettext_lazy("Sending domain"),
        regex=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
        help_text=gettext_lazy("As it stands in your Mailgun account, such as mg.example.com."),
    )
    api_url = AddressField(
        label=gettext_lazy("API address"),
        initial="https://api.mailgun.net/v3/",
        help_text=gettext_lazy("Another region has another address."),
    )


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
    api_url = AddressField(label=gettext_lazy("API address"), initial="https://api.postmarkapp.com/")


class BrevoForm(KeyForm):
    api_url = AddressField(label=gettext_lazy("API address"), initial="https://api.brevo.com/v3/")


@dataclass(frozen=True)
class Service:
    """`options` are settings that go to the back end under the same name. `question` is a call that proves
    the key and sends nothing; `shows` is where its answer names the account. `nobody` recognises words that
    are about the recipient's address; `code` is where an answer has the service's own code.
    """

    key: str
    label: str
    backend: type
    form: type[EmailForm]
    accepts: int
    question: str
    sign_in: str
    shows: str
    nobody: re.Pattern[str]
    code: str = ""
    options: tuple[str, ...] = ()
    codes: dict[str, Meaning] = field(default_factory=dict)


SERVICES = (
    Service(
        key="sendgrid",
        label="SendGrid",
        backend=sendgrid.EmailBackend,
        form=SendGridForm,
        accepts=202,
        question="scopes",
        sign_in="Authorization: Bearer {secret}",
        shows="scopes.0",
        nobody=re.compile(r'"personalizations\.\d+\.to\.\d+\.email"'),
    ),
    Service(
        key="mailgun",
        label="Mailgun",
        backend=mailgun.EmailBackend,
        form=MailgunForm,
        accepts=200,
        question="../v4/domains/{sender_domain}",
        sign_in="Authorization: Basic {basic}",
        shows="domain.name",
        nobody=re.compile(r"'to' parameter is not a valid address|to parameter is not a valid"),
        options=("sender_domain",),
    ),
    Service(
        key="postmark",
        label="Postmark",
        backend=postmark.EmailBackend,
        form=PostmarkForm,
        accepts=200,
        question="server",
        sign_in="X-Postmark-Server-Token: {secret}",
        shows="Name",
        nobody=re.compile(r"(Invalid|Error parsing) 'To'"),
        code="ErrorCode",
        options=("message_stream",),
        codes={  # https://postmarkapp.com/developer/api/overview#error-codes
            "100": (Fact.LATER, None),  # maintenance
            "400": (Fact.MISCONFIGURED, None),  # the sender is not known
            "401": (Fact.MISCONFIGURED, None),  # the sender is not confirmed
            "405": (Fact.MISCONFIGURED, None),  # out of credits
            "412": (Fact.MISCONFIGURED, None),  # the account is not approved yet
            "413": (Fact.MISCONFIGURED, None),  # the account may not send
            "1235": (Fact.MISCONFIGURED, None),  # no such message stream
        },
    ),
    Service(
        key="brevo",
        label="Brevo",
        backend=brevo.EmailBackend,
        form=BrevoForm,
        accepts=201,
        question="account",
        sign_in="api-key: {secret}",
        shows="email",
        nobody=re.compile(r"email is not valid in to|valid email address in to"),
        code="code",
    ),
)
