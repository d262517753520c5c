"""Mail through services with an API: what travels, and whom their own codes blame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels.messages import Fact, Fault
from tests.channels.providers import BENCHES
from tests.fakes.http import FakeHttp, Received, Response

KEYS = ("sendgrid", "mailgun", "postmark", "brevo")


@pytest.fixture(autouse=True)
def _ours(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]


@pytest.mark.parametrize("key", KEYS)
def test_everything_of_a_mail_travels_and_no_line_break_becomes_a_header(key: str) -> None:
    bench = BENCHES[key]
    message = bench.message(
        subject="早鳥\r\nBcc: thief@example.com",
        sender_name="Fern 蕨丘\r\nX",
        reply_to="answers@fernhill.example",
        bcc="archive@fernhill.example",
        headers={"List-Unsubscribe": "<https://a.example/leave>", "X-Carillon-Message": "token-1"},
    )
    with bench.server() as server:
        (outcome,) = bench.send(bench.configuration(server), message)
        (request,) = server.requests
    assert outcome.fact is Fact.ACCEPTED
    told = json.dumps(request.form if key == "mailgun" else request.json, ensure_ascii=False)
    for part in (
        "早鳥 Bcc: thief@example.com", "蕨丘 X", "answers@fernhill.example", "archive@fernhill.example",
        "<https://a.example/leave>", "token-1", "<p>x</p>", "早一天 Early", "hello@fernhill.example",
    ):  # fmt: skip
        assert part in told
    (after,) = bench.send(bench.configuration(server), bench.message(headers={"To": "thief@example.com"}))
    assert (after.fact, after.fault) == (Fact.REFUSED, Fault.CONTENT)


@pytest.mark.parametrize(
    ("key", "status", "body", "fact", "fault"),
    [
        ("postmark", 422, {"ErrorCode": 401, "Message": "Not confirmed."}, Fact.MISCONFIGURED, None),
        ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'From' address."}, Fact.REFUSED, None),
        ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'good@example.com'."},
         Fact.REFUSED, Fault.ADDRESS),
        ("sendgrid", 403, {"errors": [{"message": "No verified Sender Identity.", "field": "from"}]},
         Fact.MISCONFIGURED, None),
        ("sendgrid", 400, {"errors": [{"message": "Invalid.", "field": "from.email"}]}, Fact.REFUSED, None),
        ("mailgun", 404, {"message": "Domain not found: mg.fernhill.example"}, Fact.MISCONFIGURED, None),
        ("brevo", 402, {"code": "not_enough_credits", "message": "No."}, Fact.MISCONFIGURED, None),
    ],
)  # fmt: skip
def test_only_what_is_about_the_recipient_is_held_against_them(
    key: str, status: int, body: Any, fact: Fact, fault: Fault | None
) -> None:
    class Says(FakeHttp):
        def answer(self, request: Received) -> Response:
            return Response(status, body)

    with Says() as server:
        (outcome,) = BENCHES[key].send(BENCHES[key].configuration(server), BENCHES[key].message())
    assert (outcome.fact, outcome.fault) == (fact, fault)
