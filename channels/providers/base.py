"""What every provider offers: a form for its settings, lanes that carry messages, and a rehearsal.

A provider states facts and decides nothing. `send` never raises: whatever goes wrong is an Outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django import forms

from channels.messages import Outcome, Rendered
from channels.models import ChannelConfiguration


class ProviderForm(forms.Form):
    """A provider's settings. Every field but the secret is stored as plain JSON under its own name."""

    secret_field = ""

    def plain_settings(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != self.secret_field}

    def secret(self) -> str:
        """What was entered; nothing means that the stored one stays."""
        return str(self.cleaned_data.get(self.secret_field, ""))


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


class Provider(Protocol):
    @property
    def key(self) -> str: ...

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
