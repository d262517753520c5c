"""DKIM signatures, checked by an independent verifier (dkimpy with PyNaCl)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dkim as verifier
import pytest

from channels import dkim, domains, mime, records
from channels.messages import Fact, Rendered
from channels.models import ChannelConfiguration, SendingDomain
from channels.providers import registry
from tests import builders
from tests.builders import NOW
from tests.fakes.smtp import FakeSmtp

DOMAIN = "fernhill.example"
LETTER = Rendered(
    key="0.1.2",
    recipient="ana@example.com",
    sender_name="Fernhill 蕨丘",
    sender_email=f"hello@{DOMAIN}",
    reply_to="",
    subject="冬季新品 " * 30,
    html="<p>Hello\t  there  </p>\n\n\n" + "長" * 500 + "\n. \n.\n",
    text="Hello   \t \n\n \n",
    headers={
        "List-Unsubscribe": "<https://mail.example.com/u/" + "x" * 200 + ">",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
)


def signer(*algorithms: str) -> tuple[dkim.Signer, dict[bytes, bytes]]:
    keys, zone = [], {}
    for algorithm in algorithms:
        made = dkim.generate(algorithm)
        keys.append((f"c-{algorithm}", dkim.load(made.private)))
        name = f"c-{algorithm}._domainkey.{DOMAIN}.".encode()
        zone[name] = f"v=DKIM1; k={algorithm}; p={made.public}".encode()
    return dkim.Signer(DOMAIN, tuple(keys)), zone


def holds(message: bytes, zone: dict[bytes, bytes], at: int = 0) -> bool:
    checked = verifier.DKIM(message)
    try:
        return bool(checked.verify(idx=at, dnsfunc=lambda name, timeout=5: zone.get(bytes(name))))
    except verifier.DKIMException:
        return False


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": "", "html": ""},
        {"subject": "=?utf-8?b?SGk=?="},
        {"text": "\r\n\r\n \t\r\n", "html": "x"},
        {"headers": {}, "sender_name": '"Quoted\\" name', "reply_to": "answers@example.org"},
        {"html": "a" * 5000},
    ],
)
def test_both_signatures_hold_for_another_implementation(changes: dict[str, Any]) -> None:
    made, zone = signer("rsa", "ed25519")
    plain = mime.build(replace(LETTER, **changes), now=NOW)
    signed = made.sign(plain, now=NOW)
    assert signed.endswith(plain)
    assert signed.count(b"DKIM-Signature:") == 2
    assert holds(signed, zone, 0) and holds(signed, zone, 1)
    assert max(map(len, signed.partition(b"\r\n\r\n")[0].split(b"\r\n"))) < 998


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hallo"),
        (b"To: <ana@", b"To: <eve@"),
        (b"\r\nDate: ", b"\r\nSubject: Another\r\nDate: "),
        (b"\r\nDate: ", b"\r\nReply-To: <eve@example.net>\r\nDate: "),
        (b"From: ", b"From: <eve@example.net>\r\nFrom: "),
        (b"List-Unsubscribe: <https", b"List-Unsubscribe: <http"),
    ],
)
def test_a_change_on_the_way_breaks_them(old: bytes, new: bytes) -> None:
    made, zone = signer("rsa", "ed25519")
    signed = made.sign(mime.build(LETTER, now=NOW), now=NOW)
    changed = signed.replace(old, new, 1)
    assert changed != signed
    assert not holds(changed, zone, 0) and not holds(changed, zone, 1)


def test_the_examples_of_the_rfc_come_out_right() -> None:
    """RFC 6376 section 3.4.5."""
    assert dkim.relaxed_header(b"A: X") == b"a:X"
    assert dkim.relaxed_header(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert dkim.relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"
    assert dkim.relaxed_body(b"") == b""
    assert dkim.relaxed_body(b"\r\n\r\n") == b""


# ---- on the way out -------------------------------------------------------------------------------
def sent(configuration: ChannelConfiguration) -> bytes:
    import asyncio

    lane = registry.get("smtp").open(configuration)

    async def send() -> None:
        assert (await lane.send(LETTER)).fact == Fact.ACCEPTED
        await lane.close()

    with FakeSmtp() as server:
        lane.line = replace(lane.line, port=server.port)  # type: ignore[attr-defined]
        asyncio.run(send())
    return server.accepted[0].raw


@pytest.mark.django_db
def test_mail_over_smtp_is_signed_with_the_keys_that_dns_shows() -> None:
    configuration = builders.smtp(builders.workspace(), 1, sender_email=f"hello@{DOMAIN}")
    assert b"DKIM-Signature" not in sent(configuration)
    domain = domains.add(workspace=configuration.workspace, name=DOMAIN, actor=builders.SYSTEM, now=NOW)
    assert b"DKIM-Signature" not in sent(configuration)
    zone = {
        f"{record.name}.".encode(): record.value.encode()
        for record in records.expected(domain)
        if record.purpose.startswith("dkim")
    }
    good, missing = {"verdict": "good"}, {"verdict": "missing"}
    SendingDomain.objects.update(findings={"dkim_rsa": good, "dkim_ed25519": missing})
    raw = sent(configuration)
    assert raw.count(b"DKIM-Signature:") == 1
    assert holds(raw, zone)
    SendingDomain.objects.update(findings={"dkim_rsa": good, "dkim_ed25519": good})
    raw = sent(configuration)
    assert holds(raw, zone, 0) and holds(raw, zone, 1)
