"""Receipts and replies: what is genuine is read, what is forged, altered or unreadable is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from channels import signatures
from channels.messages import Arrival, Fault, Happened
from channels.providers.base import Reading, ReceiptReader
from channels.signatures import NotGenuine
from common.errors import Invalid
from tests.channels.providers import BENCHES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "https://mail.example.com/hooks/5/"


class NoServer:
    url = "http://127.0.0.1:1"


def arrival(body: bytes, url: str = URL, **headers: str) -> Arrival:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Arrival("POST", url, named, body, NOW)


# ---- as each vendor signs -----------------------------------------------------------------------
def by_twilio(fields: dict[str, str], url: str = URL + "?key=1-1") -> Arrival:
    text = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(BENCHES["twilio"].secrets["auth_token"].encode(), text.encode(), hashlib.sha1).digest()
    body = urlencode(fields).encode()
    return arrival(body, url, X_Twilio_Signature=base64.b64encode(digest).decode())


def by_vonage(body: Any, **claims: Any) -> Arrival:
    octets = json.dumps(body).encode()
    usual = {
        "iat": int(NOW.timestamp()), "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage",
        "payload_hash": hashlib.sha256(octets).hexdigest(), "api_key": "abcd1234", "application_id": "aaaa",
    }  # fmt: skip
    given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    token = jwt.encode(given, "v" * 40, algorithm="HS256")
    return arrival(octets, Authorization=f"Bearer {token}")


def by_infobip(body: Any) -> Arrival:
    given = base64.b64encode(b"infobip:receipts-password").decode()
    return arrival(json.dumps(body).encode(), Authorization=f"Basic {given}")


def by_gateway(body: Any) -> Arrival:
    octets = json.dumps(body).encode()
    digest = hmac.new(b"gateway-receipts-secret", octets, hashlib.sha256).hexdigest()
    return arrival(octets, X_Signature=f"sha256={digest}", Content_Type="application/json")


def read(key: str, given: Arrival, **changes: Any) -> Reading:
    bench = BENCHES[key]
    provider = bench.provider
    assert isinstance(provider, ReceiptReader)
    return provider.read_receipts(bench.configuration(NoServer, **changes), given)


SID = "SM" + "a" * 32
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
DELIVERED: dict[str, Callable[[], Arrival]] = {
    "twilio": lambda: by_twilio(
        {"MessageSid": SID, "SmsSid": SID, "MessageStatus": "delivered", "To": "+886912345678", "From": "+1"}
    ),
    "vonage": lambda: by_vonage(
        {
            "message_uuid": UUID, "to": "886912345678", "from": "Fernhill", "channel": "sms",
            "timestamp": "2026-11-24T11:59:58.000Z", "status": "delivered", "client_ref": "1-1",
            "usage": {"currency": "EUR", "price": "0.0333"}, "destination": {"network_code": "46692"},
        }
    ),
    "infobip": lambda: by_infobip(
        {"results": [{
            "bulkId": "b1", "messageId": "1-1", "to": "886912345678", "callbackData": "1-1",
            "sentAt": "2026-11-24T11:59:57.000+0000", "doneAt": "2026-11-24T11:59:58.000+0000", "smsCount": 1,
            "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
            "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
        }]}
    ),
    "sms_http": lambda: by_gateway({"reports": [{"id": "G1", "status": "DELIVRD", "error": {"code": "0"}}]}),
}  # fmt: skip
IDS = {"twilio": SID, "vonage": UUID, "infobip": "1-1", "sms_http": "G1"}
readers = pytest.mark.parametrize("key", DELIVERED)


@readers
def test_a_genuine_receipt_says_which_message_was_delivered(key: str) -> None:
    (receipt,) = read(key, DELIVERED[key]()).receipts
    assert (receipt.happened, receipt.provider_id, receipt.fault) == (Happened.DELIVERED, IDS[key], None)
    assert receipt.event_id
    if key != "sms_http":
        assert receipt.key == "1-1"
    if key in ("vonage", "infobip"):
        assert receipt.at == datetime(2026, 11, 24, 11, 59, 58, tzinfo=UTC)


@readers
def test_the_same_receipt_again_is_the_same_event(key: str) -> None:
    first, second = read(key, DELIVERED[key]()), read(key, DELIVERED[key]())
    assert first.receipts[0].event_id == second.receipts[0].event_id
    assert first.proof.replay_key == second.proof.replay_key


@readers
def test_a_receipt_without_its_signature_is_not_genuine(key: str) -> None:
    with pytest.raises(NotGenuine):
        read(key, replace(DELIVERED[key](), headers={}))


@readers
@pytest.mark.parametrize(
    "garbage", ["x", "Bearer x", "Basic x", "Bearer ", "\ud800", "sha256=", "v1,x", "é" * 9]
)
def test_a_receipt_with_a_made_up_signature_is_not_genuine(key: str, garbage: str) -> None:
    given = DELIVERED[key]()
    with pytest.raises(NotGenuine):
        read(key, replace(given, headers=dict.fromkeys(given.headers, garbage)))


@readers
def test_a_receipt_is_not_genuine_for_another_secret_or_none(key: str) -> None:
    names = BENCHES[key].secrets
    for secrets in (dict.fromkeys(names, "other-secret-" + "0" * 30), dict.fromkeys(names, ""), ""):
        with pytest.raises(NotGenuine):
            read(key, DELIVERED[key](), secrets=secrets)


@pytest.mark.parametrize("key", ["twilio", "vonage", "sms_http"])
def test_a_changed_body_is_not_genuine(key: str) -> None:
    given = DELIVERED[key]()
    for body in (given.body + b" ", given.body[:-1], b"", b"\xff", given.body.replace(b"1", b"2")):
        with pytest.raises(NotGenuine):
            read(key, replace(given, body=body))


@pytest.mark.parametrize(
    "body", [[], {}, None, 1, "x", {"results": [1, None, {}]}, {"reports": {"a": 1}}, [[]] * 99]
)
@pytest.mark.parametrize("sign", [("vonage", by_vonage), ("infobip", by_infobip), ("sms_http", by_gateway)])
def test_signed_nonsense_says_nothing(sign: Any, body: Any) -> None:
    key, signed = sign
    found = read(key, signed(body))
    assert (found.receipts, found.replies) == ((), ())


@pytest.mark.parametrize("octets", [b"{", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_signed_and_no_json_is_refused_clearly(octets: bytes) -> None:
    given = replace(by_infobip({}), body=octets)
    with pytest.raises(Invalid) as refused:
        read("infobip", given)
    assert refused.value.code == "bad_receipt"


# ---- failures -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "fault"),
    [("30005", Fault.ADDRESS), ("30006", Fault.ADDRESS), ("30004", Fault.OPTED_OUT), ("30003", None),
     ("30007", Fault.SENDER), ("30008", None)],
)  # fmt: skip
def test_twilio_says_why_a_message_failed(code: str, fault: Fault | None) -> None:
    given = by_twilio({"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": code})
    (receipt,) = read("twilio", given).receipts
    assert (receipt.happened, receipt.code, receipt.fault) == (Happened.FAILED, code, fault)


def test_vonage_says_why_a_message_failed() -> None:
    error = {
        "type": "https://developer.vonage.com/api-errors/messages#1190", "title": "1190",
        "detail": "Absent Subscriber - Permanent", "instance": "bf0ca0bf927b",
    }  # fmt: skip
    given = by_vonage({"message_uuid": UUID, "status": "rejected", "error": error, "client_ref": "1-1"})
    (receipt,) = read("vonage", given).receipts
    assert (receipt.happened, receipt.code, receipt.fault) == (Happened.FAILED, "1190", Fault.ADDRESS)
    assert receipt.detail == "Absent Subscriber - Permanent"


@pytest.mark.parametrize(
    ("group", "error", "happened", "fault"),
    [
        ("UNDELIVERABLE", "EC_UNKNOWN_SUBSCRIBER", Happened.FAILED, Fault.ADDRESS),
        ("UNDELIVERABLE", "EC_ABSENT_SUBSCRIBER", Happened.FAILED, None),
        ("EXPIRED", "NO_ERROR", Happened.FAILED, None),
        ("PENDING", "NO_ERROR", Happened.SENT, None),
    ],
)
def test_infobip_says_what_became_of_a_message(
    group: str, error: str, happened: Happened, fault: Fault | None
) -> None:
    one = {"messageId": "1-1", "status": {"groupName": group, "name": f"{group}_X"}, "error": {"name": error}}
    (receipt,) = read("infobip", by_infobip({"results": [one]})).receipts
    assert (receipt.happened, receipt.fault) == (happened, fault)
    one["error"] = {"name": error, "permanent": False}
    (passing,) = read("infobip", by_infobip({"results": [one]})).receipts
    assert passing.fault is None


def test_a_gateways_words_mean_what_the_settings_say() -> None:
    reports = [
        {"id": "G1", "status": "UNDELIV", "error": {"code": 12}},
        {"id": "G2", "status": "UNDELIV", "error": {"code": 5}},
        {"id": "G3", "status": "SENT"},
        {"id": "G4", "status": "SOMETHING"},
        {"status": "SENT"},
    ]
    found = read("sms_http", by_gateway({"reports": reports})).receipts
    assert [(one.provider_id, one.happened, one.fault) for one in found] == [
        ("G1", Happened.FAILED, Fault.ADDRESS),
        ("G2", Happened.FAILED, None),
        ("G3", Happened.SENT, None),
    ]


# ---- replies ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("twilio", lambda: by_twilio(
            {"MessageSid": SID, "SmsStatus": "received", "From": "+886912345678", "To": "+15005550006",
             "Body": "退訂"}
        )),
        ("vonage", lambda: by_vonage(
            {"message_uuid": SID, "from": "886912345678", "to": "15005550006", "text": "退訂",
             "channel": "sms", "message_type": "text", "timestamp": "2026-11-24T11:59:58Z",
             "sms": {"num_messages": "1"}}
        )),
        ("infobip", lambda: by_infobip({"results": [
            {"messageId": SID, "from": "886912345678", "to": "15005550006", "text": "退訂",
             "cleanText": "退訂", "keyword": "", "receivedAt": "2026-11-24T11:59:58.000+0000", "smsCount": 1}
        ], "messageCount": 1})),
        ("sms_http", lambda: by_gateway({"reports": [
            {"mo_id": SID, "msisdn": "886912345678", "shortcode": "+15005550006", "body": "退訂"}
        ]})),
    ],
)  # fmt: skip
def test_a_reply_is_read_with_the_number_in_our_form(key: str, given: Callable[[], Arrival]) -> None:
    found = read(key, given())
    (reply,) = found.replies
    assert found.receipts == ()
    assert (reply.sender, reply.text, reply.event_id) == ("+886912345678", "退訂", SID)
    assert reply.recipient.lstrip("+") == "15005550006"


# ---- age ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("age", "stale"), [(0, False), (4, False), (6, True), (-4, False), (-6, True)])
def test_what_was_signed_long_ago_is_stale_and_still_read(age: int, stale: bool) -> None:
    signed_at = NOW - timedelta(minutes=age)
    found = read(
        "vonage", by_vonage({"message_uuid": UUID, "status": "read"}, iat=int(signed_at.timestamp()))
    )
    assert (found.proof.is_stale, found.proof.signed_at) == (stale, signed_at)
    assert found.proof.replay_key == "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5"


@pytest.mark.parametrize(
    "claims",
    [{"iat": None}, {"jti": None}, {"payload_hash": None}, {"payload_hash": "0" * 64}, {"api_key": "other"},
     {"iat": 10**30}, {"iat": "x"}],
)  # fmt: skip
def test_vonages_claims_must_all_be_there_and_right(claims: dict[str, Any]) -> None:
    with pytest.raises(NotGenuine):
        read("vonage", by_vonage({"message_uuid": UUID, "status": "read"}, **claims))


def test_a_token_signed_with_nothing_or_another_way_is_not_genuine() -> None:
    good = by_vonage({"message_uuid": UUID, "status": "read"})
    claims = jwt.decode(good.headers["authorization"][7:], options={"verify_signature": False})
    for token in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "v" * 64, algorithm="HS512"),
        jwt.encode(claims, "w" * 40, algorithm="HS256"),
    ):
        with pytest.raises(NotGenuine):
            read("vonage", replace(good, headers={"authorization": f"Bearer {token}"}))


# ---- examples that the makers publish -----------------------------------------------------------
def test_twilios_own_example_of_a_signature() -> None:
    """https://www.twilio.com/docs/usage/security#validating-requests"""
    fields = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+12349013030", "Digits": "1234", "From": "+12349013030",
        "To": "+18005551212",
    }  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    given = arrival(urlencode(fields).encode(), url, X_Twilio_Signature="0/KCTR6DLpKmkAf8muzZqo1nDgQ=")
    assert signatures.twilio(given, "12345").signed_at is None
    for other in ("https://mycompany.com:443/myapp.php?foo=1&bar=2",):
        assert signatures.twilio(replace(given, url=other), "12345")
    for wrong in (
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        url + "&x=1",
        "https://mycompany.com/myapp.php",
    ):
        with pytest.raises(NotGenuine):
            signatures.twilio(replace(given, url=wrong), "12345")


def test_twilio_signs_a_body_of_json_by_its_hash() -> None:
    body = b'{"property": "value", "boolean": true}'
    digest = hashlib.sha256(body).hexdigest()
    url = f"https://mycompany.com/myapp.php?bodySHA256={digest}"
    signature = base64.b64encode(hmac.new(b"12345", url.encode(), hashlib.sha1).digest()).decode()
    given = arrival(body, url, X_Twilio_Signature=signature)
    assert signatures.twilio(given, "12345")
    with pytest.raises(NotGenuine):
        signatures.twilio(replace(given, body=body + b" "), "12345")


def test_the_example_of_standard_webhooks() -> None:
    """From the test vectors of the specification's own libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    given = Arrival(
        "POST",
        URL,
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,AAAA v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        at,
    )
    proof = signatures.standard_webhooks(given, secret)
    assert (proof.replay_key, proof.signed_at, proof.is_stale) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", at, False)
    assert signatures.standard_webhooks(replace(given, at=at + timedelta(hours=1)), secret).is_stale
    for name, value in (
        ("webhook-id", "other"),
        ("webhook-timestamp", "1614265331"),
        ("webhook-timestamp", "1614265330.0"),
        ("webhook-timestamp", "9" * 40),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-signature", ""),
    ):
        with pytest.raises(NotGenuine):
            signatures.standard_webhooks(replace(given, headers={**given.headers, name: value}), secret)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "é"])
def test_a_secret_that_is_none_proves_nothing(secret: str) -> None:
    given = arrival(b"{}", Webhook_Id="a", Webhook_Timestamp="1614265330", Webhook_Signature="v1,AAAA")
    with pytest.raises(NotGenuine):
        signatures.standard_webhooks(given, secret)


def test_a_shared_token_may_stand_in_the_address_or_in_a_header() -> None:
    assert signatures.shared_token(arrival(b"x", URL + "?token=abc"), "abc", query="token")
    assert signatures.shared_token(arrival(b"x", X_Token="abc"), "abc", header="X-Token")
    for given in (arrival(b"x"), arrival(b"x", URL + "?token=abcd"), arrival(b"x", URL + "?token=")):
        with pytest.raises(NotGenuine):
            signatures.shared_token(given, "abc", query="token")
