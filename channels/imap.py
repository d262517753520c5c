"""Reads a folder of a mail server by IMAP (RFC 9051), over TLS that is verified.

The name is resolved once and the address checked when the connection is made, as in `http.py`. Time and size
are bounded: a server that never ends or announces gigabytes is given up.
"""

from __future__ import annotations

import imaplib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from channels.destinations import may_reach
from channels.http import said
from common.wording import worded as _

STEP_SECONDS, LONGEST_SECONDS = 30.0, 240.0
MOST_OCTETS = 10_000_000  # of one mail; what is longer is cut off
WINDOW = 10_000  # uids asked for at once, so that no answer is longer than imaplib reads


class Failure(Exception):
    """What went wrong, in words that may be shown."""


@dataclass(frozen=True)
class Login:
    """With a `token` there is no password: it gives an access token, a new one when it is told so."""

    host: str
    port: int
    username: str
    folder: str
    password: str = ""
    token: Callable[[bool], str] | None = None


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def opened(login: Login) -> Iterator[Folder]:
    """Signed in, with the folder selected. Raises Failure, also for what goes wrong inside."""
    try:
        line = _Line(login.host, login.port, _address(login))
        try:
            _sign_in(line, login)
            _asked(line.select(_quoted(login.folder)))
            yield Folder(line)
        finally:
            line.shutdown()
    except (imaplib.IMAP4.error, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        words = said(_words(error)) or type(error).__name__
        raise Failure(words.replace(login.password, "•••") if len(login.password) > 3 else words) from error


class Folder:
    def __init__(self, line: _Line) -> None:
        self.line = line
        self.validity = _number(line, "UIDVALIDITY")
        self.next_uid = _number(line, "UIDNEXT")

    def newer(self, after: int, most: int) -> list[int]:
        """The uids behind one, in their order."""
        found: list[int] = []
        while not found and after + 1 < self.next_uid:
            upto = after + WINDOW
            (octets, *_rest) = _asked(self.line.uid("SEARCH", f"UID {after + 1}:{upto}"))
            # A server may answer with more than it was asked for: the last mail, for one.
            found = [uid for uid in map(int, (octets or b"").split()) if after < uid <= upto]
            after = upto
        return sorted(found)[:most]

    def fetch(self, uid: int) -> bytes | None:
        """None for a mail that is gone meanwhile. It stays unread."""
        parts = _asked(self.line.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{MOST_OCTETS}>)"))
        return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), None)

    def mark_read(self, uid: int) -> None:
        _asked(self.line.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))


class _Line(imaplib.IMAP4_SSL):
    """Connects to the address that was checked, and reads no more and no longer than is bearable."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self.address = address
        self.until = time.monotonic() + LONGEST_SECONDS
        super().__init__(host, port, ssl_context=tls_context(), timeout=STEP_SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self.address, self.port), timeout)
        try:
            secured: socket.socket = tls_context().wrap_socket(plain, server_hostname=self.host)
            return secured
        except BaseException:
            plain.close()
            raise

    def read(self, size: int) -> bytes:
        if size > MOST_OCTETS:
            raise self.abort(_("The server announces more than it was asked for."))
        self._look_at_the_clock()
        return super().read(size)

    def readline(self) -> bytes:
        self._look_at_the_clock()
        return super().readline()

    def _look_at_the_clock(self) -> None:
        if time.monotonic() > self.until:
            raise self.abort(_("The other side does not come to an end."))


def _address(login: Login) -> str:
    found = socket.getaddrinfo(login.host, login.port, type=socket.SOCK_STREAM)
    allowed = [str(one[4][0]) for one in found if may_reach(ipaddress.ip_address(one[4][0]))]
    if not allowed:
        raise Failure(_("This address points inside our network."))
    return allowed[0]


def _sign_in(line: _Line, login: Login) -> None:
    if login.token is not None:
        _with_token(line, login.username, login.token)
    elif "AUTH=PLAIN" in line.capabilities:
        given = f"\0{login.username}\0{login.password}".encode()
        _asked(line.authenticate("PLAIN", lambda _challenge: given))
    else:
        _asked(line.login(_quoted(login.username), login.password))


def _with_token(line: _Line, username: str, token: Callable[[bool], str]) -> None:
    """XOAUTH2, as Google and Microsoft describe it. A token can end before its time: then once more."""
    if "AUTH=XOAUTH2" not in line.capabilities:
        raise Failure(_("The server does not offer to sign in by OAuth (XOAUTH2)."))
    try:
        _asked(line.authenticate("XOAUTH2", _xoauth2(username, token(False))))
    except line.abort:  # it is a kind of error, but the line is gone
        raise
    except line.error:
        _asked(line.authenticate("XOAUTH2", _xoauth2(username, token(True))))


def _xoauth2(username: str, token: str) -> Callable[[bytes], bytes]:
    """Answers the first challenge with the token, and what the server says against it with nothing."""
    said = iter([f"user={username}\x01auth=Bearer {token}\x01\x01".encode()])
    return lambda _challenge: next(said, b"")


def _asked(answer: tuple[str, Any]) -> list[Any]:
    status, parts = answer[0], list(answer[1])
    if status != "OK":
        raise imaplib.IMAP4.error(parts[0] if parts else status)
    return parts


def _number(line: _Line, name: str) -> int:
    _name, found = line.response(name)
    return int(found[-1])


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("TLS failed: %(error)s") % {"error": error.verify_message}
    if isinstance(error, TimeoutError):
        return _("The other side does not answer.")
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
