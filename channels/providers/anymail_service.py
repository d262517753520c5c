"""What a mail service's row in `anymail_table.py` may say, and the parts its forms share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels.messages import Outcome
from channels.providers.base import Part
from channels.providers.email_form import EmailForm
from channels.providers.over_http import AddressField, Meaning, SecretField
from common.wording import worded as _

LEAST = 16  # characters of a password for receipts


class RegionalField(AddressField):
    def __init__(self, initial: str) -> None:
        super().__init__(
            label=gettext_lazy("API address"),
            initial=initial,
            help_text=gettext_lazy("Another region has another address."),
        )


class PlainAddressField(AddressField):
    def __init__(self, initial: str) -> None:
        super().__init__(label=gettext_lazy("API address"), initial=initial)


class ProofField(SecretField):
    """By which receipts are known to be the service's."""

    def __init__(self, label: object) -> None:
        words = gettext_lazy(
            "Without it receipts are refused. Stored sealed and never shown. Leave it empty to keep the "
            "stored one."
        )
        super().__init__(label=label, help_text=words)


class PasswordField(ProofField):
    """A word of our own choice, for a service that signs nothing."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("Password for receipts"))

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if text and (len(text) < LEAST or not re.fullmatch(r"[A-Za-z0-9._~-]+", text)):
            detail = _("At least %(least)s characters: letters, digits and . _ ~ - only.") % {"least": LEAST}
            raise ValidationError(detail, code="weak")
        return text


RECEIPTS: tuple[Part, ...] = (
    Part(
        gettext_lazy("Receipts"),
        ("webhook_secret",),
        gettext_lazy("How the service proves that it is the one who tells of bounces and complaints."),
    ),
)


class KeyForm(EmailForm):
    """One key. Derived forms add `api_url`."""

    secret_fields: tuple[str, ...] = ("api_key", "webhook_secret")
    secret_goes_to = ("api_url",)
    parts = RECEIPTS

    api_key = SecretField(label=gettext_lazy("API key"))


@dataclass(frozen=True)
class Batch:
    """A call for many whole mails. `join` makes one body of many single ones (each as it would be sent
    alone); `split` takes an answer of status `accepts` apart, as bodies of single answers with their status.
    """

    path: str
    most: int
    accepts: int
    join: Callable[[list[Any]], Any]
    split: Callable[[Any], list[tuple[int, Any]]]


@dataclass(frozen=True)
class Search:
    """A call that lists what became of one person's latest mails. `path` may name the service's options,
    `query` the message's `key` and `recipient`; `read` finds the message with the key in the answer.
    """

    path: str
    query: dict[str, str]
    read: Callable[[Any, str], Outcome | None]


@dataclass(frozen=True)
class Service:
    """`options` are settings that go to the back end under the same name. `question` is a call that proves
    the key and sends nothing; `shows` is where its answer names the account. `nobody` recognises words that
    are about the recipient's address; `code` is where an answer has the service's own code. `faults` are
    reasons for which a service turns a recipient down, beside those anymail calls invalid or rejected.
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
    secret: str = "api_key"  # noqa: S105  as the back end calls it
    user: str = "api"  # of basic authentication: a word, or the option that holds it
    asks: Callable[[str], Any] | None = None  # the question's body, where it is a POST
    proven: str = ""  # the service's own code of a refused question that proves the key all the same
    reason: str = ""  # a pattern whose first group is why a recipient was turned down
    reasons: dict[str, Meaning] = field(default_factory=dict)
    later: frozenset[int] = frozenset()  # statuses that mean “not now” here
    dress: Callable[[Any, str], None] | None = None  # what else a mail needs; with the message's key
    batch: Batch | None = None
    search: Search | None = None
