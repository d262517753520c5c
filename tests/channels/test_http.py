"""Outbound HTTP against real servers that misbehave, and against names that change their meaning."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from channels import http
from channels.destinations import check_url, is_public
from channels.http import Answer, Client, Failure, Request
from channels.messages import Fact
from tests.fakes.certificates import make_certificate
from tests.fakes.http import FakeHttp, Received, Response

pytestmark = pytest.mark.usefixtures("loopback_is_ours")


def ask(*requests: Request) -> list[Answer | Failure]:
    async def run() -> list[Answer | Failure]:
        client, found = Client(), list[Answer | Failure]()
        try:
            for request in requests:
                try:
                    found.append(await client.exchange(request))
                except Failure as failure:
                    found.append(failure)
        finally:
            await client.close()
        return found

    return asyncio.run(run())


def ask_one(url: str, **changes: Any) -> Answer | Failure:
    return ask(Request("POST", url, body=b"{}", **changes))[0]


def failed(found: Answer | Failure) -> tuple[Fact, str]:
    assert isinstance(found, Failure), found
    assert found.detail
    return found.fact, found.code


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.4)
    monkeypatch.setattr(http, "TOTAL_SECONDS", 1.0)


def test_a_request_arrives_whole_and_the_answer_comes_back() -> None:
    with FakeHttp() as server:
        headers = {"X-Ours": "1", "Content-Type": "application/json"}
        found = ask(Request("POST", f"{server.url}/a?b=c", headers, b'{"text": 1}'))[0]
    assert isinstance(found, Answer)
    assert (found.status, found.json(), found.is_whole) == (200, {"ok": True}, True)
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", "/a", {"b": "c"})
    assert (request.headers["x-ours"], request.json) == ("1", {"text": 1})
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers


def test_many_requests_share_one_connection() -> None:
    with FakeHttp() as server:
        ask(*[Request("GET", server.url)] * 10)
    assert (len(server.requests), server.connections) == (10, 1)


# ---- servers that misbehave ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("manner", "fact", "code"),
    [
        ("drop", Fact.UNCERTAIN, "broken"),
        ("silent", Fact.UNCERTAIN, "timeout"),
        ("slow_headers", Fact.UNCERTAIN, "timeout"),
        ("many_headers", Fact.UNCERTAIN, "broken"),
        ("long_line", Fact.UNCERTAIN, "broken"),
        ("many_interim", Fact.UNCERTAIN, "timeout"),
        ("garbage", Fact.UNCERTAIN, "broken"),
    ],
)
def test_a_server_without_a_readable_answer_is_uncertain_and_soon_given_up(
    manner: str, fact: Fact, code: str, quick: None
) -> None:
    started = time.monotonic()
    with FakeHttp(manner) as server:
        found = ask_one(server.url)
    assert failed(found) == (fact, code)
    assert len(server.requests) == 1
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("manner", ["endless", "drip", "truncated", "gzip_bomb", "deep"])
def test_what_is_read_of_an_answer_is_bounded_in_size_and_time(manner: str, quick: None) -> None:
    with FakeHttp(manner) as server:
        started = time.monotonic()
        found = ask_one(server.url)
        took = time.monotonic() - started
    assert isinstance(found, Answer)
    assert found.status in (200, 201)
    assert len(found.body) <= http.MAX_ANSWER
    with pytest.raises(ValueError, match=r"answer|JSON|codec|utf"):
        found.json()
    assert took < 4


def test_a_redirect_is_an_answer_and_nobody_follows_it() -> None:
    with FakeHttp("redirect") as server:
        found = ask_one(server.url)
    assert isinstance(found, Answer)
    assert found.status == 302
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_took_nothing() -> None:
    with FakeHttp() as server:
        url = server.url
    assert failed(ask_one(url)) == (Fact.UNREACHABLE, "broken")


def test_a_name_that_nobody_knows_took_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failed(ask_one("https://nowhere.example/")) == (Fact.UNREACHABLE, "name_unknown")


def test_a_header_that_breaks_the_line_is_never_sent() -> None:
    with FakeHttp() as server:
        for value in ("a\r\nX-B: c", "蕨", "a\x00b"):
            assert failed(ask_one(server.url, headers={"X-A": value})) == (Fact.MISCONFIGURED, "bad_request")
    assert server.requests == []


# ---- names and addresses ------------------------------------------------------------------------
class Resolver:
    """Answers each question with the next of its answers, and then with the last."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def __call__(self, host: str, port: int, *arguments: object, **more: object) -> list[Any]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found
        ]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(*answers: list[str]) -> Resolver:
        made = Resolver(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", made)
        return made

    return use


def test_a_name_that_changes_its_answer_is_asked_once_and_pinned(resolver: Any) -> None:
    names = resolver(["127.0.0.1"], ["127.0.0.2"])
    with FakeHttp() as server:
        first, second = ask(*[Request("GET", f"http://rebind.example:{server.port}/")] * 2)
        third = ask_one(f"http://rebind.example:{server.port}/")
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)  # over the kept connection
    assert failed(third) == (Fact.MISCONFIGURED, "url_not_allowed")
    assert names.asked == ["rebind.example", "rebind.example"]
    assert {one.headers["host"] for one in server.requests} == {f"rebind.example:{server.port}"}
    assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.2", "64:ff9b::a9fe:a9fe",
        "2002:7f00:2::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.2", "fec0::1", "192.0.0.192",
        "192.88.99.1", "224.0.0.1", "fe80::1%1", "fd00:ec2::254", "0.0.0.0", "100.100.100.200",
    ],
)  # fmt: skip
def test_a_public_name_for_an_address_inside_is_refused_when_connecting(resolver: Any, inside: str) -> None:
    resolver([inside])
    assert failed(ask_one("https://harmless.example/")) == (Fact.MISCONFIGURED, "url_not_allowed")


@pytest.mark.parametrize("host", ["2130706434", "0x7f000002", "127.2", "0177.0.0.2"])
def test_an_address_in_disguise_is_seen_through_when_connecting(host: str) -> None:
    """The system's own resolver reads these as 127.0.0.2."""
    assert failed(ask_one(f"https://{host}/")) == (Fact.MISCONFIGURED, "url_not_allowed")


def test_of_mixed_answers_only_what_may_be_reached_is_connected_to(resolver: Any) -> None:
    resolver(["10.0.0.1", "127.0.0.2", "127.0.0.1"])
    with FakeHttp() as server:
        found = ask_one(f"http://mixed.example:{server.port}/")
    assert isinstance(found, Answer)
    assert len(server.requests) == 1


def test_plain_http_and_odd_ports_are_for_our_own_networks_only(resolver: Any) -> None:
    resolver(["8.8.8.8"])
    for url in ("http://x.example/", "http://x.example:443/", "https://x.example:6379/"):
        assert failed(ask_one(url)) == (Fact.MISCONFIGURED, "url_not_allowed")


def test_without_the_setting_nothing_inside_can_be_written_or_reached(settings: Any, resolver: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    resolver(["127.0.0.1"])
    with FakeHttp() as server:
        assert failed(ask_one(server.url)) == (Fact.MISCONFIGURED, "url_not_allowed")
        assert failed(ask_one("https://inside.example/")) == (Fact.MISCONFIGURED, "url_not_allowed")
    assert server.connections == 0


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True),
        ("203.0.114.1", True), ("172.32.0.1", True), ("::ffff:10.0.0.1", False), ("192.0.2.1", False),
        ("2002:808:808::", False), ("4000::1", False), ("5f00::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_on_the_open_internet(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://Example.COM", "https://example.com/"),
        ("https://example.com:8443/a b".replace(" ", "%20"), "https://example.com:8443/a%20b"),
        ("https://例子.tw/路?q=蕨#top", "https://xn--fsqu00a.tw/%E8%B7%AF?q=%E8%95%A8"),
        ("https://example.com./x", "https://example.com/x"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_an_address_has_one_form(given: str, normal: str) -> None:
    assert check_url(given) == normal
    assert check_url(normal) == normal


# ---- TLS ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "bell.pem", "bell.example")


@pytest.fixture
def secure(certificate: Path) -> Iterator[FakeHttp]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeHttp(tls=context) as server:
        yield server


def test_a_pinned_connection_keeps_the_name_in_tls_and_in_host(
    secure: FakeHttp, certificate: Path, resolver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_tls", lambda **_kinds: trusting)
    resolver(["127.0.0.1"])
    found = ask_one(f"https://bell.example:{secure.port}/x")
    assert isinstance(found, Answer)
    assert secure.named == ["bell.example"]
    assert secure.requests[0].headers["host"] == f"bell.example:{secure.port}"
    other = ask_one(f"https://other.example:{secure.port}/x")
    assert failed(other) == (Fact.MISCONFIGURED, "tls")


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: FakeHttp, resolver: Any) -> None:
    resolver(["127.0.0.1"])
    found = ask_one(f"https://bell.example:{secure.port}/x")
    assert failed(found) == (Fact.MISCONFIGURED, "tls")
    assert "self-signed" in str(found).replace("self signed", "self-signed")
    assert secure.requests == []


def test_a_server_without_tls_gets_nothing_in_the_clear(resolver: Any) -> None:
    resolver(["127.0.0.1"])
    with FakeHttp() as server:
        assert failed(ask_one(f"https://bell.example:{server.port}/")) == (Fact.MISCONFIGURED, "tls")
    assert server.requests == []


def run(work: Coroutine[Any, Any, str]) -> str:
    return asyncio.run(work)


def test_reaching_connects_and_sends_nothing(
    secure: FakeHttp, certificate: Path, resolver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_tls", lambda **_kinds: trusting)
    resolver(["127.0.0.1"])
    assert run(Client().reach(f"https://bell.example:{secure.port}/")) == "127.0.0.1, TLSv1.3"
    with pytest.raises(Failure) as refused:
        run(Client().reach(f"https://other.example:{secure.port}/"))
    assert (refused.value.fact, refused.value.code) == (Fact.MISCONFIGURED, "tls")
    assert secure.requests == []


class Crowd(FakeHttp):
    def answer(self, request: Received) -> Response:
        return Response(200, {"n": request.query["n"]})


def test_requests_at_the_same_time_get_their_own_answers() -> None:
    async def crowd(url: str) -> list[Any]:
        client = Client()
        try:
            asked = [client.exchange(Request("GET", f"{url}/?n={n}")) for n in range(40)]
            return [answer.json()["n"] for answer in await asyncio.gather(*asked)]
        finally:
            await client.close()

    with Crowd() as server:
        assert asyncio.run(crowd(server.url)) == [str(n) for n in range(40)]
    assert server.connections <= 10
