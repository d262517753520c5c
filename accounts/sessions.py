"""Where a person is signed in: noted when a session begins and every few minutes it is used, so that one that
nobody uses ends by itself, and its owner can see the others and end them.

The notes lie in the session itself, which Django keeps signed; one from before there were notes has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts import audit
from accounts.models import User

NOTES = "place"
AGAIN = timedelta(minutes=5)  # how often a use is written down
BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class Place:
    begun_at: datetime | None
    seen_at: datetime | None
    network: str
    browser: str
    is_here: bool


def begin(session: SessionBase, *, network: str, agent: str, now: datetime) -> None:
    told = {"begun": now.isoformat(), "seen": now.isoformat()}
    session[NOTES] = {**told, "network": network, "browser": browser_of(agent)}


def goes_on(session: SessionBase, now: datetime) -> bool:
    """Whether it was used lately enough; that it is used now is noted."""
    if not (notes := session.get(NOTES)):
        return True
    unused = now - datetime.fromisoformat(notes["seen"])
    if unused > settings.SESSION_IDLE:
        return False
    if unused > AGAIN:
        session[NOTES] = {**notes, "seen": now.isoformat()}
    return True


def places(user: User, here: str | None, now: datetime) -> list[Place]:
    """The one that asks first, then by their last use."""
    found = [_place(session.get_decoded().get(NOTES, {}), session.pk == here) for session in _of(user, now)]
    return sorted(found, key=lambda one: (one.is_here, one.seen_at is not None, one.seen_at), reverse=True)


@transaction.atomic
def end_others(user: User, here: str | None, *, now: datetime) -> int:
    """How many were ended; who was signed in there is a stranger at the next request."""
    others = [session.pk for session in _of(user, now) if session.pk != here]
    Session.objects.filter(pk__in=others).delete()
    audit.record(
        actor=user, verb="sign out elsewhere", obj=user, workspace=None, now=now, sessions=len(others)
    )
    return len(others)


def _of(user: User, now: datetime) -> Iterator[Session]:
    """A session does not name its owner outside its signed part: all that are open are read. They are few."""
    for session in Session.objects.filter(expire_date__gt=now).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            yield session


def _place(notes: dict[str, str], is_here: bool) -> Place:
    begun, seen = (
        datetime.fromisoformat(notes[name]) if name in notes else None for name in ("begun", "seen")
    )
    return Place(begun, seen, notes.get("network", ""), notes.get("browser", ""), is_here)


def browser_of(agent: str) -> str:
    """“Firefox, Windows” of a browser's own long name; as much of it as is known."""
    named = (
        next((name for mark, name in known.items() if mark in agent), "") for known in (BROWSERS, SYSTEMS)
    )
    return ", ".join(filter(None, named))
