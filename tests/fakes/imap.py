"""A mailbox on a real socket that speaks as much IMAP as reading it takes, over TLS.

At FETCH `manner` makes it misbehave: `huge` announces a gigabyte, `mute` says nothing, `hangup` ends the
line. With `tokens` it takes no passwords: `FakeTokens` gives out what it takes.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.fakes.http import FakeHttp, Received, Response


@dataclass
class FakeImap:
    certificate: Path
    password: str = "open sesame"
    mails: dict[int, bytes] = field(default_factory=dict)
    validity: int = 7
    manner: str = ""
    seen: set[int] = field(default_factory=set)
    fetched: list[int] = field(default_factory=list)
    sign_ins: int = 0
    tokens: set[str] | None = None
    username: str = "bounces"
    refused: list[bytes] = field(default_factory=list)  # what was said at an attempt that failed

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def put(self, octets: bytes) -> None:
        self.mails[max(self.mails, default=0) + 1] = octets

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        server = await asyncio.start_server(self._session, "127.0.0.1", 0, ssl=context)
        self.port: int = server.sockets[0].getsockname()[1]
        started.set()
        await self._end.wait()
        server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        try:
            while line := (await reader.readline()).decode().strip():
                tag, _space, command = line.partition(" ")
                if command == "AUTHENTICATE XOAUTH2":
                    await self._take_token(tag, reader, writer)
                    continue
                if command.startswith("AUTHENTICATE"):
                    writer.write(b"+ \r\n")
                    given = base64.b64decode(await reader.readline()).decode().split("\0")
                    is_right = given[2] == self.password
                    self.sign_ins += is_right
                    writer.write(f"{tag} {'OK in' if is_right else 'NO wrong ' + given[2]}\r\n".encode())
                    continue
                told = self._answer(command)
                if told is None:
                    writer.close()
                    return
                writer.write(told + f"{tag} OK done\r\n".encode() if told != b"mute" else b"")
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _take_token(self, tag: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Google's and Microsoft's SASL XOAUTH2, to the letter; the fault is told before the refusal."""
        writer.write(b"+ \r\n")
        given = base64.b64decode(await reader.readline(), validate=False)
        known = self.tokens or set()
        if given in {f"user={self.username}\x01auth=Bearer {one}\x01\x01".encode() for one in known}:
            self.sign_ins += 1
            writer.write(f"{tag} OK in\r\n".encode())
            return
        self.refused.append(given)
        fault = b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}'
        writer.write(b"+ " + base64.b64encode(fault) + b"\r\n")
        nothing = await reader.readline()
        verdict = "NO AUTHENTICATE failed." if nothing == b"\r\n" else "BAD send an empty line"
        writer.write(f"{tag} {verdict}\r\n".encode())

    def _answer(self, command: str) -> bytes | None:
        if command == "CAPABILITY":
            offered = b"PLAIN" if self.tokens is None else b"XOAUTH2"
            return b"* CAPABILITY IMAP4rev1 AUTH=" + offered + b"\r\n"
        if command.startswith("SELECT"):
            following = max(self.mails, default=0) + 1
            head = f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] x\r\n"
            return f"{head}* OK [UIDNEXT {following}] x\r\n".encode()
        if found := re.match(r"UID SEARCH UID (\d+):(\d+)", command):
            first, last = map(int, found.groups())
            # The last mail belongs to every open range, so it is named whatever was asked for.
            uids = [uid for uid in sorted(self.mails) if first <= uid <= last or uid == max(self.mails)]
            return f"* SEARCH {' '.join(map(str, uids))}\r\n".encode()
        if found := re.match(r"UID FETCH (\d+)", command):
            return self._fetch(int(found.group(1)))
        if found := re.match(r"UID STORE (\d+) \+FLAGS.SILENT \(\\Seen\)", command):
            self.seen.add(int(found.group(1)))
        return b""

    def _fetch(self, uid: int) -> bytes | None:
        self.fetched.append(uid)
        if self.manner == "huge":
            return b"* 1 FETCH (UID 1 BODY[]<0> {1000000000}\r\n"
        if self.manner == "mute":
            return b"mute"
        if self.manner == "hangup":
            return None
        mail = self.mails[uid]
        return b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%b)\r\n" % (uid, len(mail), mail)


class FakeTokens(FakeHttp):
    """The token endpoint of Microsoft or Google, for one client; a token is taken until it is let expire."""

    client = ("fernhill-app", "client secret")

    def __init__(self, mailbox: FakeImap, refresh_token: str = "refresh 1", *, renews: bool = False) -> None:
        super().__init__()
        self.mailbox, self.refresh_token, self.renews, self.given = mailbox, refresh_token, renews, 0
        mailbox.tokens = set()

    def let_expire(self) -> None:
        """Before their time, as after a change of the password."""
        self.mailbox.tokens = set()

    def answer(self, request: Received) -> Response:
        form = request.form
        if (form["client_id"], form["client_secret"]) != self.client:
            return Response(
                401, {"error": "invalid_client", "error_description": "Wrong " + form["client_secret"]}
            )
        is_refresh = form["grant_type"] == "refresh_token"
        if is_refresh and form["refresh_token"] != self.refresh_token:
            return Response(400, {"error": "invalid_grant", "error_description": "It was revoked."})
        if not is_refresh and form["grant_type"] != "client_credentials":
            return Response(400, {"error": "unsupported_grant_type"})
        self.given += 1
        token = f"access-{self.given}"
        assert self.mailbox.tokens is not None
        self.mailbox.tokens.add(token)
        told = {"access_token": token, "token_type": "Bearer", "expires_in": 3599}
        if is_refresh and self.renews:
            self.refresh_token = f"refresh {self.given + 1}"
            told["refresh_token"] = self.refresh_token
        return Response(200, told)
