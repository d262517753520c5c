"""What mail services tell later: each kind of event as the service publishes it, signed as it signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks.webhooks import Webhook

from channels.messages import Arrival, Fault, Happened, Receipt
from channels.providers import registry
from channels.providers.base import Reading, ReceiptReader, ReceiptVerifier
from channels.signatures import NotGenuine
from common.errors import Invalid
from tests.channels.providers import BENCHES, RESEND_SECRET
from tests.channels.test_mail_services import KEYS
from tests.fakes.esps import SENDGRID_PRIVATE, FakeEsp

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "https://mail.example.com/hooks/5/"
KEY, OTHER = "7.0.42", "7.0.43"
DELIVERED, FAILED, DELAYED = Happened.DELIVERED, Happened.FAILED, Happened.DELAYED
OPENED, CLICKED = Happened.OPENED, Happened.CLICKED
UNSUBSCRIBED, COMPLAINED = Happened.UNSUBSCRIBED, Happened.COMPLAINED
NOBODY, FULL = Fault.ADDRESS, Fault.MAILBOX
OURS, STOPPED = Fault.SENDER, Fault.OPTED_OUT
GONE, US = "550 5.1.1 The email account that you tried to reach does not exist", (
    "550 5.7.1 Message rejected due to the sender's reputation; see our policy"
)  # fmt: skip
SECRET = "receipts-password-0001"


class NoServer:
    url = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Told:
    """One event, and what it has to be read as."""

    event: dict[str, Any]
    happened: Happened | None
    fault: Fault | None = None


# ---- as each service signs ----------------------------------------------------------------------
def _arrival(
    body: bytes, at: datetime, url: str = URL, kind: str = "application/json", **more: str
) -> Arrival:
    named = {name.replace("_", "-").lower(): value for name, value in more.items()}
    return Arrival("POST", url, {"content-type": kind, **named}, body, at)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def by_sendgrid(events: list[Any], at: datetime) -> Arrival:
    body, stamp = _json(events), str(int(at.timestamp()))
    signature = SENDGRID_PRIVATE.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return _arrival(
        body, at, X_Twilio_Email_Event_Webhook_Signature=base64.b64encode(signature).decode(),
        X_Twilio_Email_Event_Webhook_Timestamp=stamp,
    )  # fmt: skip


def by_mailgun(events: list[Any], at: datetime) -> Arrival:
    stamp, token = str(int(at.timestamp())), hashlib.sha256(_json(events)).hexdigest()[:50]
    digest = hmac.new(SECRET.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": stamp, "token": token, "signature": digest}
    return _arrival(_json({"signature": signed, "event-data": events[0]}), at)


def by_password(events: list[Any], at: datetime) -> Arrival:
    given = base64.b64encode(f"carillon:{SECRET}".encode()).decode()
    return _arrival(_json(events[0] if len(events) == 1 else events), at, Authorization=f"Basic {given}")


def by_sparkpost(events: list[Any], at: datetime) -> Arrival:
    wrapped = [{"msys": {"message_event": one}} for one in events]
    return replace(by_password(events, at), body=_json([*wrapped, {"msys": {}}]))


def by_mailersend(events: list[Any], at: datetime) -> Arrival:
    body = _json(events[0])
    return _arrival(body, at, Signature=hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest())


def by_mandrill(events: list[Any], at: datetime, secret: str = SECRET, url: str = URL) -> Arrival:
    text = json.dumps(events)
    digest = hmac.new(secret.encode(), f"{url}mandrill_events{text}".encode(), hashlib.sha1).digest()
    return _arrival(
        urlencode({"mandrill_events": text}).encode(), at, url, kind="application/x-www-form-urlencoded",
        X_Mandrill_Signature=base64.b64encode(digest).decode(),
    )  # fmt: skip


def by_resend(events: list[Any], at: datetime) -> Arrival:
    body, number = _json(events[0]), "msg_" + hashlib.sha256(_json(events)).hexdigest()[:20]
    signature = Webhook(RESEND_SECRET).sign(number, at, body.decode())
    return _arrival(
        body, at, Svix_Id=number, Svix_Timestamp=str(int(at.timestamp())), Svix_Signature=signature
    )


def by_unisender(events: list[Any], at: datetime) -> Arrival:
    told = [{"event_name": "transactional_email_status", "event_data": one} for one in events]
    spam = {"event_name": "transactional_spam_block", "event_data": {"block_time": "2026-11-24 11:00:00"}}
    secret = FakeEsp.secret
    body = {"auth": secret, "events_by_user": [{"user_id": 456, "events": [*told, spam]}]}
    digest = hashlib.md5(_json(body)).hexdigest()
    return _arrival(_json(body).replace(secret.encode(), digest.encode()), at)


def by_scaleway(events: list[Any], at: datetime) -> Arrival:
    body = {"Type": "Notification", "MessageId": "n1", "Message": json.dumps(events[0])}
    return _arrival(_json(body), at, URL + "?token=" + SECRET, kind="text/plain; charset=UTF-8")


SIGN: dict[str, Callable[[list[Any], datetime], Arrival]] = {
    "sendgrid": by_sendgrid, "mailgun": by_mailgun, "postmark": by_password, "brevo": by_password,
    "mailjet": by_password, "mailersend": by_mailersend, "mandrill": by_mandrill, "resend": by_resend,
    "sparkpost": by_sparkpost, "unisender_go": by_unisender, "scaleway": by_scaleway,
}  # fmt: skip
MANY = ("sendgrid", "brevo", "mailjet", "mandrill", "sparkpost", "unisender_go")  # events in one request
SIGNED_BODY = ("sendgrid", "mailersend", "mandrill", "resend", "unisender_go")
TIMED = {"sendgrid": timedelta(hours=25), "mailgun": timedelta(hours=25), "resend": timedelta(minutes=5)}


# ---- each kind, as the services publish it --------------------------------------------------------
def _sendgrid(event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "example@test.com", "timestamp": 1795521598, "smtp-id": "<14c5d75ce93.dfd.64b469@x>",
        "event": event, "category": ["cat facts"], "sg_event_id": f"ZGVs{event}{len(more)}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "carillon": KEY,
        "anymail_id": "n-1", **more,
    }  # fmt: skip


def _mailgun(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event, "id": "CPgfbmQMTCKtHW6uIWtuVe", "timestamp": 1795521598.9, "log-level": "info",
        "recipient": "alice@example.com", "user-variables": {"carillon": KEY}, "tags": [],
        "message": {"headers": {"to": "Alice <alice@example.com>", "message-id": "n-1"}}, **more,
    }  # fmt: skip


def _status(words: str) -> dict[str, Any]:
    code, enhanced, _rest = words.split(" ", 2)
    return {"delivery-status": {"code": int(code), "enhanced-code": enhanced, "message": words}}


def _postmark(record: str, **more: Any) -> dict[str, Any]:
    return {
        "RecordType": record, "MessageStream": "outbound", "MessageID": "n-1",
        "Recipient": "john@example.com", "Metadata": {"carillon": KEY}, "ServerID": 1234,
        "Tag": "Test", **more,
    }  # fmt: skip


def _postmark_bounce(kind: str, details: str = "") -> dict[str, Any]:
    return _postmark("Bounce", ID=42, Type=kind, Details=details, BouncedAt="2026-11-24T11:59:58Z")


def _brevo(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event, "email": "example@domain.com", "id": 26224, "date": "2026-11-24 12:59:58",
        "message-id": "n-1", "X-Mailin-custom": json.dumps({"carillon": KEY}), "ts_epoch": 1795521598000,
        **more,
    }  # fmt: skip


def _mailjet(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event, "time": 1795521598, "MessageID": "n-1", "email": "api@mailjet.com",
        "mj_campaign_id": 7, "mj_contact_id": 4, "customcampaign": "", "CustomID": "",
        "Payload": json.dumps({"carillon": KEY}),
        **more,
    }  # fmt: skip


def _mailersend(event: str, **morph: Any) -> dict[str, Any]:
    mail = {
        "id": "62f114f8165fe0d8db0288e3", "from": "test@mailersend.com", "status": event, "tags": ["x", KEY],
        "message": {"id": "n-1", "object": "message"}, "recipient": {"email": "to@example.com"},
    }  # fmt: skip
    told = {"object": "activity", "id": f"62f1{event}", "type": event, "created_at": "2026-11-24T11:59:58.0Z"}
    return {"type": f"activity.{event}", "data": {**told, "email": mail, "morph": morph or None}}


def _mandrill(event: str, diag: str = "", **more: Any) -> dict[str, Any]:
    mail = {"_id": "n-1", "email": "example@x.com", "metadata": {"carillon": KEY}, "diag": diag,
            "bounce_description": "bad_mailbox" if diag else None, "state": event}  # fmt: skip
    return {"event": event, "_id": "n-1", "ts": 1795521598, "msg": mail, **more}


def _resend(event: str, **more: Any) -> dict[str, Any]:
    told = {
        "email_id": "n-1", "created_at": "2026-11-24T11:00:00Z", "from": "Acme <a@resend.dev>",
        "to": ["d@resend.dev"], "headers": [{"name": "X-Metadata", "value": json.dumps({"carillon": KEY})}],
        **more,
    }  # fmt: skip
    return {"type": f"email.{event}", "created_at": "2026-11-24T11:59:58.000Z", "data": told}


def _bounced(kind: str, sub: str, message: str = "") -> dict[str, Any]:
    return _resend("bounced", bounce={"type": kind, "subType": sub, "message": message})


def _sparkpost(event: str, **more: Any) -> dict[str, Any]:
    return {
        "type": event, "event_id": f"92356{event}", "transmission_id": "n-1", "rcpt_to": "a@example.com",
        "rcpt_meta": {"carillon": KEY}, "timestamp": "1795521598", "message_id": "000443ee14578172be22",
        **more,
    }  # fmt: skip


def _unisender(status: str, code: str = "", words: str = "") -> dict[str, Any]:
    return {
        "job_id": "1a3Q2V-0000OZ-S0", "metadata": {"carillon": KEY, "anymail_id": "n-1"}, "status": status,
        "email": "recipient@example.com", "event_time": "2026-11-24 11:59:58", "url": "",
        "delivery_info": {"delivery_status": code, "destination_response": words},
    }  # fmt: skip


def _scaleway(event: str, code: int = 250, words: str = "ok") -> dict[str, Any]:
    return {
        "id": f"e-{event}", "type": event, "email_id": "n-1", "email_to": "a@example.com",
        "created_at": "2026-11-24T11:59:58Z", "email_response_code": code, "email_response_message": words,
        "email_try_count": 1,
        "email_headers": [{"name": "X-Metadata", "value": json.dumps({"carillon": KEY})}],
    }  # fmt: skip


EVENTS: dict[str, list[Told]] = {
    "sendgrid": [
        Told(_sendgrid("delivered", response="250 OK"), DELIVERED),
        Told(_sendgrid("deferred", response="400 try again later", attempt="5"), DELAYED),
        Told(_sendgrid("bounce", reason=GONE, status="5.1.1", type="bounce"), FAILED, NOBODY),
        Told(_sendgrid("bounce", reason="500 unknown recipient", status="5.0.0"), FAILED, NOBODY),
        Told(_sendgrid("bounce", reason=US, status="5.7.1", type="bounce"), FAILED, OURS),
        Told(_sendgrid("bounce", reason="550 Blocked by Spamhaus", type="blocked"), FAILED, OURS),
        Told(_sendgrid("bounce", reason="no answer", type="expired"), FAILED),
        Told(_sendgrid("dropped", reason="Bounced Address", status="5.0.0"), FAILED, NOBODY),
        Told(_sendgrid("dropped", reason="Unsubscribed Address"), FAILED, STOPPED),
        Told(_sendgrid("dropped", reason="Recipient List over Package Quota"), FAILED),
        Told(_sendgrid("open", useragent="Mozilla/4.0"), OPENED),
        Told(_sendgrid("click", url="https://www.sendgrid.com/"), CLICKED),
        Told(_sendgrid("spamreport"), COMPLAINED),
        Told(_sendgrid("unsubscribe"), UNSUBSCRIBED),
        Told(_sendgrid("group_unsubscribe", asm_group_id=10), UNSUBSCRIBED),
        Told(_sendgrid("group_resubscribe", asm_group_id=10), None),
        Told(_sendgrid("processed"), None),
    ],
    "mailgun": [
        Told(_mailgun("delivered", **_status("250 2.0.0 OK")), DELIVERED),
        Told(_mailgun("failed", severity="temporary", **_status("452 4.2.2 Full")), DELAYED),
        Told(_mailgun("failed", severity="permanent", reason="bounce", **_status(GONE)), FAILED, NOBODY),
        Told(_mailgun("failed", severity="permanent", reason="bounce", **_status(US)), FAILED, OURS),
        Told(_mailgun("failed", severity="permanent", reason="suppress-bounce"), FAILED, NOBODY),
        Told(_mailgun("failed", severity="permanent", reason="suppress-unsubscribe"), FAILED, STOPPED),
        Told(_mailgun("failed", severity="permanent", reason="old"), FAILED),
        Told(_mailgun("rejected", reject={"reason": "Sandbox subdomains are for test"}), FAILED, OURS),
        Told(_mailgun("opened", ip="50.56.129.169"), OPENED),
        Told(_mailgun("clicked", url="http://example.com/signup"), CLICKED),
        Told(_mailgun("unsubscribed"), UNSUBSCRIBED),
        Told(_mailgun("complained"), COMPLAINED),
        Told(_mailgun("accepted"), None),
    ],
    "postmark": [
        Told(_postmark("Delivery", DeliveredAt="2026-11-24T11:59:58Z", Details="250 ok"), DELIVERED),
        Told(_postmark_bounce("Transient"), DELAYED),
        Told(_postmark_bounce("HardBounce", f"smtp;{GONE}"), FAILED, NOBODY),
        Told(_postmark_bounce("HardBounce", f"smtp;{US}"), FAILED, OURS),
        Told(_postmark_bounce("SoftBounce", "smtp;452 4.2.2 mailbox full"), FAILED, FULL),
        Told(_postmark_bounce("SpamNotification", "blocked as spam"), FAILED, OURS),
        Told(_postmark_bounce("Blocked"), FAILED, OURS),
        Told(_postmark_bounce("AutoResponder"), None),
        Told(_postmark("SpamComplaint", ID=43, Type="SpamComplaint"), COMPLAINED),
        Told(_postmark("Open", ReceivedAt="2026-11-24T11:59:58Z"), OPENED),
        Told(_postmark("Click", ReceivedAt="2026-11-24T11:59:58Z", OriginalLink="https://e.com"), CLICKED),
        Told(_postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="ManualSuppression",
                       Origin="Recipient", ChangedAt="2026-11-24T11:59:58Z"), UNSUBSCRIBED),
        Told(_postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="ManualSuppression",
                       Origin="Customer", ChangedAt="2026-11-24T11:59:58Z"), None),
        Told(_postmark("SubscriptionChange", SuppressSending=False, ChangedAt="2026-11-24T11:59:58Z"), None),
    ],
    "brevo": [
        Told(_brevo("delivered"), DELIVERED),
        Told(_brevo("deferred", reason="try again later"), DELAYED),
        Told(_brevo("hard_bounce", reason=GONE), FAILED, NOBODY),
        Told(_brevo("hard_bounce", reason=US), FAILED, OURS),
        Told(_brevo("soft_bounce", reason="552 5.2.2 mailbox full"), FAILED, FULL),
        Told(_brevo("blocked", reason="blocked : due to blacklist user"), FAILED),
        Told(_brevo("invalid_email"), FAILED, NOBODY),
        Told(_brevo("error"), FAILED),
        Told(_brevo("spam"), COMPLAINED),
        Told(_brevo("unique_opened"), OPENED),
        Told(_brevo("click", link="https://domain.com"), CLICKED),
        Told(_brevo("unsubscribed"), UNSUBSCRIBED),
        Told(_brevo("request"), None),
    ],
    "mailjet": [
        Told(_mailjet("sent", smtp_reply="sent (250 2.0.0 OK)"), DELIVERED),
        Told(_mailjet("bounce", hard_bounce=False, error_related_to="system", error="greylisted"), DELAYED),
        Told(_mailjet("bounce", hard_bounce=True, error_related_to="recipient", error="user unknown"),
             FAILED, NOBODY),
        Told(_mailjet("bounce", hard_bounce=True, error_related_to="spam", error="sender blocked"),
             FAILED, OURS),
        Told(_mailjet("bounce", hard_bounce=True, error="quota exceeded"), FAILED, FULL),
        Told(_mailjet("bounce", hard_bounce=False, error="mailbox inactive"), FAILED, FULL),
        Told(_mailjet("blocked", error_related_to="mailjet", error="preblocked"), FAILED, OURS),
        Told(_mailjet("blocked", error_related_to="recipient", error="spam reporter"), FAILED, STOPPED),
        Told(_mailjet("spam", source="JMRPP"), COMPLAINED),
        Told(_mailjet("open", ip="127.0.0.1", geo="US"), OPENED),
        Told(_mailjet("click", url="https://mailjet.com"), CLICKED),
        Told(_mailjet("unsub", mj_list_id=1), UNSUBSCRIBED),
    ],
    "mailersend": [
        Told(_mailersend("delivered"), DELIVERED),
        Told(_mailersend("deferred"), DELAYED),
        Told(_mailersend("hard_bounced", object="recipient_bounce", reason=GONE), FAILED, NOBODY),
        Told(_mailersend("hard_bounced", object="recipient_bounce", reason=US), FAILED, OURS),
        Told(_mailersend("soft_bounced", reason="452 4.2.2 over quota"), FAILED, FULL),
        Told(_mailersend("opened", object="open", ip="127.0.0.1"), OPENED),
        Told(_mailersend("clicked", object="click", url="https://example.com"), CLICKED),
        Told(_mailersend("unsubscribed", object="recipient_unsubscribe"), UNSUBSCRIBED),
        Told(_mailersend("spam_complaint", object="spam_complaint"), COMPLAINED),
        Told(_mailersend("survey_opened"), None),
    ],
    "mandrill": [
        Told(_mandrill("delivered"), DELIVERED),
        Told(_mandrill("deferral"), DELAYED),
        Told(_mandrill("hard_bounce", f"smtp;{GONE}"), FAILED, NOBODY),
        Told(_mandrill("hard_bounce", f"smtp;{US}"), FAILED, OURS),
        Told(_mandrill("soft_bounce", "smtp;552 5.2.2 over quota"), FAILED, FULL),
        Told(_mandrill("reject"), FAILED),
        Told(_mandrill("open", ip="127.0.0.1"), OPENED),
        Told(_mandrill("click", url="http://mandrill.com"), CLICKED),
        Told(_mandrill("unsub"), UNSUBSCRIBED),
        Told(_mandrill("spam"), COMPLAINED),
        Told(_mandrill("whitelist"), None),
    ],
    "resend": [
        Told(_resend("delivered"), DELIVERED),
        Told(_resend("delivery_delayed"), DELAYED),
        Told(_bounced("Permanent", "General", GONE), FAILED, NOBODY),
        Told(_bounced("Permanent", "General", US), FAILED, OURS),
        Told(_bounced("Transient", "MailboxFull", "The recipient's inbox was full."), FAILED, FULL),
        Told(_bounced("Permanent", "Suppressed", "Resend has suppressed sending to this address"), FAILED),
        Told(_resend("failed", failed={"reason": "reached_daily_quota"}), FAILED, OURS),
        Told(_resend("opened"), OPENED),
        Told(_resend("clicked", click={"link": "https://resend.com"}), CLICKED),
        Told(_resend("complained"), COMPLAINED),
        Told(_resend("scheduled"), None),
    ],
    "sparkpost": [
        Told(_sparkpost("delivery"), DELIVERED),
        Told(_sparkpost("delay", bounce_class="21", error_code="454", raw_reason="454 4.4.4"), DELAYED),
        Told(_sparkpost("bounce", bounce_class="10", error_code="550", raw_reason=GONE), FAILED, NOBODY),
        Told(_sparkpost("bounce", bounce_class="50", error_code="550", raw_reason=US), FAILED, OURS),
        Told(_sparkpost("bounce", bounce_class="25", error_code="550"), FAILED, OURS),
        Told(_sparkpost("bounce", bounce_class="22", error_code="552"), FAILED, FULL),
        Told(_sparkpost("out_of_band", bounce_class="60"), None),
        Told(_sparkpost("out_of_band", bounce_class="90"), UNSUBSCRIBED),
        Told(_sparkpost("policy_rejection", error_code="550"), FAILED),
        Told(_sparkpost("generation_failure", error_code="554"), FAILED, Fault.CONTENT),
        Told(_sparkpost("spam_complaint", fbtype="abuse"), COMPLAINED),
        Told(_sparkpost("open"), OPENED),
        Told(_sparkpost("click", target_link_url="http://example.com"), CLICKED),
        Told(_sparkpost("list_unsubscribe"), UNSUBSCRIBED),
        Told(_sparkpost("injection"), None),
    ],
    "unisender_go": [
        Told(_unisender("delivered"), DELIVERED),
        Told(_unisender("soft_bounced", "err_will_retry"), DELAYED),
        Told(_unisender("hard_bounced", "err_user_unknown", GONE), FAILED, NOBODY),
        Told(_unisender("hard_bounced", "err_user_unknown", US), FAILED, OURS),
        Told(_unisender("hard_bounced", "err_spam_rejected"), FAILED, OURS),
        Told(_unisender("hard_bounced", "err_mailbox_full"), FAILED, FULL),
        Told(_unisender("hard_bounced", "err_unsubscribed"), FAILED, STOPPED),
        Told(_unisender("opened"), OPENED),
        Told(_unisender("clicked"), CLICKED),
        Told(_unisender("unsubscribed"), UNSUBSCRIBED),
        Told(_unisender("spam"), COMPLAINED),
        Told(_unisender("subscribed"), None),
    ],
    "scaleway": [
        Told(_scaleway("email_delivered"), DELIVERED),
        Told(_scaleway("email_deferred", 451, "4.3.0 later"), DELAYED),
        Told(_scaleway("email_mailbox_not_found", 550, GONE), FAILED, NOBODY),
        Told(_scaleway("email_dropped", 550, US), FAILED, OURS),
        Told(_scaleway("email_spam", 550, "spam"), FAILED, OURS),
        Told(_scaleway("email_blocklisted", 0, ""), FAILED),
        Told(_scaleway("email_queued"), None),
    ],
}  # fmt: skip
ALL = [(key, told) for key, rows in EVENTS.items() for told in rows]
every = pytest.mark.parametrize("key", KEYS)


def read(key: str, given: Arrival, **changes: Any) -> Reading:
    bench = BENCHES[key]
    provider = bench.provider
    assert isinstance(provider, ReceiptReader)
    return provider.read_receipts(bench.configuration(NoServer, **changes), given)


def one_of(key: str, event: dict[str, Any], at: datetime = NOW) -> Receipt:
    (receipt,) = read(key, SIGN[key]([event], at)).receipts
    return receipt


def number_of(key: str) -> str:
    return "<n-1>" if key == "mailgun" else "n-1"


def test_every_mail_service_has_its_examples() -> None:
    assert set(EVENTS) == set(SIGN) == set(KEYS)
    for key in KEYS:
        told = {one.happened for one in EVENTS[key]}
        assert told >= {DELIVERED, FAILED, DELAYED}
        assert {one.fault for one in EVENTS[key]} >= {NOBODY, OURS}
        assert key == "scaleway" or COMPLAINED in told  # it passes no complaints on


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("key", "told"), ALL)
def test_an_event_is_read_with_the_message_it_is_about_and_whose_fault_it_is(key: str, told: Told) -> None:
    reading = read(key, SIGN[key]([told.event], NOW))
    if told.happened is None:
        assert reading.receipts == ()
        return
    (receipt,) = reading.receipts
    assert (receipt.happened, receipt.fault) == (told.happened, told.fault)
    assert receipt.key == KEY
    assert receipt.provider_id == number_of(key)
    assert receipt.event_id
    if told.event.get("RecordType") != "SpamComplaint":  # that example has no time
        expected = datetime(2026, 11, 24, 11, 59, 58, tzinfo=UTC)
        assert receipt.at is not None
        assert timedelta(0) <= receipt.at - expected < timedelta(seconds=1)


@every
def test_the_same_again_is_the_same_event_and_another_is_another(key: str) -> None:
    delivered, failed = (
        next(one.event for one in EVENTS[key] if one.happened is happened) for happened in (DELIVERED, FAILED)
    )
    first, again, other = one_of(key, delivered), one_of(key, delivered), one_of(key, failed)
    assert first.event_id == again.event_id != other.event_id
    later = SIGN[key]([delivered], NOW + timedelta(minutes=3))
    assert read(key, replace(later, at=NOW + timedelta(minutes=3))).receipts[0].event_id == first.event_id


@pytest.mark.parametrize("key", MANY)
def test_many_events_of_one_request_are_read_each(key: str) -> None:
    rows = [one for one in EVENTS[key] if one.happened is not None]
    found = read(key, SIGN[key]([one.event for one in rows], NOW)).receipts
    assert [one.happened for one in found] == [one.happened for one in rows]


# ---- what is not theirs ---------------------------------------------------------------------------
def _good(key: str) -> Arrival:
    return SIGN[key]([EVENTS[key][0].event], NOW)


@every
def test_what_is_not_signed_or_signed_wrongly_is_not_genuine(key: str) -> None:
    given = _good(key)
    bare = replace(given, headers={"content-type": given.headers["content-type"]}, url=URL)
    if key in ("mailgun", "unisender_go"):
        body = json.loads(given.body)
        body.pop("signature", None)
        body.pop("auth", None)
        bare = replace(given, body=_json(body))
    with pytest.raises(NotGenuine):
        read(key, bare)
    names = BENCHES[key].secrets
    assert isinstance(names, dict)
    for word in ("other-secret-" + "0" * 30, ""):
        changes = {"verification_key": word} if key == "sendgrid" else {}
        with pytest.raises(NotGenuine):
            read(key, given, secrets=dict.fromkeys(names, word), **changes)
    for garbage in ("x", "Basic x", "\ud800", "é" * 32, "v1,x", "0" * 64):
        headers = dict.fromkeys(given.headers, garbage) | {"content-type": given.headers["content-type"]}
        made_up = replace(given, headers=headers, url=f"{URL}?token={quote(garbage, errors='replace')}")
        if key == "mailgun":
            body = re.sub(rb'"signature": "\w+"', b'"signature": "0"', given.body)
            made_up = replace(given, body=body)
        elif key == "unisender_go":
            auth = json.loads(given.body)["auth"].encode()
            made_up = replace(given, body=given.body.replace(auth, b"0" * 32))
        with pytest.raises(NotGenuine):
            read(key, made_up)


@pytest.mark.parametrize("key", SIGNED_BODY)
def test_a_changed_body_is_not_genuine(key: str) -> None:
    given = _good(key)
    for body in (given.body + b" ", given.body[:-1], b"", b"\xff", given.body.replace(b"n-1", b"n-2")):
        if key == "mandrill" and body.endswith(b" "):
            continue
        with pytest.raises(NotGenuine):
            read(key, replace(given, body=body))


def test_one_token_of_mailguns_is_good_for_one_event_whatever_is_said_with_it() -> None:
    """Only the token is signed, so a request that somebody saw could be filled with other words."""
    given = _good("mailgun")
    forged = json.loads(given.body)
    forged["event-data"] = _mailgun("complained")
    told, said = read("mailgun", given), read("mailgun", replace(given, body=_json(forged)))
    assert told.receipts[0].event_id == said.receipts[0].event_id  # the second is known already


@pytest.mark.parametrize(("key", "most"), TIMED.items())
def test_what_was_signed_too_long_ago_or_ahead_of_time_is_stale(key: str, most: timedelta) -> None:
    given = _good(key)
    minute = timedelta(minutes=1)
    for passed, is_stale in ((most - minute, False), (most + minute, True), (-6 * minute, True)):
        proof = read(key, replace(given, at=NOW + passed)).proof
        assert (proof.signed_at, proof.is_stale) == (NOW, is_stale)


# ---- what cannot be read ---------------------------------------------------------------------------
NONSENSE: list[Any] = [
    {}, {"event": None}, {"msg": [], "event": {}}, {"data": 1, "type": "email.bounced"}, {"Type": 5},
    {"RecordType": "Bounce", "Type": {}, "MessageID": []}, {"type": "bounce", "bounce_class": "9" * 9},
    {"event": "failed", "delivery-status": None, "message": {"headers": None}},
    {"Payload": "{", "time": "x"},
    {"event": "delivered", "ts_epoch": 10**30, "message-id": "n"},
    {"event": "sent", "MessageID": 1, "time": 1e99},
]  # fmt: skip


@pytest.mark.sampled(5)
@every
@pytest.mark.parametrize("event", NONSENSE)
def test_signed_nonsense_moves_no_message(key: str, event: Any) -> None:
    found = read(key, SIGN[key]([event], NOW)).receipts
    assert all(one.fault is None and one.key == "" for one in found)


@pytest.mark.parametrize("key", ["postmark", "brevo", "mailjet", "sparkpost", "scaleway"])
@pytest.mark.parametrize("octets", [b"{", b"[" * 100_000, b"\xff\xfe", b""])
def test_what_is_no_json_is_refused_clearly(key: str, octets: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read(key, replace(_good(key), body=octets))
    assert refused.value.code == "bad_receipt"


@pytest.mark.parametrize("key", ["mailgun", "unisender_go"])
@pytest.mark.parametrize("octets", [b"{", b"[" * 100_000, b"\xff\xfe", b"", b"[]", b"1", b'{"signature": 1}'])
def test_a_signature_that_stands_in_a_body_needs_a_body(key: str, octets: bytes) -> None:
    with pytest.raises(NotGenuine):
        read(key, replace(_good(key), body=octets))


@every
def test_data_that_others_put_into_a_mail_is_not_taken_for_our_key(key: str) -> None:
    event = json.loads(json.dumps(EVENTS[key][0].event).replace(KEY, "1; DROP TABLE"))
    assert one_of(key, event).key == ""


# ---- our key goes out with the mail and comes back ----------------------------------------------------
@every
def test_the_key_that_travels_with_a_mail_is_the_one_that_is_read(key: str, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    bench = BENCHES[key]
    with bench.server() as server:
        (outcome,) = bench.send(bench.configuration(server), bench.message(key=OTHER))
        (request,) = server.requests
    event = json.loads(json.dumps(EVENTS[key][0].event).replace("n-1", outcome.provider_id.strip("<>")))
    sent = request.form if key == "mailgun" else request.json
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "sendgrid": lambda: sent["personalizations"][0].get("custom_args", {}) | sent.get("custom_args", {}),
        "mailgun": lambda: {"user-variables": {"carillon": sent["v:carillon"]}},
        "postmark": lambda: {"Metadata": sent["Metadata"]},
        "brevo": lambda: {"X-Mailin-custom": sent["headers"]["X-Mailin-custom"],
                          "message-id": outcome.provider_id},
        "mailjet": lambda: {"Payload": sent.get("Globals", sent["Messages"][0])["EventPayload"]},
        "mandrill": lambda: {"msg": {"metadata": sent["message"]["metadata"]}},
        "sparkpost": lambda: {"rcpt_meta": sent.get("metadata") or sent["recipients"][0]["metadata"]},
        "unisender_go": lambda: {
            "metadata": sent["message"].get("global_metadata", {})
            | sent["message"]["recipients"][0].get("metadata", {})
        },
        "mailersend": lambda: {"data": {**event["data"], "email": {**event["data"]["email"],
                                                                    "tags": sent["tags"]}}},
        "resend": lambda: {"data": {**event["data"], "headers": [
            {"name": name, "value": value} for name, value in sent["headers"].items()]}},
        "scaleway": lambda: {"email_headers": [
            {"name": one["key"], "value": one["value"]} for one in sent["additional_headers"]]},
    }  # fmt: skip
    receipt = one_of(key, {**event, **ways[key]()})
    assert (receipt.key, receipt.provider_id) == (OTHER, outcome.provider_id)


# ---- what services ask before they begin ---------------------------------------------------------------
@every
def test_an_empty_question_is_answered_where_a_service_asks_one(key: str) -> None:
    provider = registry.get(key)
    assert isinstance(provider, ReceiptVerifier)
    configuration = BENCHES[key].configuration(NoServer)
    if key in ("mandrill", "unisender_go"):
        assert provider.verify(configuration, {}) == ""
    else:
        with pytest.raises(NotGenuine):
            provider.verify(configuration, {})


def test_the_key_of_mandrills_first_question_is_believed_for_nothing_else() -> None:
    assert read("mandrill", by_mandrill([], NOW, "test-webhook")).receipts == ()
    with pytest.raises(NotGenuine):
        read("mandrill", by_mandrill([_mandrill("spam")], NOW, "test-webhook"))


@pytest.mark.parametrize(
    ("url", "is_called"),
    [
        ("https://sns.mnq.fr-par.scaleway.com/?Action=ConfirmSubscription&Token=x", True),
        ("http://sns.mnq.fr-par.scaleway.com/", False),
        ("https://sns.mnq.fr-par.scaleway.com.thief.example/", False),
        ("https://thief.example/?.scaleway.com", False),
        ("https://sns.scaleway.com@thief.example/", False),
        ("https://a@sns.scaleway.com/", False),
        ("https://sns.scaleway.com:22/", False),
        ("https://[", False),
        (5, False),
    ],
)
def test_a_subscription_is_confirmed_at_scaleways_own_address_only(url: Any, is_called: bool) -> None:
    given = replace(_good("scaleway"), body=_json({"Type": "SubscriptionConfirmation", "SubscribeURL": url}))
    reading = read("scaleway", given)
    assert (reading.confirm, reading.receipts) == (url if is_called else "", ())
    with pytest.raises(NotGenuine):
        read("scaleway", replace(given, url=URL))
