"""Mail through services with an API: what travels, and whom their own codes blame."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from channels.messages import Attachment, Fact, Fault, Outcome, Rendered
from channels.providers.base import BatchLane, FindingLane
from tests.channels.providers import BENCHES
from tests.fakes.http import FakeHttp, Received, Response

pytestmark = pytest.mark.usefixtures("loopback_is_ours")

KEYS = (
    "sendgrid", "mailgun", "postmark", "brevo", "mailjet", "mailersend", "mandrill", "resend", "sparkpost",
    "unisender_go", "scaleway",
)  # fmt: skip


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
        assert part in told or (key == "mailersend" and part == "token-1"), part
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
        ("mailjet", 400, {"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "send-0008", "StatusCode":
          403, "ErrorMessage": "From is not authorized.", "ErrorRelatedTo": ["From"]}]}]},
         Fact.MISCONFIGURED, None),
        ("mailersend", 202, {"message": "There are some warnings", "warnings": [{"type": "ALL_SUPPRESSED",
          "recipients": [{"email": "good@example.com", "reasons": ["unsubscribed"]}]}]},
         Fact.REFUSED, Fault.OPTED_OUT),
        ("mailersend", 202, {"message": "There are some warnings", "warnings": [{"type": "ALL_SUPPRESSED",
          "recipients": [{"email": "good@example.com", "reasons": ["hard_bounced"]}]}]},
         Fact.REFUSED, Fault.ADDRESS),
        ("mandrill", 200, [{"email": "good@example.com", "status": "rejected", "_id": "a",
          "reject_reason": "unsigned"}], Fact.MISCONFIGURED, None),
        ("mandrill", 200, [{"email": "good@example.com", "status": "rejected", "_id": "a",
          "reject_reason": "unsub"}], Fact.REFUSED, Fault.OPTED_OUT),
        ("mandrill", 500, {"status": "error", "code": 10, "name": "PaymentRequired", "message": "No."},
         Fact.MISCONFIGURED, None),
        ("resend", 403, {"statusCode": 403, "name": "validation_error", "message": "Domain not verified."},
         Fact.MISCONFIGURED, None),
        ("resend", 429, {"statusCode": 429, "name": "daily_quota_exceeded", "message": "Enough."},
         Fact.LATER, None),
        ("sparkpost", 420, {"errors": [{"message": "Exceed Sending Limit (hourly)", "code": "2102"}]},
         Fact.LATER, None),
        ("sparkpost", 400, {"errors": [{"message": "Invalid domain", "code": "7001"}]},
         Fact.MISCONFIGURED, None),
        ("sparkpost", 400, {"errors": [{"message": "Message generation rejected", "code": "1902"}]},
         Fact.REFUSED, Fault.OPTED_OUT),
        ("unisender_go", 400, {"status": "error", "code": 204, "message": "x",
          "failed_emails": {"good@example.com": "unsubscribed"}}, Fact.REFUSED, Fault.OPTED_OUT),
        ("unisender_go", 401, {"status": "error", "code": 114, "message": "Can't decode token"},
         Fact.MISCONFIGURED, None),
        ("scaleway", 403, {"type": "quotas_exceeded", "message": "quota exceeded"}, Fact.MISCONFIGURED, None),
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


# ---- many in one call ---------------------------------------------------------------------------
TOGETHER = ("postmark", "brevo", "mailjet", "resend")


def send_many(key: str, messages: list[Rendered], **changes: Any) -> tuple[list[Outcome], Any]:
    """The outcomes, and the server that gave them."""

    async def work(lane: Any) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = await lane.send_many(messages)
            return outcomes
        finally:
            await lane.close()

    with BENCHES[key].server() as server:
        server.manner = changes.pop("manner", "")
        lane = BENCHES[key].provider.open(BENCHES[key].configuration(server))
        assert isinstance(lane, BatchLane)
        return asyncio.run(work(lane)), server


def letters(key: str, *kinds: str) -> list[Rendered]:
    bench = BENCHES[key]
    return [
        bench.message(kind, key=f"1.0.{number}", subject=f"For {number}", html=f"<p>{number}</p>")
        for number, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize("key", TOGETHER)
def test_many_mails_leave_in_one_call_each_with_its_own_words(key: str) -> None:
    outcomes, server = send_many(key, letters(key, "good", "next", "good"))
    assert [one.fact for one in outcomes] == [Fact.ACCEPTED] * 3
    assert len({one.provider_id for one in outcomes}) == 3
    (request,) = server.requests
    told = json.dumps(request.json)
    for part in ("For 0", "For 1", "For 2", "<p>2</p>", "1.0.0", "1.0.2"):
        assert part in told


@pytest.mark.parametrize("key", TOGETHER)
def test_one_wrong_address_among_many_is_told_apart_and_holds_up_nobody(key: str) -> None:
    outcomes, server = send_many(key, letters(key, "good", "wrong", "next"))
    assert [one.fact for one in outcomes] == [Fact.ACCEPTED, Fact.REFUSED, Fact.ACCEPTED]
    assert outcomes[1].fault is Fault.ADDRESS
    sent_alone = len(server.requests) - server.batches
    assert (server.batches, sent_alone) == (1, 3 if key in ("brevo", "resend") else 0)


@pytest.mark.parametrize("key", TOGETHER)
@pytest.mark.parametrize(
    ("manner", "fact"),
    [("drop", Fact.UNCERTAIN), ("too_many", Fact.LATER), ("unauthorized", Fact.MISCONFIGURED),
     ("not_json", Fact.UNCERTAIN), ("gateway", Fact.UNCERTAIN)],
)  # fmt: skip
def test_what_happens_to_a_call_happens_to_all_in_it_and_nothing_is_sent_twice(
    key: str, manner: str, fact: Fact
) -> None:
    outcomes, server = send_many(key, letters(key, "good", "next"), manner=manner)
    assert [(one.fact, one.fault) for one in outcomes] == [(fact, None)] * 2
    assert len(server.requests) == 1


@pytest.mark.parametrize("key", TOGETHER)
def test_a_mail_that_cannot_be_written_or_has_files_is_left_out_of_the_call(key: str) -> None:
    first, second, third, fourth = letters(key, "good", "next", "good", "next")
    file = Attachment("a.pdf", "application/pdf", b"%PDF")
    messages = [first, replace(second, recipient="x y"), replace(third, attachments=(file,)), fourth]
    outcomes, server = send_many(key, messages)
    assert [one.fact for one in outcomes] == [Fact.ACCEPTED, Fact.REFUSED, Fact.ACCEPTED, Fact.ACCEPTED]
    assert (server.batches, len(server.requests)) == (1, 2)


def test_braces_of_an_author_are_no_template_of_sparkposts() -> None:
    bench = BENCHES["sparkpost"]
    with bench.server() as server:
        bench.send(bench.configuration(server), bench.message(html="<p>{{ x }}</p>", text="x"))
        (request,) = server.requests
    html = request.json["content"]["html"]
    assert html == "<p>{{opening_double_curly()}} x {{closing_double_curly()}}</p>"


def found(key: str, about: str, **changes: Any) -> Outcome:
    bench = BENCHES[key]

    async def ask() -> Outcome:
        lane = bench.provider.open(bench.configuration(server, **changes))
        assert isinstance(lane, FindingLane)
        try:
            return await lane.find(about, "good@example.com")
        finally:
            await lane.close()

    with bench.server() as server:
        return asyncio.run(ask())


def test_a_service_that_keeps_what_it_took_tells_what_became_of_a_mail() -> None:
    had = found("postmark", "1-1")
    assert (had.fact, had.provider_id) == (Fact.ACCEPTED, "pm-1-1")
    had = found("mailgun", "1-1")
    assert (had.fact, had.provider_id) == (Fact.ACCEPTED, "<0001@mg.fernhill.example>")
    refused = found("mailgun", "1-2")
    assert (refused.fact, refused.detail) == (Fact.REFUSED, "Sandbox")


@pytest.mark.parametrize("together", [False, True])
def test_mailjet_tells_of_each_mail_by_the_name_we_gave_it(together: bool) -> None:
    bench = BENCHES["mailjet"]
    messages = [bench.message(key=f"1-{number}", recipient=f"p{number}@example.com") for number in (1, 2)]

    async def send_and_ask(configuration: Any) -> tuple[Outcome, Outcome]:
        lane = bench.provider.open(configuration)
        assert isinstance(lane, FindingLane) and isinstance(lane, BatchLane)
        try:
            if together:
                await lane.send_many(messages)
            else:
                for message in messages:
                    await lane.send(message)
            return await lane.find("1-2", "p2@example.com"), await lane.find("9-9", "p2@example.com")
        finally:
            await lane.close()

    with bench.server() as server:
        has, none = asyncio.run(send_and_ask(bench.configuration(server)))
    assert (has.fact, has.provider_id, has.detail) == (Fact.ACCEPTED, "70001", "sent")
    assert none.fact is Fact.UNCERTAIN


@pytest.mark.parametrize("key", ["postmark", "mailgun", "mailjet", "sendgrid"])
def test_of_a_mail_it_does_not_know_nothing_is_claimed(key: str) -> None:
    assert found(key, "9-9").fact is Fact.UNCERTAIN
