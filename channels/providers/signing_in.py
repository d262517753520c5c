"""Lanes of vendors that want a short-lived token: asked for before the first message, kept until it ends.

Tokens are shared by the lanes of a process. One that the vendor refuses is forgotten, so that the next try
signs in anew. While nobody is signed in nothing was handed over, whatever went wrong.
"""

from __future__ import annotations

import hashlib
import time

from channels.http import Answer, Request
from channels.messages import Fact, Outcome, Rendered
from channels.providers.over_http import HttpLane, parsed, text_at

EARLY = 60.0  # seconds before its end a token is not used any more
SHORTEST = 30.0
_tokens: dict[str, tuple[str, float]] = {}


class SigningInLane(HttpLane):
    """Derived lanes bring `question` and set `identity`, which names whose token it is."""

    identity = ""
    token = ""

    def question(self) -> Request:
        raise NotImplementedError

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    async def send(self, message: Rendered) -> Outcome:
        if (trouble := await self.sign_in()) is not None:
            return trouble
        outcome = await super().send(message)
        self.forget(outcome)
        return outcome

    async def sign_in(self, *, is_anew: bool = False) -> Outcome | None:
        """None when there is a token; else what happened, as it stands for every message. `is_anew`: the one
        that is kept is not enough.
        """
        place = hashlib.sha256(self.identity.encode("utf-8", "replace")).hexdigest()
        token, ends_at = _tokens.get(place, ("", 0.0))
        if is_anew or not token or ends_at < time.monotonic():
            outcome = await self.exchange(self.question(), self._read_token)
            if outcome.fact is not Fact.ACCEPTED:
                return outcome
            token, ends_at = self.token, time.monotonic() + max(float(outcome.code) - EARLY, SHORTEST)
            _tokens[place] = (token, ends_at)
        self.token, self.hidden = token, (*self.hidden, token)
        return None

    def forget(self, outcome: Outcome) -> None:
        if outcome.fact is Fact.MISCONFIGURED:
            _tokens.pop(hashlib.sha256(self.identity.encode("utf-8", "replace")).hexdigest(), None)

    def _read_token(self, answer: Answer) -> Outcome:
        """The code of a good one is how many seconds it lasts (RFC 6749, section 5.1)."""
        body = parsed(answer)
        token, seconds = text_at(body, "access_token"), text_at(body, "expires_in")
        long_token = body.get("access_token") if isinstance(body, dict) else None
        if answer.status == 200 and token and seconds.isdigit():
            self.token = str(long_token)
            return Outcome(Fact.ACCEPTED, seconds[:9])
        words = text_at(body, "error_description") or text_at(body, "message") or self.words(answer)
        is_passing = answer.status in (408, 425, 429) or answer.status >= 500 or answer.status == 200
        fact = Fact.UNREACHABLE if is_passing else Fact.MISCONFIGURED
        return Outcome(fact, text_at(body, "error") or str(answer.status), words)
