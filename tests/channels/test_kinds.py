"""One address, one spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels.kinds import KINDS, clean_email, clean_phone, clean_receiver, clean_sms_sender
from common.errors import Invalid


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Ana@Example.COM", "ana@example.com"),
        ("  ana@example.com. ", "ana@example.com"),
        ("ａ@x.tw", "a@x.tw"),
        ("ana@例子.tw", "ana@xn--fsqu00a.tw"),
        ("a+b@mail.test", "a+b@mail.test"),
    ],
)
def test_an_email_address_is_stored_in_one_form(given: str, stored: str) -> None:
    assert clean_email(given) == stored
    assert clean_email(stored) == stored


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ana",
        "ana@",
        "@x.tw",
        "a@b",
        "a b@x.tw",
        "a@x.tw\r\nBcc: e@x.tw",
        "a@x.tw, b@x.tw",
        "A <a@x.tw>",
        "a@x..tw",
        "\ud800@x.tw",
        "a\x00@x.tw",
        "用戶@x.tw",
        "İ@x.tw",
        "x" * 300 + "@x.tw",
        "a@[127.0.0.1]",
    ],
)
def test_what_is_no_email_address_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_email(given)
    assert refused.value.code == "bad_email"


def test_a_phone_number_is_stored_as_e164() -> None:
    assert clean_phone(" +886 912-345-678 ") == "+886912345678"
    assert clean_phone("＋８８６912345678") == "+886912345678"


@pytest.mark.parametrize("given", ["", "0912345678", "+886", "abc", "+1" * 50, "+999999999999999"])
def test_what_is_no_phone_number_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_phone(given)
    assert refused.value.code == "bad_phone"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("+886 912 345 678", "+886912345678"),
        ("32665", "32665"),
        ("１６１", "161"),
        (" Fernhill ", "Fernhill"),
        ("A&B News", "A&B News"),
        ("4Ever", "4Ever"),
    ],
)
def test_an_sms_sender_is_a_number_a_short_code_or_a_name(given: str, stored: str) -> None:
    assert clean_sms_sender(given) == stored
    assert clean_sms_sender(stored) == stored


@pytest.mark.parametrize(
    "given",
    ["", "12", "0912345678", "twelve chars", "蕨丘", "A\r\nB", "<b>", "+886", "\ud800", "&"],
)
def test_what_cannot_send_an_sms_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_sms_sender(given)
    assert refused.value.code == "bad_sender"


@pytest.mark.parametrize("given", ["", " ", "a\nb", "\x00", "x" * 201, "\ud800"])
def test_a_receivers_name_for_a_person_is_one_printable_line(given: str) -> None:
    with pytest.raises(Invalid):
        clean_receiver(given)
    assert clean_receiver(" crm-1 ") == "crm-1"


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        ("line", f" U{'0a' * 16} ", f"U{'0a' * 16}"),
        ("push", "FCM:dQw4w9WgXcQ:APA91b-x_" + "y" * 20, "fcm:dQw4w9WgXcQ:APA91b-x_" + "y" * 20),
        ("push", "apns:<" + "AB " * 32 + ">", "apns:" + "ab" * 32),
        ("push", "apnsSandbox:" + "0" * 64, "apnssandbox:" + "0" * 64),
        ("whatsapp", "+886 912-345-678", "+886912345678"),
        ("inapp", "crm-1", "crm-1"),
    ],
)
def test_an_address_has_one_spelling_on_every_channel(kind: str, given: str, stored: str) -> None:
    assert KINDS[kind].clean(given) == stored
    assert KINDS[kind].clean(stored) == stored


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("line", bad) for bad in ("", "U123", "C" + "0" * 32, "U" + "G" * 32, f"U{'0' * 32}\nx")),
        *(("push", bad) for bad in ("", "fcm", "fcm:", "apns:xyz", "gcm:" + "a" * 40, "fcm:" + "a" * 5000)),
        *(
            ("push", bad)
            for bad in ("fcm:../" + "a" * 40, "apns:" + "0" * 64 + "\r\nx: y", "\ud800:" + "a" * 40)
        ),
    ],
)
def test_what_is_no_address_of_the_channel_is_refused(kind: str, given: str) -> None:
    with pytest.raises(Invalid):
        KINDS[kind].clean(given)


# The keys of RFC 8291, appendix A.
POINT = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SECRET = "BTBZMqHH6r4Tts7J_aSIgg"
ENDPOINT = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"


def subscription(**changes: Any) -> str:
    body = {"endpoint": ENDPOINT, "expirationTime": None, "keys": {"p256dh": POINT, "auth": SECRET}}
    return json.dumps({**body, **changes})


def test_a_browsers_subscription_has_one_spelling() -> None:
    clean = KINDS["webpush"].clean
    stored = clean(subscription())
    assert json.loads(stored) == {"endpoint": ENDPOINT, "keys": {"auth": SECRET, "p256dh": POINT}}
    assert clean(stored) == stored
    padded = {"p256dh": POINT.replace("-", "+").replace("_", "/") + "=", "auth": SECRET + "=="}
    assert clean(subscription(keys=padded)) == stored


@pytest.mark.parametrize(
    "given",
    [
        "", "{}", "[]", "null", "x", "[" * 3000, subscription(keys={}), subscription(keys=None),
        subscription(endpoint="http://push.example.net/x"), subscription(endpoint="https://127.0.0.1/x"),
        subscription(endpoint="https://" + "a" * 1600), subscription(endpoint=7),
        subscription(keys={"p256dh": POINT[:-4], "auth": SECRET}),
        subscription(keys={"p256dh": "B" + "A" * 86, "auth": SECRET}),  # on no curve
        subscription(keys={"p256dh": POINT, "auth": SECRET + "AAAA"}),
    ],
)  # fmt: skip
def test_what_no_browser_gave_is_no_subscription(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        KINDS["webpush"].clean(given)
    assert refused.value.code == "bad_subscription"


def test_each_kind_cleans_its_addresses() -> None:
    assert KINDS["email"].clean("Ana@x.tw") == "ana@x.tw"
    assert KINDS["sms"].clean("+886 912-345-678") == "+886912345678"
    assert {kind.key for kind in KINDS.values()} == set(KINDS)
