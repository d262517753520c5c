"""LINE, WhatsApp, Firebase, Apple and web push: what is theirs alone, in their published words."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.keywords import Asked, asked
from channels.kinds import KINDS
from channels.messages import Arrival, Fact, Fault, Happened, Outcome, Rendered
from channels.providers import sandbox, webpush
from channels.providers.base import BatchLane, Reading, ReceiptReader
from channels.providers.keywords_form import answer_to, words_of
from channels.providers.whatsapp import WhatsApp
from channels.signatures import NotGenuine
from common.errors import Invalid
from tests.channels.providers import BENCHES
from tests.fakes.apps import BROWSER, FakeFcm, FakeLine, FakePushService, FakeWhatsApp
from tests.fakes.http import FakeHttp, Received, Response
from tests.fakes.http2 import FakeApns

pytestmark = pytest.mark.usefixtures("loopback_is_ours")

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def send_many(key: str, server: Any, messages: Sequence[Rendered]) -> list[Outcome]:
    async def work() -> list[Outcome]:
        try:
            return await lane.send_many(messages)
        finally:
            await lane.close()

    lane = BENCHES[key].provider.open(BENCHES[key].configuration(server))
    assert isinstance(lane, BatchLane)
    return asyncio.run(work())


def facts(outcomes: Sequence[Outcome]) -> list[tuple[Fact, Fault | None]]:
    return [(outcome.fact, outcome.fault) for outcome in outcomes]


# ---- LINE ---------------------------------------------------------------------------------------
LINE = BENCHES["line"]


def followers(count: int, text: str = "x", first: int = 100) -> list[Rendered]:
    return [
        LINE.message(key=f"1.0.{number}", recipient=f"U{number:030x}ff", text=text)
        for number in range(first, first + count)
    ]


def test_those_who_get_the_very_same_go_out_in_one_multicast() -> None:
    same, other = followers(30), LINE.message(key="1.0.1", text="Ana")
    with FakeLine() as server:
        outcomes = send_many("line", server, [*same[:20], other, *same[20:]])
        calls = [request.path.rpartition("/")[2] for request in server.requests]
        assert calls == ["multicast", "push"]
        assert server.requests[0].json["to"] == [message.recipient for message in same]
        again = send_many("line", server, [*same[:20], other, *same[20:]])
    assert {outcome.fact for outcome in outcomes} == {Fact.ACCEPTED}
    assert [outcome.code for outcome in again] == ["409"] * 31  # the same keys, whoever tries again
    assert server.accepted == [*(message.recipient for message in same), other.recipient]


def test_one_bad_address_in_a_multicast_is_held_against_nobody_else() -> None:
    bad = LINE.message("wrong", key="1.0.5", text="x")
    with FakeLine() as server:
        outcomes = send_many("line", server, [*followers(3), bad])
    assert facts(outcomes) == [(Fact.ACCEPTED, None)] * 3 + [(Fact.REFUSED, Fault.ADDRESS)]
    assert len(server.accepted) == 3


def test_a_spent_quota_is_nobodys_fault_and_a_blocked_call_waits() -> None:
    with FakeLine() as server:
        server.is_spent = True
        assert facts(LINE.send(LINE.configuration(server), LINE.message())) == [(Fact.MISCONFIGURED, None)]
        server.is_spent = False
        assert facts(LINE.send(LINE.configuration(server), LINE.message("busy"))) == [(Fact.LATER, None)]


def test_line_shows_its_quota_in_the_rehearsal() -> None:
    with FakeLine() as server:
        steps = LINE.rehearse(LINE.configuration(server))
    assert [step.is_ok for step in steps] == [True] * 4
    assert "蕨丘 (@216ru)" in steps[1].said
    assert "1000" in steps[2].said
    assert "500" in steps[3].said


def line_event(kind: str, **more: Any) -> dict[str, Any]:
    source = {"type": "user", "userId": "U" + "a" * 32}
    usual = {"type": kind, "mode": "active", "timestamp": 1764072000000, "source": source,
             "webhookEventId": f"01FZ74A0TDDPYRVKNK77XKC3Z{len(kind)}", "replyToken": "t",
             "deliveryContext": {"isRedelivery": False}}  # fmt: skip
    return {**usual, **more}


def by_line(body: Any) -> Arrival:
    octets = json.dumps(body, ensure_ascii=False).encode()
    digest = hmac.new(FakeLine.channel_secret.encode(), octets, hashlib.sha256).digest()
    return Arrival("POST", "/", {"x-line-signature": base64.b64encode(digest).decode()}, octets, NOW)


def read(key: str, given: Arrival) -> Reading:
    provider = BENCHES[key].provider
    assert isinstance(provider, ReceiptReader)
    return provider.read_receipts(BENCHES[key].configuration(FakeHttp), given)


@pytest.fixture(autouse=True)
def _no_server() -> None:
    FakeHttp.port = 1


def test_followers_come_leave_and_write() -> None:
    text = {"type": "text", "id": "1", "text": "退訂"}
    events = [
        line_event("follow"), line_event("unfollow"), line_event("message", message=text),
        line_event("message", message={"type": "sticker", "id": "2"}),
        line_event("join", source={"type": "group"}),
    ]  # fmt: skip
    found = read("line", by_line({"destination": "U" + "f" * 32, "events": events})).replies
    assert [(one.sender, one.asks, one.text) for one in found] == [
        ("U" + "a" * 32, "start", ""), ("U" + "a" * 32, "stop", ""), ("U" + "a" * 32, "", "退訂"),
    ]  # fmt: skip
    assert found[0].at == datetime(2025, 11, 25, 12, tzinfo=UTC)
    assert found[0].event_id
    assert read("line", by_line({"destination": "U", "events": []})).replies == ()  # LINE's own “Verify”


@pytest.mark.parametrize("body", [[], None, 1, {"events": {}}, {"events": [1, None, {"type": "follow"}]}])
def test_nonsense_from_line_says_nothing(body: Any) -> None:
    assert read("line", by_line(body)).replies == ()


def test_what_line_did_not_sign_is_not_genuine() -> None:
    given = by_line({"events": []})
    for bad in (replace(given, body=given.body + b" "), replace(given, headers={})):
        with pytest.raises(NotGenuine):
            read("line", bad)
    with pytest.raises(Invalid):
        octets = b"{"
        digest = hmac.new(FakeLine.channel_secret.encode(), octets, hashlib.sha256).digest()
        read(
            "line",
            replace(given, body=octets, headers={"x-line-signature": base64.b64encode(digest).decode()}),
        )


def test_words_and_answers_of_a_configuration_take_the_place_of_ours() -> None:
    configuration = LINE.configuration(FakeHttp, stop_words="bye, 再見", answer_stop="Done.")
    assert asked("再見！", words=words_of(configuration)) is Asked.STOP
    assert asked("STOP", words=words_of(configuration)) is None
    assert asked("help", words=words_of(configuration)) is Asked.HELP
    assert answer_to(configuration, Asked.STOP) == "Done."
    assert answer_to(configuration, Asked.HELP) == ""
    assert asked("STOP", words=words_of(LINE.configuration(FakeHttp))) is Asked.STOP


# ---- WhatsApp -----------------------------------------------------------------------------------
META = BENCHES["whatsapp"]


def test_a_template_carries_its_parameters_where_they_belong() -> None:
    extra = {
        "template": "early_bird", "language": "zh_TW", "body": ["Ana\nB\t  c", ""],
        "buttons": [{"type": "url", "text": "ana"}, {"index": 2, "type": "quick_reply", "text": "no"},
                    {"type": "copy_code", "text": "X20"}],
    }  # fmt: skip
    with FakeWhatsApp() as server:
        META.send(META.configuration(server), META.message(extra=extra, image="https://x.tw/a.png"))
        META.send(META.configuration(server), META.message(extra={**extra, "header": "Hi", "buttons": []}))
        first, second = (request.json for request in server.requests)
    assert first["biz_opaque_callback_data"] == "1-1"
    assert first["template"]["name"], first["template"]["language"] == ("early_bird", {"code": "zh_TW"})
    header, body, url, reply, code = first["template"]["components"]
    assert header["parameters"] == [{"type": "image", "image": {"link": "https://x.tw/a.png"}}]
    assert [one["text"] for one in body["parameters"]] == ["Ana B c", "-"]
    assert (url["sub_type"], url["index"], url["parameters"][0]["text"]) == ("url", "0", "ana")
    assert (reply["index"], reply["parameters"]) == ("2", [{"type": "payload", "payload": "no"}])
    assert code["parameters"] == [{"type": "coupon_code", "coupon_code": "X20"}]
    assert second["template"]["components"][0]["parameters"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    ("code", "fact", "fault"),
    [
        (131026, Fact.REFUSED, None),
        (131050, Fact.REFUSED, Fault.OPTED_OUT),
        (132000, Fact.REFUSED, Fault.CONTENT),
        (131030, Fact.REFUSED, Fault.SENDER),
        (130429, Fact.LATER, None),
        (131000, Fact.LATER, None),
        (190, Fact.MISCONFIGURED, None),
        (131042, Fact.MISCONFIGURED, None),
        (133010, Fact.MISCONFIGURED, None),
    ],
)
def test_metas_codes_mean_what_meta_says(code: int, fact: Fact, fault: Fault | None) -> None:
    class Refusing(FakeWhatsApp):
        def answer(self, request: Received) -> Response:
            return self.problem(400, code, "x")

    with Refusing() as server:
        (outcome,) = META.send(META.configuration(server), META.message())
    assert (outcome.fact, outcome.fault, outcome.code) == (fact, fault, str(code))


def by_meta(value: dict[str, Any], number: str = FakeWhatsApp.number_id) -> Arrival:
    whole = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, **value}
    change = {"field": "messages", "value": whole}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "0", "changes": [change]}]}
    octets = json.dumps(body).encode()
    digest = hmac.new(FakeWhatsApp.app_secret.encode(), octets, hashlib.sha256).hexdigest()
    return Arrival("POST", "/", {"x-hub-signature-256": f"sha256={digest}"}, octets, NOW)


def status(name: str, **more: Any) -> dict[str, Any]:
    return {"id": "wamid.1", "status": name, "timestamp": "1764072000", "recipient_id": "886912345678",
            "biz_opaque_callback_data": "1.0.7", **more}  # fmt: skip


def test_whatsapp_tells_what_became_of_a_message_and_what_people_answer() -> None:
    errors = [{"code": 131026, "title": "Message undeliverable", "error_data": {"details": "Old version"}}]
    value = {
        "statuses": [status("sent"), status("delivered"), status("read"), status("failed", errors=errors),
                     status("warning"), {}],
        "messages": [
            {"from": "886912345678", "id": "wamid.2", "timestamp": "1764072000", "type": "text",
             "text": {"body": "STOP"}},
            {"from": "886912345678", "id": "wamid.3", "timestamp": "x", "type": "button",
             "button": {"text": "Yes", "payload": "p"}},
        ],
        "user_preferences": [{"wa_id": "886912345678", "category": "marketing_messages", "value": "stop",
                              "timestamp": 1764072000}],
    }  # fmt: skip
    found = read("whatsapp", by_meta(value))
    assert [one.happened for one in found.receipts] == [
        Happened.SENT, Happened.DELIVERED, Happened.OPENED, Happened.FAILED,
    ]  # fmt: skip
    assert {(one.key, one.provider_id) for one in found.receipts} == {("1.0.7", "wamid.1")}
    assert len({one.event_id for one in found.receipts}) == 4
    assert (found.receipts[3].code, found.receipts[3].detail) == ("131026", "Old version")
    assert [(one.sender, one.text, one.asks) for one in found.replies] == [
        ("+886912345678", "STOP", ""), ("+886912345678", "Yes", ""), ("+886912345678", "", "stop"),
    ]  # fmt: skip
    assert read("whatsapp", by_meta(value, number="99")).receipts == ()  # another number of the same app


def test_meta_is_answered_only_with_our_word() -> None:
    provider, configuration = WhatsApp(), META.configuration(FakeHttp)
    asks = {"hub.mode": "subscribe", "hub.verify_token": "our-word", "hub.challenge": "1158201444"}
    assert provider.verify(configuration, asks) == "1158201444"
    for bad in ({**asks, "hub.verify_token": "x"}, {**asks, "hub.mode": ""}, {}):
        with pytest.raises(NotGenuine):
            provider.verify(configuration, bad)
    for without in ({**META.secrets, "verify_token": ""}, {"access_token": "x"}):  # type: ignore[dict-item]
        unset = META.configuration(FakeHttp, secrets=without, verify_token="our-word")
        for word in ("", "our-word"):
            with pytest.raises(NotGenuine):
                provider.verify(unset, {**asks, "hub.verify_token": word})


# ---- Firebase -----------------------------------------------------------------------------------
FCM = BENCHES["fcm"]


def test_firebase_is_signed_in_to_once_and_gets_the_whole_notification() -> None:
    extra = {"data": {"offer": "7"}, "buttons": [{"label": "Open", "url": "https://x.tw/"}], "silent": True}
    message = FCM.message(extra=extra, url="https://x.tw/o", image="https://x.tw/i.png")
    with FakeFcm() as server:
        outcomes = FCM.send(FCM.configuration(server), message, FCM.message("next", key="2"))
        FCM.send(
            FCM.configuration(server), FCM.message(key="3", extra={"background": True, "data": {"a": "b"}})
        )
        assert server.signins == 1
        first, _second, third = server.accepted
    assert outcomes[0].provider_id.startswith("projects/fernhill-shop-1a2b3/messages/")
    assert first["notification"] == {"title": "Early", "body": FCM.text, "image": "https://x.tw/i.png"}
    assert (first["data"]["offer"], first["data"]["url"]) == ("7", "https://x.tw/o")
    assert first["android"]["notification"]["tag"] == first["apns"]["headers"]["apns-collapse-id"] == "1-1"
    assert first["apns"]["payload"]["aps"] == {"mutable-content": 1}
    assert third["data"] == {"a": "b", "carillon_key": "3"}
    assert "notification" not in third


def test_who_cannot_sign_in_at_firebase_sends_nothing_and_blames_nobody() -> None:
    class Away(FakeFcm):
        def aside(self, request: Received) -> Response | None:
            return Response(503, b"") if request.path == "/token" else None

    with Away() as server:
        assert facts(FCM.send(FCM.configuration(server), FCM.message())) == [(Fact.UNREACHABLE, None)]
    with FakeFcm() as server:
        other = json.dumps({**json.loads(FakeFcm.account), "client_email": "other@x.tw"})
        configuration = FCM.configuration(server, secrets={"service_account": other})
        (outcome,) = FCM.send(configuration, FCM.message())
        assert (outcome.fact, outcome.code) == (Fact.MISCONFIGURED, "invalid_grant")
        assert server.requests == []


def test_a_token_that_firebase_takes_back_is_asked_for_anew() -> None:
    with FakeFcm() as server:
        server.manner = "unauthorized"
        FCM.send(FCM.configuration(server), FCM.message())
        server.manner = ""
        assert FCM.send(FCM.configuration(server), FCM.message())[0].fact is Fact.ACCEPTED
        assert server.signins == 2


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", '{"client_email": "a@b", "private_key": "x"}', "[" * 9000]
)
def test_what_is_no_service_accounts_key_is_refused(text: str) -> None:
    where = {"api_url": "https://fcm.googleapis.com", "token_url": "https://oauth2.googleapis.com/token"}
    form = FCM.provider.Form({"project_id": FakeFcm.project, "service_account": text, **where})
    assert form.is_valid() == (text == "")


# ---- Apple --------------------------------------------------------------------------------------
APNS = BENCHES["apns"]


def test_apple_gets_a_notification_over_http2_with_the_same_id_at_every_try() -> None:
    message = APNS.message(extra={"data": {"aps": "x", "offer": "7"}}, url="https://x.tw/o")
    quiet = APNS.message(key="2", extra={"background": True})
    with FakeApns() as server:
        APNS.send(APNS.configuration(server), message, quiet)
        APNS.send(APNS.configuration(server), message)
        first, second, again = server.requests
        payload = server.accepted[0]
    assert payload["aps"] == {"alert": {"title": "Early", "body": APNS.text}, "sound": "default"}
    assert (payload["offer"], payload["url"]) == ("7", "https://x.tw/o")
    assert first.headers["apns-id"] == again.headers["apns-id"] != second.headers["apns-id"]
    assert first.headers["authorization"] == again.headers["authorization"]  # Apple wants it kept
    assert first.connection == second.connection
    assert second.headers["apns-priority"] == "5"


@pytest.mark.parametrize(("bench", "fake"), [(FCM, FakeFcm), (APNS, FakeApns)])
def test_a_notification_that_no_device_could_take_is_not_sent_and_the_next_one_is(
    bench: Any, fake: Any
) -> None:
    """4 kB are what both carriers take; the catalogue's 5 kB (3.19) are never reached."""
    large, long = bench.message(text="雪" * 1400), bench.message(key="2", text="x" * 3000)
    with fake() as server:
        found = bench.send(bench.configuration(server), large, long)
        assert facts(found) == [(Fact.REFUSED, Fault.CONTENT), (Fact.ACCEPTED, None)]
        assert "4 kB" in found[0].detail and len(server.accepted) == 1


def test_tokens_of_other_platforms_are_nobodys_fault() -> None:
    with FakeApns() as server:
        configuration = APNS.configuration(server)
        for token in ("fcm:" + "a" * 40, "apnssandbox:" + "0" * 64):
            assert facts(APNS.send(configuration, APNS.message(recipient=token))) == [
                (Fact.REFUSED, Fault.SENDER)
            ]
        (wrong_app,) = APNS.send(APNS.configuration(server, topic="tw.other"), APNS.message())
        (foreign,) = APNS.send(configuration, APNS.message(recipient="apns:" + "a" * 62 + "04"))
    assert (wrong_app.fact, wrong_app.code) == (Fact.MISCONFIGURED, "TopicDisallowed")
    assert facts([foreign]) == [(Fact.REFUSED, Fault.SENDER)]


# ---- web push -----------------------------------------------------------------------------------
PUSH = BENCHES["webpush"]


def test_a_browser_can_open_what_it_is_sent_and_nobody_else() -> None:
    extra = {"icon": "https://x.tw/i.png", "buttons": [{"label": "Open", "url": "https://x.tw/"}]}
    with FakePushService() as server:
        configuration = PUSH.configuration(server)
        (outcome,) = PUSH.send(configuration, PUSH.message(extra=extra, url="https://x.tw/o"))
        body, (shown,) = server.requests[0].body, server.accepted
    assert outcome.provider_id.endswith("/m/1")
    assert shown == {
        "title": "Early", "body": PUSH.text, "tag": "1-1", "url": "https://x.tw/o", "icon": "https://x.tw/i.png",
        "buttons": extra["buttons"],
    }  # fmt: skip
    assert PUSH.text.encode() not in body
    assert webpush.encrypt(b"x", BROWSER_POINT, BROWSER.auth) != webpush.encrypt(
        b"x", BROWSER_POINT, BROWSER.auth
    )


BROWSER_POINT = webpush.octets_of(json.loads(BROWSER.subscription(""))["keys"]["p256dh"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("04", (Fact.REFUSED, Fault.SENDER)),  # Google: this browser subscribed with another key
        ("05", (Fact.REFUSED, Fault.SENDER)),  # Mozilla's words for the same
        ("06", (Fact.MISCONFIGURED, None)),  # Apple refuses what every message is signed with
    ],
)
def test_a_refused_signature_is_our_fault_and_none_of_the_browsers(
    code: str, expected: tuple[Fact, Fault | None]
) -> None:
    with FakePushService() as server:
        configuration = PUSH.configuration(server)
        (outcome,) = PUSH.send(
            configuration, PUSH.message(recipient=BROWSER.subscription(f"{server.url}/{code}"))
        )
    assert facts([outcome]) == [expected]


def test_a_pair_of_keys_is_made_by_pressing_a_button() -> None:
    form = webpush.WebPushForm({"contact": "mailto:a@x.tw", "new_keys": "on"})
    assert form.is_valid()
    private = json.loads(form.secret())["private_key"]
    assert form.plain_settings() == {
        "contact": "mailto:a@x.tw", "public_key": webpush.public_of(private), "site_name": "",
    }  # fmt: skip
    for given in ({"contact": "a@x.tw"}, {"contact": "mailto:a@x.tw", "private_key": "x"}):
        assert not webpush.WebPushForm(given).is_valid()


# ---- the sandbox --------------------------------------------------------------------------------
def test_the_sandbox_carries_every_channel_and_answers_by_the_address() -> None:
    assert set(sandbox.Sandbox.channels) == set(KINDS)
    endings = {"0001": "refuse", "0006": "gone", "1234": ""}
    for ending, manner in endings.items():
        for start in ("+8869100", "U" + "a" * 28, "fcm:aaaa"):
            assert sandbox.manner_of(start + ending) == manner
    assert sandbox.manner_of("later+crm-7") == "later"
    assert sandbox.manner_of("+886912340001") == "refuse"
    assert sandbox.manner_of("order0001@x.tw") == ""
