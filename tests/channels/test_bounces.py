"""Mail that comes back: told apart, tied to its message by a token of ours only, and classified."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import bounces, verp
from channels.bounce_rules import kind_of
from channels.bounces import Returned
from channels.messages import Fault, Happened
from tests.builders import NOW

KEY = "12.1.345"
HERE = verp.address("bounces@fernhill.example", verp.BOUNCE, KEY)
SIGNED = verp.token(verp.BOUNCE, KEY)
OURS = f"From: <hello@fernhill.example>\nTo: <ana@example.com>\nX-Carillon-Message: {SIGNED}\n"


def report(status: str, action: str, words: str, *, to: str = HERE, headers: str = OURS) -> bytes:
    """A delivery report as RFC 3464 has it."""
    return (
        f"From: MAILER-DAEMON@mx.example\nTo: {to}\nSubject: Undelivered Mail\nMessage-ID: <r1@mx.example>\n"
        "Date: Mon, 23 Nov 2026 12:00:00 +0000\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is the mail system at mx.example.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; ana@example.com\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; {words}\n\n--b\nContent-Type: text/rfc822-headers\n\n{headers}\n--b--\n"
    ).encode()


def complaint(kind: str = "abuse", headers: str = OURS) -> bytes:
    """A feedback report (RFC 5965), to an address that names nothing."""
    return (
        "From: fbl@mailbox.example\nTo: abuse@fernhill.example\nSubject: FW: News\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an email abuse report.\n"
        f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: Loop/1.0\n"
        f"Version: 1\n\n--b\nContent-Type: message/rfc822\n\n{headers}\nNews\n--b--\n"
    ).encode()


def plain(subject: str, text: str, to: str = HERE, **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "someone@example.com", to, subject
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


def read(octets: bytes, recipient: str = "") -> Returned | None:
    return bounces.read(octets, recipient=recipient, now=NOW)


@pytest.mark.parametrize(
    ("status", "action", "words", "happened", "fault", "number"),
    [
        ("5.1.1", "failed", "550 5.1.1 User unknown", Happened.FAILED, Fault.ADDRESS, 10),
        ("5.2.1", "failed", "550 5.2.1 Mailbox disabled", Happened.FAILED, Fault.ADDRESS, 15),
        ("5.2.2", "failed", "552 5.2.2 Mailbox full", Happened.FAILED, Fault.MAILBOX, 22),
        ("4.2.2", "failed", "452 4.2.2 Over quota", Happened.FAILED, Fault.MAILBOX, 22),
        ("5.4.4", "failed", "Host or domain name not found", Happened.FAILED, Fault.MAILBOX, 21),
        ("5.0.0", "failed", "550 Relaying denied", Happened.FAILED, Fault.MAILBOX, 54),
        ("5.7.26", "failed", "550 5.7.26 Unauthenticated, DMARC", Happened.FAILED, None, 50),
        ("5.7.1", "failed", "550 5.7.1 Blocked by policy; user unknown", Happened.FAILED, None, 50),
        ("5.7.1", "failed", "554 listed in Spamhaus", Happened.FAILED, None, 51),
        ("5.7.1", "failed", "Relay access denied", Happened.FAILED, None, 54),
        ("5.0.0", "failed", "550 no such user", Happened.FAILED, Fault.ADDRESS, 10),
        ("4.2.2", "delayed", "452 4.2.2 Over quota", Happened.DELAYED, None, 22),
        ("4.4.7", "failed", "Message expired", Happened.FAILED, None, 24),
        ("2.0.0", "delivered", "250 Ok", Happened.DELIVERED, None, None),
    ],
)
def test_a_delivery_report_is_read_and_only_what_is_the_addresses_fault_is_held_against_it(
    status: str, action: str, words: str, happened: Happened, fault: Fault | None, number: int | None
) -> None:
    found = read(report(status, action, words))
    assert found is not None
    assert (found.receipt.happened, found.receipt.key, found.receipt.fault) == (happened, KEY, fault)
    assert (found.kind.number if found.kind else None) == number
    assert found.receipt.code == status
    again = read(report(status, action, words))
    assert again is not None
    assert again.receipt.event_id == found.receipt.event_id


@pytest.mark.parametrize(
    "where",
    [
        report("5.1.1", "failed", "User unknown", to="someone@else.example"),
        report("5.1.1", "failed", "User unknown", headers="Subject: x\n"),
        report(
            "5.1.1", "failed", "User unknown", to="a@b.example", headers=f"Return-Path: <{HERE.upper()}>\n"
        ),
    ],
)
def test_the_message_is_named_by_the_address_or_by_what_is_returned(where: bytes) -> None:
    found = read(where)
    assert found is not None
    assert found.receipt.key == KEY


def test_what_nobody_signed_changes_nothing() -> None:
    forged = OURS.replace(verp.token(verp.BOUNCE, KEY), "a" * 40)
    made_up = f"bounces+{'a' * 40}@fernhill.example"
    assert read(report("5.1.1", "failed", "User unknown", to=made_up, headers=forged)) is None
    by_message_id = f"Message-ID: <{KEY}@fernhill.example>\n"
    assert read(report("5.1.1", "failed", "x", to="a@b.example", headers=by_message_id)) is None


def test_complaints_count_and_other_feedback_does_not() -> None:
    found = read(complaint())
    assert found is not None
    assert (found.receipt.happened, found.receipt.key) == (Happened.COMPLAINED, KEY)
    assert read(complaint("not-spam")) is None


def test_mail_to_the_leaving_address_unsubscribes_whatever_it_says() -> None:
    leave = verp.address("bounces@fernhill.example", verp.LEAVE, KEY)
    found = read(plain("unsubscribe", "", to="undisclosed@x.tw"), recipient=leave)
    assert found is not None
    assert (found.receipt.happened, found.receipt.key) == (Happened.UNSUBSCRIBED, KEY)


@pytest.mark.parametrize(
    "octets",
    [
        plain("Out of office: News", "I am away. The user unknown to you will call."),
        plain("自動回覆：休假", "我在休假。"),
        plain("Re: News", "Away", Auto_Submitted="auto-replied"),
        plain("Re: News", "I like your shop."),
        plain("Verify: News", "Reply to this challenge and you are on my whitelist.", Return_Path="<>"),
        plain("[Challenge] Please confirm your mail", "Click to prove that you are no machine."),
        plain("News", "I am gone until Monday.", Auto_Submitted="auto-replied", Return_Path="<>"),
    ],
)
def test_automatic_replies_and_letters_mean_nothing(octets: bytes) -> None:
    assert read(octets) is None


QMAIL = (
    "Hi. This is the qmail-send program at mx.example.\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    "<ana@example.com>:\n192.0.2.1 does not like recipient.\n"
    "Remote host said: 550 No such user here\nGiving up on 192.0.2.1.\n"
)
EXIM = (
    "This message was created automatically by mail delivery software.\n\n"
    "A message that you sent could not be delivered to one or more of its recipients. This is a permanent "
    "error.\nThe following address(es) failed:\n\n  ana@example.com\n"
    "    host mx.example [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:\n"
    "    550 5.1.1 User unknown\n"
)
EXIM_WARNS = (
    "This message was created automatically by mail delivery software.\nA message that you sent has not yet "
    "been delivered to one or more of its recipients after more than 24 hours on the queue.\n\n"
    "  ana@example.com\n    Delay reason: mailbox is full\n\nNo action is required on your part. Delivery "
    "attempts will continue for some time.\n"
)
POSTFIX = (
    "This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could "
    "not\nbe delivered to one or more recipients. It's attached below.\n\n"
    "<ana@example.com>: host mx.example[192.0.2.1] said: 552 5.2.2 Mailbox full (in reply\n    to RCPT TO)\n"
)
EXCHANGE = (
    "Your message\n\n  To:      Ana\n  Subject: News\n\ndid not reach the following recipient(s):\n\n"
    "ana@example.com on Mon, 23 Nov 2026 12:00:00 +0000\n    The recipient name is not recognized\n"
    "\tThe MTS-ID of the original message is: c=tw;a= ;p=Example;l=MX-1\n"
    "    MSEXCH:IMS:Example:EXAMPLE:MX 0 (000C05A6) Unknown Recipient\n"
)
TAIWANESE = "您的郵件無法送達下列收件者：\n\nana@example.com\n550 5.7.1 Message rejected as spam\n"


@pytest.mark.parametrize(
    ("octets", "happened", "fault"),
    [
        (plain("failure notice", QMAIL), Happened.FAILED, Fault.ADDRESS),
        (
            plain("Mail delivery failed: returning message to sender", EXIM, Auto_Submitted="auto-replied",
                  X_Failed_Recipients="ana@example.com"),
            Happened.FAILED, Fault.ADDRESS,
        ),
        (
            plain("Warning: message 1abc delayed 24 hours (Undelivered Mail)", EXIM_WARNS, Return_Path="<>"),
            Happened.DELAYED, None,
        ),
        (
            plain("Undelivered Mail Returned to Sender", POSTFIX, Return_Path="<>"),
            Happened.FAILED, Fault.MAILBOX,
        ),
        (plain("Undeliverable: News", EXCHANGE, Return_Path="<>"), Happened.FAILED, Fault.ADDRESS),
        (plain("系統退信", TAIWANESE, Sender="MAILER-DAEMON@mx.example"), Happened.FAILED, None),
    ],
)  # fmt: skip
def test_what_servers_write_in_their_own_words_is_understood(
    octets: bytes, happened: Happened, fault: Fault | None
) -> None:
    found = read(octets)
    assert found is not None
    assert (found.receipt.happened, found.receipt.fault) == (happened, fault)


def test_a_report_without_what_happened_is_read_by_its_words_and_a_read_receipt_is_none() -> None:
    whole = report("5.1.1", "failed", "550 5.1.1 User unknown")
    lame = whole.replace(b"Action: failed\n", b"").replace(b"Status: 5.1.1\n", b"")
    found = read(lame.replace(b"From: MAILER", b"Return-Path: <>\nFrom: MAILER"))
    assert found is not None
    assert found.receipt.happened is Happened.FAILED
    disposed = whole.replace(b"message/delivery-status", b"message/disposition-notification")
    assert read(disposed.replace(b"Action: failed", b"Disposition: automatic; deleted")) is None


@given(st.binary(max_size=400), st.integers(0, 900), st.binary(max_size=20))
@settings(max_examples=150)
def test_nothing_that_arrives_makes_it_fail(noise: bytes, at: int, put: bytes) -> None:
    whole = report("5.1.1", "failed", "User unknown")
    read(noise)
    read(whole[:at] + put + whole[at:])
    read(f"To: {HERE}\r\nContent-Type: multipart/report; boundary=b\r\n\r\n".encode() + noise)


def test_a_passing_refusal_is_never_hard() -> None:
    assert kind_of("450 4.1.1", "User unknown").number == 70
    assert kind_of("450", "mailbox full").number == 22
    assert kind_of("", "").number == 1
