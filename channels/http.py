"""Outbound HTTP, in one place: every request that Carillon makes to an address somebody entered.

What a name means is looked at when the connection is made: the resolved addresses are checked (see
`destinations.py`) and the connection goes to one of those, so a name that changes its answer gains nothing,
while Host and SNI still carry the name. There are limits for each phase and for the whole, no redirects, no
proxies from the environment, no cookies, and at most 64 kB of an answer are read, never unpacked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
from h11 import LocalProtocolError

from channels.client_certificate import Identity
from channels.destinations import PORTS, Address, check_url, is_ours, is_public
from channels.messages import Fact
from common.errors import Invalid
from common.wording import Worded
from common.wording import worded as _

CONNECT_SECONDS, WRITE_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 5.0, 10.0, 15.0
REFUSAL_SECONDS = 1.0
FAILURES = {"timeout", "broken", "tls", "name_unknown", "url_not_allowed", "bad_request"}  # of a Failure
MAX_ANSWER, MAX_ADDRESSES = 64 * 1024, 4
# What a server says that does not like our certificate, or wants one (RFC 8446, section 6.2). It reads no
# request then, however far we were.
NO_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
BAD_CERTIFICATE = ("BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED",
                   "CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED")  # fmt: skip


class Failure(Exception):
    """No answer that can be read. `fact` is UNREACHABLE (nothing was handed over), UNCERTAIN (it was) or
    MISCONFIGURED (it never will be); `code` is ours, such as `url_not_allowed`.
    """

    def __init__(self, fact: Fact, code: str, detail: str) -> None:
        super().__init__(detail)
        self.fact, self.code, self.detail = fact, code, detail


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """`headers` have names in lower case; of a repeated one the first counts. `body` is at most 64 kB; when
    it is not whole the rest was not read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True

    def json(self) -> Any:
        """Raises ValueError, also when it is cut off or nests too deeply."""
        if not self.is_whole:
            raise ValueError("the answer is cut off")
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("the answer nests too deeply") from error


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system finds them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore: resolves the name once, checks, and connects to what was checked."""

    def __init__(self, *, is_plain: bool) -> None:
        self.is_plain = is_plain
        self.inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await resolve(host, port)
        except (OSError, UnicodeError) as error:
            detail = _("The name %(host)s is not known.") % {"host": host}
            raise Failure(Fact.UNREACHABLE, "name_unknown", detail) from error
        allowed = [one for one in found if self._may_connect(ipaddress.ip_address(one), port)]
        if not allowed:
            raise Failure(Fact.MISCONFIGURED, "url_not_allowed", _("This address points inside our network."))
        last: Exception = OSError("no address")
        for address in allowed[:MAX_ADDRESSES]:
            try:
                return await self.inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    def _may_connect(self, address: Address, port: int) -> bool:
        """Plain HTTP and odd ports are for networks of ours only."""
        return is_ours(address) or (is_public(address) and port in PORTS and not self.is_plain)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Failure(Fact.MISCONFIGURED, "url_not_allowed", _("This address points inside our network."))

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)


class KnownNetwork(CheckedNetwork):
    """For servers that ask who connects: after the greeting a refusal is waited for, so that a request is
    handed over to nobody who did not take our certificate.
    """

    async def connect_tcp(self, *arguments: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return _Listening(await super().connect_tcp(*arguments, **more))


class _Listening(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self.inner = inner

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        began = time.monotonic()
        stream = await self.inner.start_tls(ssl_context, server_hostname, timeout)
        if stream.get_extra_info("ssl_object").version() != "TLSv1.3":
            return stream  # it was part of the greeting
        try:
            await _listen(stream, min(0.05 + 2 * (time.monotonic() - began), REFUSAL_SECONDS))
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self.inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


async def _listen(stream: httpcore.AsyncNetworkStream, seconds: float) -> None:
    """With TLS 1.3 a server that refuses our certificate says so only after the greeting."""
    with suppress(httpcore.ReadTimeout):
        if not await stream.read(1, seconds):
            raise httpcore.ConnectError(_("The other side hangs up after the greeting."))


@cache
def _tls(*, is_http2: bool = False) -> ssl.SSLContext:
    """One for each protocol: httpcore writes into it which of them the greeting offers."""
    return ssl.create_default_context()


# ---- the exchange -------------------------------------------------------------------------------
class Client:
    """Keeps connections alive between requests. Belongs to one event loop; close it there.

    With `is_http2` nothing but HTTP/2 is spoken, on plain connections too. `identity` is shown to servers
    that ask who connects.
    """

    def __init__(self, *, is_http2: bool = False, identity: Identity | None = None) -> None:
        self.pools: dict[str, httpcore.AsyncConnectionPool] = {}
        self.is_http2 = is_http2
        self.identity = identity

    async def close(self) -> None:
        while self.pools:
            _scheme, pool = self.pools.popitem()
            await pool.aclose()

    async def exchange(self, request: Request) -> Answer:
        """One request and its answer, whatever its status. Raises Failure."""
        exchange = _Exchange()
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._exchange(request, exchange)
        except TimeoutError as error:
            return exchange.broken(error, "timeout", _("No answer within 15 seconds."))
        except httpcore.TimeoutException as error:
            return exchange.broken(error, "timeout", _("The other side does not answer."))
        except (httpcore.LocalProtocolError, LocalProtocolError, UnicodeError) as error:
            raise Failure(Fact.MISCONFIGURED, "bad_request", said(str(error))) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            if (reason := _untrusted(error)) is not None:
                refused = _("TLS failed: %(error)s") % {"error": reason}
                raise Failure(Fact.MISCONFIGURED, "tls", refused) from error
            return exchange.broken(error, "broken", why(error))

    async def reach(self, url: str) -> str:
        """Connects, with TLS where the address says so, and sends nothing. Returns what was reached, such as
        `192.0.2.1, TLSv1.3`. Raises Failure.
        """
        parts = urlsplit(_allowed(url))
        host, is_plain = parts.hostname or "", parts.scheme == "http"
        port = parts.port or (80 if is_plain else 443)
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                stream = await KnownNetwork(is_plain=is_plain).connect_tcp(host, port, CONNECT_SECONDS)
                try:
                    reached = str((stream.get_extra_info("server_addr") or [host])[0])
                    if is_plain:
                        return reached
                    stream = await stream.start_tls(self._context(), host, CONNECT_SECONDS)
                    tls = stream.get_extra_info("ssl_object")
                    return f"{reached}, {tls.version() if tls else 'TLS'}"
                finally:
                    await stream.aclose()
        except (httpcore.TimeoutException, TimeoutError) as error:
            detail = _("The other side does not answer.")
            raise Failure(Fact.UNREACHABLE, "timeout", detail) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            if (reason := _untrusted(error)) is not None:
                refused = _("TLS failed: %(error)s") % {"error": reason}
                raise Failure(Fact.MISCONFIGURED, "tls", refused) from error
            raise Failure(Fact.UNREACHABLE, "broken", why(error)) from error

    def _context(self) -> ssl.SSLContext:
        return self.identity.context if self.identity else _tls(is_http2=self.is_http2)

    async def _exchange(self, request: Request, exchange: _Exchange) -> Answer:
        url = _allowed(request.url)
        headers = {"User-Agent": "Carillon", "Accept-Encoding": "identity", **request.headers}
        async with self._opened(request.method, url, headers, request.body, exchange) as response:
            exchange.status = response.status
            exchange.headers = _headers(response.headers)
            async for chunk in response.stream:  # type: ignore[union-attr]  # it is an asynchronous one
                exchange.body += chunk
                if len(exchange.body) > MAX_ANSWER:
                    return exchange.answer(is_whole=False)
        return exchange.answer(is_whole=True)

    @asynccontextmanager
    async def _opened(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, exchange: _Exchange
    ) -> AsyncIterator[httpcore.Response]:
        scheme = urlsplit(url).scheme
        pool = self.pools.get(scheme)
        if pool is None:
            network = KnownNetwork if self.identity else CheckedNetwork
            pool = self.pools[scheme] = httpcore.AsyncConnectionPool(
                ssl_context=self._context(),
                http1=not self.is_http2,
                http2=self.is_http2,
                max_connections=10,
                keepalive_expiry=5.0,
                network_backend=network(is_plain=scheme == "http"),
            )
        phases = {
            "connect": CONNECT_SECONDS,
            "write": WRITE_SECONDS,
            "read": READ_SECONDS,
            "pool": TOTAL_SECONDS,
        }
        encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        extensions = {"timeout": phases, "trace": exchange.follow}
        async with pool.stream(method, url, headers=encoded, content=body, extensions=extensions) as response:
            yield response


class _Exchange:
    """How far a request came, which decides what a broken line means."""

    def __init__(self) -> None:
        self.is_handed_over = False
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = b""

    async def follow(self, event: str, details: Mapping[str, Any]) -> None:
        if event in ("http11.send_request_body.started", "http2.send_request_body.started"):
            self.is_handed_over = True

    def answer(self, *, is_whole: bool) -> Answer:
        return Answer(self.status, self.headers, self.body[:MAX_ANSWER], is_whole)

    def broken(self, error: Exception, code: str, detail: str) -> Answer:
        """What came, once the status is known. Else raises Failure."""
        if self.status:
            return self.answer(is_whole=False)
        fact = Fact.UNCERTAIN if self.is_handed_over else Fact.UNREACHABLE
        raise Failure(fact, code, detail) from error


def _allowed(url: str) -> str:
    try:
        return check_url(url)
    except Invalid as error:
        raise Failure(Fact.MISCONFIGURED, error.code, error.detail) from error


def said(text: str) -> str:
    """The other side's words on one line, at most 500 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())[:500]


def why(error: BaseException) -> str:
    """In the words of the system where there are any, else in ours."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return _("Nothing listens there: the connection was refused.")
        if isinstance(cause, OSError) and cause.strerror:
            return said(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    told = error.args[0] if error.args else ""
    if isinstance(told, Worded):
        return told
    if isinstance(error, httpcore.ConnectError):
        return _("No connection can be made.")
    return said(str(error)) or _("The line broke.")


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _untrusted(error: BaseException) -> str | None:
    """Why a certificate was refused, theirs or ours, when that is what happened."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return said(cause.verify_message)
        if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
            return _("the other side does not speak TLS here")
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            _alert, _word, reason = str(cause.reason).partition("_ALERT_")
            if reason in NO_CERTIFICATE:
                return _("the other side breaks off the greeting; it may want a client certificate")
            if reason in BAD_CERTIFICATE:
                said_so = {"reason": reason.replace("_", " ").lower()}
                return _("the other side refuses our client certificate (%(reason)s)") % said_so
        cause = cause.__cause__ or cause.__context__
    return None
