"""What may be set for every email provider: refused clearly by the form, by REST, with a pointer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import verp
from channels.models import ChannelConfiguration
from channels.providers.smtp import SmtpForm
from tests import builders
from tests.api import Caller, pointers

BASE = {"host": "mail.example.com", "port": 587, "tls": "starttls"}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("error_address", "bounces@news.example.com", ""),
        ("error_address", "a-very-long-local-part@news.example.com", "bad_error_address"),
        ("error_address", "b+c@news.example.com", "bad_error_address"),
        ("error_address", "a@x.tw\r\nBcc: e@x.tw", "invalid"),
        ("bcc", "a@x.tw, b@x.tw", "invalid"),
        ("mail_headers", "X-Team: crm\nList-Id: <news.fernhill.example>", ""),
        ("mail_headers", "Bcc: evil@x.tw", "bad_header"),
        ("mail_headers", "Subject: again", "bad_header"),
        ("mail_headers", "X-Carillon-Message: forged", "bad_header"),
        ("mail_headers", "X Y: a", "bad_header"),
        ("mail_headers", "X-A: {{ profile.a", "template_syntax"),
        ("mail_headers", "\n".join(f"X-{n}: a" for n in range(11)), "too_many_headers"),
        ("url_parameters", "utm_source=a\nutm_medium={{ campaign.name }}", ""),
        ("url_parameters", "utm source=a", "bad_parameter"),
        ("url_parameters", f"a={'x' * 5001}", "bad_parameter"),
        ("url_parameters", "\n".join(f"p{n}=a" for n in range(11)), "too_many_parameters"),
        ("reply_to_template", "{{ ''.__class__ }}", "template_forbidden"),
        ("retry_hours", "0.1", "min_value"),
        ("retry_hours", "85", "max_value"),
        ("retry_waits", "1, soon", "bad_waits"),
        ("retry_waits", "0", "bad_waits"),
        ("retry_waits", "5, 1441", "bad_waits"),
        ("soft_bounces", "21", "max_value"),
        ("soft_bounce_days", "0", "min_value"),
    ],
)
def test_the_form_takes_what_is_right_and_says_what_is_wrong(field: str, value: str, code: str) -> None:
    form = SmtpForm({**BASE, field: value})
    faults = form.errors.as_data().get(field, [])
    assert [fault.code for fault in faults] == ([code] if code else [])
    assert set(form.errors) <= {field}


@pytest.mark.django_db
def test_what_depends_on_the_rest_is_told_with_its_place() -> None:
    call = Caller(builders.workspace(), "administrator")
    body: dict[str, Any] = {
        "name": "Main", "provider": "smtp", "senderName": "Fernhill", "senderEmail": "hello@fernhill.example",
        "settings": {**BASE, "retry_hours": 1, "error_address": "b@elsewhere.example"},
    }  # fmt: skip
    answer = call.post("/api/channel-configurations/", body)
    assert answer.status_code == 400
    assert pointers(answer) == [
        ("retry_too_short", "/settings/retry_hours"),
        ("bad_error_address", "/settings/error_address"),
    ]
    body["settings"] |= {"error_address": "b@bounces.fernhill.example", "retry_hours": 6}
    assert call.post("/api/channel-configurations/", body).status_code == 201
    assert ChannelConfiguration.objects.get().settings["error_address"] == "b@bounces.fernhill.example"


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 2**40 - 1),
    st.integers(0, 400),
    st.booleans(),
)
def test_an_address_names_its_message_in_any_case_and_nobody_can_make_one_up(
    run: int, action: int, ref: int, place: int, is_upper: bool
) -> None:
    key = f"{run}.{action}.{ref}"
    made = verp.address("bounces-address@news.example.com", verp.BOUNCE, key)
    assert len(made.rpartition("@")[0]) <= 64
    shown = made.upper() if is_upper else made
    assert verp.first_of(["nobody@x.tw", f"<{shown}>"]) == (verp.BOUNCE, key)
    token = made.partition("+")[2].partition("@")[0]
    at = place % (len(token) - 1)
    other = "a" if token[at] != "a" else "b"
    assert verp.read(token[:at] + other + token[at + 1 :]) is None
    assert verp.read(verp.token(verp.LEAVE, key)) == (verp.LEAVE, key)


def test_a_sample_has_no_token_and_keeps_the_plain_address() -> None:
    assert verp.address("b@x.tw", verp.BOUNCE, "sample") == "b@x.tw"
    assert verp.read("not a token") is None
