"""The bytes of a message, read back by two parsers: nothing an author or a value holds becomes a header."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import mime
from channels.messages import Rendered

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADERS = {
    "List-Unsubscribe": "<https://t.example/u/" + "x" * 300 + ">",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
EXPECTED = {
    "from",
    "to",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
}


def rendered(**changes: object) -> Rendered:
    values: dict[str, object] = {
        "key": "12-345",
        "recipient": "ana@example.com",
        "sender_name": "Fernhill",
        "sender_email": "hello@fernhill.example",
        "reply_to": "help@fernhill.example",
        "subject": "Hello",
        "html": "<p>x</p>",
        "text": "x",
        "headers": HEADERS,
    }
    return Rendered(**{**values, **changes})  # type: ignore[arg-type]


def names(raw: bytes) -> list[set[str]]:
    """The header names as two parsers see them."""
    modern = email.message_from_bytes(raw, policy=policy.default)
    return [{name.lower() for name in parsed.keys()} for parsed in (email.message_from_bytes(raw), modern)]  # noqa: SIM118


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "中文主旨 " * 30,
        "a\r\nBcc: evil@x.tw",
        "a\nBcc: evil@x.tw",
        "a\rBcc: evil@x.tw",
        "\x00\x0b\x0c\x85\u2028x",
        "=?utf-8?q?=0d=0aBcc:_evil@x.tw?=",
        "=?utf-8?q?=0d=0a=0d=0a<script>?= x",
        "=?",
        "?=",
        "x" * 5000,
        "a " * 900,
        "=?utf-8?b?DQpCY2M6IGV2aWxAeC50dw==?= 中文",
        'Bank" <evil@x.tw>',
        "\\",
        "(comment)",
        "a;b,c:d@e",
    ],
)
@pytest.mark.parametrize("place", ["subject", "sender_name"])
def test_no_text_becomes_a_header_of_its_own(text: str, place: str) -> None:
    raw = mime.build(rendered(**{place: text}), now=NOW)
    head = raw.partition(b"\r\n\r\n")[0]
    assert names(raw) == [EXPECTED, EXPECTED]
    assert b"evil@x.tw" not in b"".join(
        line for line in head.split(b"\r\n") if line.lower().startswith(b"bcc")
    )
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    parsed = email.message_from_bytes(raw, policy=policy.default)
    assert parsed["To"].addresses[0].addr_spec == "ana@example.com"
    assert len(parsed["From"].addresses) == 1
    assert parsed["From"].addresses[0].addr_spec == "hello@fernhill.example"


@given(st.text(max_size=200))
def test_any_subject_is_read_back_as_it_was_written(text: str) -> None:
    raw = mime.build(rendered(subject=text), now=NOW)
    assert names(raw) == [EXPECTED, EXPECTED]
    wanted = mime.CONTROLS.sub(" ", text).strip()
    shown = str(make_header(decode_header(email.message_from_bytes(raw)["Subject"].replace("\r\n", ""))))
    assert shown.split() == wanted.split()


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_body_is_read_back_as_it_was_written(html: str, text: str) -> None:
    raw = mime.build(rendered(html=html, text=text), now=NOW)
    parts = list(email.message_from_bytes(raw).walk())[1:]
    bodies = [part.get_payload(decode=True).decode() for part in parts]  # type: ignore[union-attr]

    def lines(value: str) -> str:
        value = value.encode("utf-8", "replace").decode()
        return value.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")

    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [lines(body) for body in bodies] == [lines(text), lines(html)]
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 78 for line in raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))


def test_the_message_id_is_the_same_for_every_try() -> None:
    later = datetime(2026, 11, 24, tzinfo=UTC)
    ids = {email.message_from_bytes(mime.build(rendered(), now=now))["Message-ID"] for now in (NOW, later)}
    assert ids == {"<12-345@fernhill.example>"}
    assert mime.message_id(rendered(key="a b\r\n>")).count("@") == 1


def test_one_click_headers_pass_unchanged() -> None:
    parsed = email.message_from_bytes(mime.build(rendered(), now=NOW))
    assert {name: parsed[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient": "a@x.tw\r\nBcc: e@x.tw"},
        {"recipient": "a@x.tw, b@x.tw"},
        {"recipient": "a@x.tw> <b@x.tw"},
        {"sender_email": "a@x.tw\n"},
        {"sender_email": ""},
        {"reply_to": "a b@x.tw"},
        {"headers": {"Bcc": "e@x.tw"}},
        {"headers": {"Subject": "again"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {"X:Y": "a"}},
        {"headers": {"X\r\nBcc": "e@x.tw"}},
    ],
)
def test_what_cannot_stand_in_a_message_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        mime.build(rendered(**changes), now=NOW)
