"""Sends nothing, on any channel: answers by the recipient's address, and keeps a log.

`refuse+ana@…` is refused, `later+…` is put off until the third try, `drop+…` breaks the line after the body,
`delay+…` takes two seconds, `twice+…` is accepted and carried out twice, `gone+…` is an address that is no
more; anybody else is accepted. Numbers, LINE ids and tokens say the same by their last four digits: 0001
refuse, 0002 later, 0003 drop, 0004 delay, 0005 twice, 0006 gone. Every accepted message becomes one JSON
line in var/<mode>/sandbox.log.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy

from channels.kinds import KINDS
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step
from common.wording import worded as _

DELAY = 2.0  # seconds
LAST = {"0001": "refuse", "0002": "later", "0003": "drop", "0004": "delay", "0005": "twice", "0006": "gone"}


def manner_of(recipient: str) -> str:
    """What stands before the + of an email address or a receiver's name; of another, its last four digits."""
    before, plus, _rest = recipient.partition("@")[0].partition("+")
    if plus and before in LAST.values():
        return before
    return "" if "@" in recipient else LAST.get(recipient.rstrip('"}')[-4:], "")


class Sandbox:
    key = "sandbox"
    channels = tuple(KINDS)
    label = gettext_lazy("Sandbox")
    about = gettext_lazy("Sends nothing. For trying things out: the recipient’s address decides the answer.")
    Form = ProviderForm

    def open(self, configuration: ChannelConfiguration) -> SandboxLane:
        return SandboxLane(Path(settings.VAR))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        return [Step(_("Ask the sandbox"), True, _("The sandbox is ready. Nothing will be sent to anybody."))]


class SandboxLane:
    def __init__(self, directory: Path) -> None:
        self.log, self.tries = directory / "sandbox.log", directory / "sandbox-tries"

    async def send(self, message: Rendered) -> Outcome:
        try:
            return await self._answer(message)
        except OSError as error:
            return Outcome(Fact.UNREACHABLE, "", f"The log cannot be written: {error}"[:500])

    async def _answer(self, message: Rendered) -> Outcome:
        manner = manner_of(message.recipient)
        if manner == "refuse":
            return Outcome(Fact.REFUSED, "550 5.1.1", "The sandbox knows no such mailbox")
        if manner == "gone":
            return Outcome(Fact.REFUSED, "410", "The sandbox saw this address go", fault=Fault.ADDRESS)
        if manner == "drop":
            return Outcome(Fact.UNCERTAIN, "", "The sandbox broke the line after the message")
        if manner == "later" and self._count_try(message.key) < 3:
            return Outcome(Fact.LATER, "451 4.7.1", "The sandbox is busy; try again")
        if manner == "delay":
            await asyncio.sleep(DELAY)
        for _copy in range(2 if manner == "twice" else 1):
            self._append(message)
        return Outcome(
            Fact.ACCEPTED, "250 2.0.0", "Taken by the sandbox", provider_id=f"sandbox-{message.key}"
        )

    async def close(self) -> None:
        return None

    def _count_try(self, key: str) -> int:
        """Tries of one message over all processes: one byte each in a small file."""
        self.tries.mkdir(parents=True, exist_ok=True)
        path = self.tries / hashlib.sha256(key.encode()).hexdigest()[:32]
        with path.open("ab") as file:
            file.write(b".")
            file.flush()
            return file.tell()

    def _append(self, message: Rendered) -> None:
        entry = {
            "at": timezone.now().isoformat(),
            "key": message.key,
            "recipient": message.recipient,
            "sender": message.sender_email,
            "subject": message.subject,
            "headers": message.headers,
            "text": message.text,
            "html": message.html,
            **{name: value for name in ("url", "image", "extra") if (value := getattr(message, name))},
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:  # one write: lines of several workers never mix
            os.write(file, json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        finally:
            os.close(file)
