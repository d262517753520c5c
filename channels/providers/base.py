"""What every provider offers: a form for its settings, lanes that carry messages, and a rehearsal.

A provider states facts and decides nothing. `send` never raises: whatever goes wrong is an Outcome. Four
more things some offer, each a protocol of its own: a call for many messages (BatchLane), messages one behind
the other (StreamLane), receipts (ReceiptReader), and an answer to what became of a message (FindingLane).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from channels.messages import Arrival, Outcome, Receipt, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.sealing import unseal
from channels.signatures import Proof


@dataclass(frozen=True)
class Part:
    """Fields that most people need not look at: shown folded up, below the others. `when` names a setting
    and the value with which they are needed.
    """

    heading: object
    names: tuple[str, ...]
    about: object = ""
    when: tuple[str, str] = ("", "")


class ProviderForm(forms.Form):
    """A provider's settings. Every field but the secrets is stored as plain JSON under its own name.

    A provider with one secret names it in `secret_field`, which is sealed as it is. `secret_fields` are
    sealed as one JSON object (see `secrets_of`); one of them is required (`needed_secret`). One that is left
    empty keeps what is stored of it (see `configurations.py`).
    """

    secret_field = ""
    secret_fields: tuple[str, ...] = ()
    secret_goes_to: tuple[str, ...] = ()  # settings that say who gets to see it
    beside: tuple[str, ...] = ()  # fields that every provider of the channel has; shown by themselves
    parts: tuple[Part, ...] = ()
    last: tuple[str, ...] = ("api_url", "token_url")  # good as they are, for nearly everybody

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):  # Django's own words say back whatever was entered
                choices: Any = field.choices
                known = ", ".join(str(value) for value, _label in choices)
                field.error_messages["invalid_choice"] = _("Give one of: %(known)s.") % {"known": known}

    def _post_clean(self) -> None:
        """What is entered on one line may stand in a header, a command or a log: it stays on it."""
        for name, value in list(self.cleaned_data.items()):
            is_text = isinstance(value, str) and not isinstance(self.fields[name].widget, forms.Textarea)
            if is_text and (odd := next(filter(_breaks, value), "")):
                detail = _("Character U+%(code)s cannot be here. Delete it, or type the text again.")
                fault = detail % {"code": f"{ord(odd):04X}"}
                self.add_error(name, ValidationError(fault, code="control_character"))

    @classmethod
    def needed_secret(cls, settings: Mapping[str, Any]) -> str:
        """Which of several secrets has to be stored with these settings."""
        return next(iter(cls.secret_fields), "")

    def first_fields(self) -> list[forms.BoundField]:
        """What everybody fills in."""
        folded = {name for part in self._parts() for name in part.names}
        return [bound for bound in self if bound.name not in folded]

    def folded_parts(self) -> list[tuple[Part, list[forms.BoundField], bool]]:
        """Each with its fields, and whether it is open: it has a fault, it is needed, or something is set."""
        found = [(part, [self[name] for name in part.names]) for part in self._parts()]
        return [
            (part, bounds, any(bound.errors for bound in bounds) or self._is_set(part))
            for part, bounds in found
        ]

    def _parts(self) -> list[Part]:
        last = tuple(name for name in self.last if name in self.fields and self.fields[name].initial)
        given = [
            *self.parts,
            Part(_("Delivery and headers"), self.beside, _("Bounces, copies, headers, links and retries.")),
            Part(_("Address of the service"), last, _("Only for another region, or a gateway of your own.")),
        ]
        return [part for part in given if part.names]

    def _is_set(self, part: Part) -> bool:
        setting, value = part.when
        if setting:
            return bool(self[setting].value() == value)
        bounds = [self[name] for name in part.names]
        return any(bound.value() not in (None, "", False, bound.field.initial) for bound in bounds)

    def plain_settings(self) -> dict[str, Any]:
        hidden = {self.secret_field, *self.secret_fields}
        return {name: value for name, value in self.cleaned_data.items() if name not in hidden}

    def secret(self) -> str:
        """What was entered; nothing means that the stored one stays."""
        if not self.secret_fields:
            return str(self.cleaned_data.get(self.secret_field, ""))
        given = {name: self.cleaned_data.get(name, "") for name in self.secret_fields}
        return json.dumps(given) if any(given.values()) else ""

    def mailbox_secrets(self) -> dict[str, str]:
        """Of a mailbox beside the provider, by their fields; an empty one means that the stored one stays."""
        return {}


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def secrets_of(configuration: ChannelConfiguration) -> dict[str, str]:
    """The secrets that `secret_fields` name; none before they are entered. Raises SealBroken."""
    credential = configuration.credential
    stored = json.loads(unseal(credential.sealed, row=credential.pk)) if credential else {}
    return {name: str(value) for name, value in stored.items()}


@dataclass(frozen=True)
class Step:
    """One exchange of a rehearsal: what we did, and what the other side said."""

    name: str
    is_ok: bool
    said: str


class Lane(Protocol):
    """One connection. Not to be used by two tasks at once."""

    async def send(self, message: Rendered) -> Outcome: ...

    async def close(self) -> None: ...


@runtime_checkable
class BatchLane(Lane, Protocol):
    """A lane whose provider takes many messages in one call."""

    @property
    def batch_size(self) -> int:
        """The most messages one call may hold."""
        ...

    async def send_many(self, messages: Sequence[Rendered]) -> list[Outcome]:
        """One outcome for each message, in their order. Never raises."""
        ...


Take = Callable[[], Rendered | None]
Tell = Callable[[Rendered, Outcome], None]


@runtime_checkable
class StreamLane(Lane, Protocol):
    """A lane that prepares the next message while the one before it travels."""

    async def stream(self, take: Take, tell: Tell) -> None:
        """Asks `take` for one message after the other, at the moment each is needed, and tells the outcome of
        every message taken. Ends when `take` gives None, or after an outcome UNREACHABLE or MISCONFIGURED:
        those messages were not handed over. At most two messages are on their way at any time.
        """
        ...


@runtime_checkable
class FindingLane(Lane, Protocol):
    """A lane whose provider can be asked later what became of a message."""

    @property
    def can_find(self) -> bool: ...

    async def find(self, key: str, recipient: str) -> Outcome:
        """ACCEPTED with its number there or REFUSED; whatever else means that it does not know, or not now.
        `key` is that of Rendered. Never raises.
        """
        ...


@dataclass(frozen=True)
class Reading:
    """What stood in one request of a provider, and how it is known to be theirs. `confirm` is an address of
    theirs that has to be called once, before they send anything.
    """

    proof: Proof
    receipts: tuple[Receipt, ...] = ()
    replies: tuple[Reply, ...] = ()
    confirm: str = ""


@runtime_checkable
class ReceiptReader(Protocol):
    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        """Pure: nothing is stored. The credential is loaded.

        Raises NotGenuine when the signature is missing or wrong, Invalid `bad_receipt` when what is signed
        cannot be read, SealBroken when our secret cannot.
        """
        ...


@runtime_checkable
class ReceiptVerifier(Protocol):
    def verify(self, configuration: ChannelConfiguration, query: dict[str, str]) -> str:
        """What the provider wants to hear back when the address for receipts is entered at its own page.

        Raises NotGenuine.
        """
        ...


class Provider(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def channels(self) -> tuple[str, ...]:
        """The kinds of channel it carries, as in `kinds.KINDS`."""
        ...

    @property
    def label(self) -> object:
        """Its name, translated when it is printed."""

    @property
    def about(self) -> object: ...

    @property
    def Form(self) -> type[ProviderForm]: ...  # noqa: N802  it is a class

    def open(self, configuration: ChannelConfiguration) -> Lane:
        """Reads the database when the credential is not loaded yet: call it outside an event loop."""
        ...

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """The real dialogue, up to where a message would be handed over. The credential is loaded."""
        ...
