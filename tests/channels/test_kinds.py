"""One address, one spelling."""

from __future__ import annotations

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


def test_each_kind_cleans_its_addresses() -> None:
    assert KINDS["email"].clean("Ana@x.tw") == "ana@x.tw"
    assert KINDS["sms"].clean("+886 912-345-678") == "+886912345678"
    assert {kind.key for kind in KINDS.values()} == set(KINDS)
