"""The calendar for other programs, as RFC 5545 describes: under an address of one person's own.

The address names the person and the workspace, and is signed. What it gives is asked of the gate each time,
so a right taken away is gone at the next look. Another password makes another address.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.access import may
from accounts.models import User, Workspace
from campaigns import access, calendar
from common import tokens
from common.errors import NotFound

PURPOSE, NAMED = "calendar", struct.Struct(">QQ")
BACK, AHEAD = timedelta(days=31), timedelta(days=184)
LONGEST = 75  # octets in a line


def address(user: User, workspace: Workspace) -> str:
    payload = NAMED.pack(user.pk, workspace.pk) + _password_of(user)
    token = tokens.sign(PURPOSE, payload)
    return str(settings.PUBLIC_URL) + reverse("tracking:calendar_feed", args=[token])


def _password_of(user: User) -> bytes:
    return user.get_session_auth_hash()[:16].encode()


def content(token: str, *, now: datetime) -> str:
    """Raises NotFound for an address that is not ours, or whose person may see nothing here any more."""
    payload = tokens.read(PURPOSE, token) or b""
    if len(payload) == NAMED.size + 16:
        user_pk, workspace_pk = NAMED.unpack_from(payload)
        user = User.objects.filter(pk=user_pk, is_active=True).first()
        workspace = Workspace.objects.filter(pk=workspace_pk).first()
        is_theirs = user is not None and payload[NAMED.size :] == _password_of(user)
        if user and workspace and is_theirs and may(user, access.VIEW, workspace):
            found = calendar.slots(user, workspace, now - BACK, now + AHEAD, past=True)
            return _written(workspace, found, now)
    raise NotFound(_("There is no such calendar."))


def _written(workspace: Workspace, slots: Iterable[calendar.Slot], now: datetime) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Carillon//Campaigns//EN"]
    lines += [f"X-WR-CALNAME:{_text(f'Carillon · {workspace.name}')}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H"]
    for slot in sorted(slots, key=lambda one: one.at):
        name = f"run-{slot.run.pk}" if slot.run else f"campaign-{slot.campaign.pk}-{int(slot.at.timestamp())}"
        page = reverse("campaigns:detail", args=[slot.campaign.pk])
        lines += [
            "BEGIN:VEVENT",
            f"UID:{name}@{settings.PUBLIC_URL.partition('://')[2]}",
            f"DTSTAMP:{_at(now)}",
            f"DTSTART:{_at(slot.at)}",
            f"SUMMARY:{_text(slot.campaign.name)}",
            f"DESCRIPTION:{_text(str(slot.campaign.get_status_display()))}",
            f"STATUS:{'CONFIRMED' if slot.run else 'TENTATIVE'}",
            f"URL:{settings.PUBLIC_URL}{page}",
            "END:VEVENT",
        ]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(words: str) -> str:
    for mark in ("\\", ";", ","):
        words = words.replace(mark, f"\\{mark}")
    return words.replace("\r", "").replace("\n", "\\n")


def _folded(line: str) -> str:
    """No line is longer than 75 octets, and no character is cut in two."""
    pieces, piece, size = [], "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > LONGEST:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + character, size + octets
    return "\r\n".join([*pieces, piece])
