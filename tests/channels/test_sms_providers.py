"""What is particular to one provider: its words on the wire, and what its own codes mean."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from standardwebhooks import Webhook

from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.payload import Payload
from channels.providers import infobip, twilio, vonage
from channels.providers.base import BatchLane
from channels.providers.over_http import along, wait_of
from channels.providers.sms_http import NAMES, SmsHttpForm
from channels.providers.webhook import WebhookForm
from common.errors import Invalid
from tests.channels.providers import BENCHES, Bench
from tests.fakes.http import FakeHttp, Received, Response
from tests.fakes.vendors import FakeReceiver

pytestmark = pytest.mark.usefixtures("loopback_is_ours")


class Says(FakeHttp):
    """Answers everything with one response."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__()
        self.response = Response(status, body)

    def answer(self, request: Received) -> Response:
        return self.response


def said(key: str, status: int, body: Any) -> Outcome:
    bench = BENCHES[key]
    with Says(status, body) as server:
        return bench.send(bench.configuration(server), bench.message())[0]


# ---- on the wire --------------------------------------------------------------------------------
def test_twilio_gets_its_form_fields() -> None:
    bench = BENCHES["twilio"]
    with bench.server() as server:
        (outcome,) = bench.send(bench.configuration(server), bench.message())
    (request,) = server.requests
    assert request.path.endswith("/Messages.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    form = dict(request.form)
    back = form.pop("StatusCallback")
    assert back.endswith("/?key=1-1") and "/hooks/" in back
    assert form == {"To": "+886912345678", "From": "+15005550006", "Body": "早一天 Early"}
    assert outcome.provider_id.startswith("SM")


def test_twilio_sends_through_a_messaging_service_and_with_an_api_key() -> None:
    bench, service, key = BENCHES["twilio"], "MG" + "1" * 32, "SK" + "2" * 32
    with Says(201, {"sid": "SM1", "status": "accepted"}) as server:
        secrets = {"auth_token": "t", "api_key_secret": "s3cret"}
        configuration = bench.configuration(server, sender=service, api_key=key, secrets=secrets)
        bench.send(configuration, bench.message())
    (request,) = server.requests
    assert request.form["MessagingServiceSid"] == service
    assert "From" not in request.form
    assert request.headers["authorization"].startswith("Basic U0sy")  # the key, not the account


def test_vonage_gets_json_and_is_told_the_alphabet() -> None:
    bench = BENCHES["vonage"]
    with bench.server() as server:
        bench.send(bench.configuration(server), bench.message(), bench.message("next", text="Hi", key="1-2"))
    first, second = (request.json for request in server.requests)
    assert "/hooks/" in first.pop("webhook_url") and first.pop("webhook_version") == "v1"
    assert first == {
        "channel": "sms", "message_type": "text", "to": "886912345678", "from": "15005550006",
        "text": "早一天 Early", "client_ref": "1-1", "sms": {"encoding_type": "unicode"},
    }  # fmt: skip
    assert second["sms"] == {"encoding_type": "text"}


def many(bench: Bench, server: Any, messages: list[Rendered]) -> list[Outcome]:
    async def work() -> list[Outcome]:
        lane = bench.provider.open(bench.configuration(server))
        assert isinstance(lane, BatchLane)
        try:
            return await lane.send_many(messages)
        finally:
            await lane.close()

    return asyncio.run(work())


def test_infobip_takes_many_messages_in_one_request_and_answers_for_each() -> None:
    bench = BENCHES["infobip"]
    kinds = ["good", "wrong", "next", "stopped", "busy", "forbidden"]
    messages = [bench.message(kind, key=f"1-{number}") for number, kind in enumerate(kinds)]
    messages.insert(2, bench.message(recipient="nobody", key="1-9"))
    with bench.server() as server:
        outcomes = many(bench, server, messages)
    assert len(server.requests) == 1
    assert [(one.fact, one.fault) for one in outcomes] == [
        (Fact.ACCEPTED, None),
        (Fact.REFUSED, Fault.ADDRESS),
        (Fact.REFUSED, Fault.ADDRESS),
        (Fact.ACCEPTED, None),
        (Fact.REFUSED, Fault.OPTED_OUT),
        (Fact.LATER, None),
        (Fact.REFUSED, Fault.SENDER),
    ]
    assert [one.provider_id for one in outcomes if one.fact is Fact.ACCEPTED] == ["1-0", "1-2"]


def test_one_message_that_infobip_cannot_read_takes_no_other_with_it() -> None:
    bench = BENCHES["infobip"]
    messages = [bench.message(key=f"1-{n}", recipient=f"+8869123456{n:02}") for n in range(10, 26)]
    messages[5] = replace(messages[5], recipient="+886912345699")
    with bench.server() as server:
        outcomes = many(bench, server, messages)
    assert [one.fact is Fact.ACCEPTED for one in outcomes] == [n != 5 for n in range(16)]
    assert outcomes[5].fact is Fact.REFUSED
    assert len(server.requests) < 12
    assert len(server.taken) == 15


def test_a_second_copy_of_what_infobip_took_counts_as_the_first() -> None:
    bench = BENCHES["infobip"]
    with bench.server() as server:
        first, second = bench.send(bench.configuration(server), bench.message(), bench.message())
    assert (first.fact, second.fact, second.provider_id) == (Fact.ACCEPTED, Fact.ACCEPTED, "1-1")
    assert second.code == "REJECTED_DUPLICATE_MESSAGE_ID"
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    "body", [{"messages": []}, {"messages": [{"messageId": "1-7"}]}, {"messages": 7}, []]
)
def test_a_message_that_infobip_does_not_speak_of_is_uncertain(body: Any) -> None:
    assert said("infobip", 200, body).fact is Fact.UNCERTAIN


def test_a_batch_that_is_given_up_is_uncertain_for_each_message() -> None:
    bench = BENCHES["infobip"]
    with bench.server("drop") as server:
        outcomes = many(bench, server, [bench.message(key=f"1-{n}") for n in range(3)])
    assert {one.fact for one in outcomes} == {Fact.UNCERTAIN}
    assert len(server.requests) == 1


def test_a_webhook_is_signed_so_that_their_own_library_accepts_it() -> None:
    bench = BENCHES["webhook"]
    with bench.server() as server:
        (outcome,) = bench.send(bench.configuration(server), bench.message())
    (request,) = server.requests
    assert outcome.fact is Fact.ACCEPTED
    assert Webhook(FakeReceiver.secret).verify(request.body, request.headers)["data"] == {"name": "蕨丘"}
    assert request.headers["webhook-id"] == "1-1"
    assert (request.headers["x-team"], request.headers["content-type"]) == ("crm", "application/json")


@pytest.mark.parametrize(
    "text", ["", "x", "{", "NaN", '{"a": Infinity}', "[" * 100_000, '"' + "x" * 300_000 + '"']
)
def test_a_webhook_posts_nothing_but_json_of_a_bearable_size(text: str) -> None:
    bench = BENCHES["webhook"]
    with bench.server() as server:
        (outcome,) = bench.send(bench.configuration(server), bench.message(text=text))
    assert (outcome.fact, outcome.fault) == (Fact.REFUSED, Fault.CONTENT)
    assert server.requests == []


def test_what_a_webhooks_receiver_says_is_never_shown() -> None:
    outcome = said("webhook", 400, {"secret": "inside words"})
    assert outcome.fact is Fact.REFUSED
    assert "inside" not in outcome.detail


# ---- what codes mean ----------------------------------------------------------------------------
@pytest.mark.parametrize(("code", "meaning"), twilio.CODES.items())
def test_twilios_codes(code: str, meaning: tuple[Fact, Fault | None]) -> None:
    outcome = said("twilio", 400, {"code": int(code), "message": "Words", "status": 400})
    assert (outcome.fact, outcome.fault, outcome.code, outcome.detail) == (*meaning, code, "Words")


@pytest.mark.parametrize(("code", "meaning"), vonage.CODES.items())
def test_vonages_codes(code: str, meaning: tuple[Fact, Fault | None]) -> None:
    body = {
        "type": f"https://developer.vonage.com/api-errors/messages#{code}",
        "title": code,
        "detail": "Words",
    }
    outcome = said("vonage", 422, body)
    assert (outcome.fact, outcome.fault, outcome.code, outcome.detail) == (*meaning, code, "Words")


@pytest.mark.parametrize(
    ("name", "fact", "fault"),
    [("to", Fact.REFUSED, Fault.ADDRESS), ("from", Fact.MISCONFIGURED, None), ("ttl", Fact.REFUSED, None)],
)
def test_vonage_names_the_parameter_that_is_wrong(name: str, fact: Fact, fault: Fault | None) -> None:
    body = {
        "type": "https://developer.vonage.com/api-errors#invalid-params", "title": "Your request is invalid",
        "invalid_parameters": [{"name": name, "reason": "must be right"}],
    }  # fmt: skip
    outcome = said("vonage", 422, body)
    assert (outcome.fact, outcome.fault) == (fact, fault)


@pytest.mark.parametrize(("code", "meaning"), infobip.CODES.items())
def test_infobips_codes(code: str, meaning: tuple[Fact, Fault | None]) -> None:
    if code.isupper() and "_" in code and not code.startswith("TOO"):
        status = {"groupId": 5, "groupName": "REJECTED", "id": 1, "name": code, "description": "Words"}
        outcome = said("infobip", 200, {"messages": [{"messageId": "1-1", "status": status}]})
    else:
        outcome = said("infobip", 400, {"errorCode": code, "description": "Words"})
    assert (outcome.fact, outcome.fault, outcome.code, outcome.detail) == (*meaning, code, "Words")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("key", ["twilio", "vonage", "infobip", "sms_http", "webhook"])
@pytest.mark.parametrize(
    ("status", "fact"),
    [
        (301, Fact.MISCONFIGURED), (304, Fact.MISCONFIGURED), (400, Fact.REFUSED), (401, Fact.MISCONFIGURED),
        (402, Fact.MISCONFIGURED), (403, Fact.MISCONFIGURED), (404, Fact.MISCONFIGURED), (408, Fact.LATER),
        (409, Fact.LATER), (410, Fact.MISCONFIGURED), (413, Fact.REFUSED), (418, Fact.REFUSED),
        (422, Fact.REFUSED), (425, Fact.LATER), (429, Fact.LATER), (500, Fact.LATER), (502, Fact.LATER),
        (503, Fact.LATER), (504, Fact.UNCERTAIN), (599, Fact.LATER), (799, Fact.UNCERTAIN),
    ],
)  # fmt: skip
def test_a_status_without_words_is_a_fact(key: str, status: int, fact: Fact) -> None:
    outcome = said(key, status, b"")
    assert (outcome.fact, outcome.code) == (fact, str(status))


@pytest.mark.parametrize(
    "body",
    [{"sid": None}, {"sid": {"a": 1}}, {"sid": [1]}, {"sid": ""}, [], None, "x", {"message_uuid": True}, 7],
)
@pytest.mark.parametrize("key", ["twilio", "vonage", "infobip", "sms_http"])
def test_a_success_in_unknown_words_is_uncertain(key: str, body: Any) -> None:
    assert said(key, 200, body).fact is Fact.UNCERTAIN


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7.0), (" 0 ", 0.0), ("99999999999999999999", 3600.0), ("-5", None), ("7.5", None),
        ("soon", None), ("", None),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0), ("Tue, 24 Nov 2020 12:00:30 GMT", 0.0),
        ("Tue, 24 Nov 9999 12:00:30 GMT", 3600.0), ("Tue, 99 Nov 2026", None), ("٧", None),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_read_and_bounded(given: str, seconds: float | None) -> None:
    assert wait_of(given, datetime(2026, 11, 24, 12, tzinfo=UTC)) == seconds


# ---- the configurable gateway -------------------------------------------------------------------
def gateway(server: Any, **changes: Any) -> ChannelConfiguration:
    return BENCHES["sms_http"].configuration(server, **changes)


def sent(**changes: Any) -> Received:
    bench = BENCHES["sms_http"]
    with Says(200, {"result": "ok", "messages": [{"id": 7}]}) as server:
        (outcome,) = bench.send(gateway(server, **changes), bench.message())
    assert (outcome.fact, outcome.provider_id) == (Fact.ACCEPTED, "7")
    (request,) = server.requests
    return request


@pytest.mark.parametrize(
    ("auth", "name", "header", "value"),
    [
        ("basic", "us", "authorization", "Basic dXM6Z2F0ZXdheS1rZXktMDAwMDAwMDAwMDE="),
        ("bearer", "", "authorization", "Bearer gateway-key-00000000001"),
        ("header", "X-Api-Key", "x-api-key", "gateway-key-00000000001"),
    ],
)
def test_a_gateway_is_signed_in_to_by_a_header(auth: str, name: str, header: str, value: str) -> None:
    assert sent(auth=auth, auth_name=name).headers[header] == value


def test_a_gateway_is_signed_in_to_by_the_address_or_not_at_all() -> None:
    assert sent(auth="query", auth_name="apikey").query == {"apikey": "gateway-key-00000000001"}
    assert "authorization" not in sent(auth="none").headers


@pytest.mark.parametrize("sent_as", ["json", "form", "query"])
def test_a_gateway_is_signed_in_to_by_a_signature_of_what_is_sent(sent_as: str) -> None:
    request = sent(auth="hmac", auth_name="X-Mac", auth_hash="sha512-hex", sent_as=sent_as)
    signed = request.body or urlencode(request.query).encode()
    assert b"Early" in signed
    known = hmac.new(b"gateway-key-00000000001", signed, hashlib.sha512).hexdigest()
    assert request.headers["x-mac"] == known
    short = sent(auth="hmac", auth_name="X-Mac", auth_hash="sha256-base64").headers["x-mac"]
    assert len(b64decode(short)) == 32


def test_a_gateway_gets_headers_of_its_own_beside_the_sign_in() -> None:
    headers = sent(headers="X-Team: crm\nX-Region: tw").headers
    assert (headers["x-team"], headers["x-region"]) == ("crm", "tw")
    assert headers["x-api-key"] == "gateway-key-00000000001"


def test_a_gateway_is_signed_in_to_by_a_token_that_we_sign() -> None:
    claims = '{"iss": "fernhill", "aud": "gate"}'
    request = sent(auth="jwt", auth_claims=claims, secrets={"auth_secret": "j" * 32})
    token = request.headers["authorization"].removeprefix("Bearer ")
    told = jwt.decode(token, "j" * 32, algorithms=["HS256"], audience="gate")
    assert told["iss"] == "fernhill" and told["exp"] - told["iat"] == 300


class GivesTokens(FakeHttp):
    """Gives out a token at /token, and takes messages with the last one only."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def answer(self, request: Received) -> Response:
        if request.path == "/token":
            asked = request.json if request.headers["content-type"] == "application/json" else request.form
            if (asked["client_id"], asked["client_secret"]) != ("crm", "gateway-key-00000000001"):
                return Response(401, {"error": "invalid_client"})
            self.given += 1
            told = {"access_token": f"T-{self.given}", "expires_in": 3600, "scope": asked["scope"]}
            return Response(200, told)
        if request.headers.get("authorization") != f"Bearer T-{self.given}":
            return Response(401, {"error": "expired"})
        return Response(200, {"result": "ok", "messages": [{"id": 7}]})


@pytest.mark.parametrize("sent_as", ["form", "json"])
def test_a_gateway_gives_out_a_token_once_and_anew_when_it_takes_it_back(sent_as: str) -> None:
    bench = BENCHES["sms_http"]
    with GivesTokens() as server:
        oauth = {
            "auth": "oauth", "auth_name": "crm", "auth_claims": '{"scope": "sms"}', "auth_sent_as": sent_as,
            "auth_token_url": f"{server.url}/token",
        }  # fmt: skip
        configuration = gateway(server, **oauth)
        many = bench.send(configuration, bench.message(), bench.message("next", key="1-2"))
        assert [one.fact for one in many] == [Fact.ACCEPTED, Fact.ACCEPTED]
        assert server.given == 1
        server.given = 2  # it takes no older one any more
        first, second = bench.send(configuration, bench.message(), bench.message("next", key="1-2"))
        assert (first.fact, first.fault, second.fact) == (Fact.MISCONFIGURED, None, Fact.ACCEPTED)
        steps = bench.rehearse(configuration)
        assert all(step.is_ok for step in steps) and len(steps) == 3
        wrong = gateway(server, **{**oauth, "auth_name": "else"})
        (refused,) = bench.send(wrong, bench.message())
        assert (refused.fact, refused.code) == (Fact.MISCONFIGURED, "invalid_client")
        assert not bench.rehearse(wrong)[-1].is_ok


def test_a_gateway_gets_json_form_fields_or_parts_of_the_address() -> None:
    expected = {"from": "+15005550006", "to": "+886912345678", "text": "早一天 Early"}
    assert sent().json == {**expected, "n": 1}
    assert sent(sent_as="form").form == {**expected, "n": "1"}
    request = sent(sent_as="query", method="GET", auth="query", auth_name="k")
    assert (request.method, request.body) == ("GET", b"")
    assert request.query == {**expected, "n": "1", "k": "gateway-key-00000000001"}
    assert sent(plus=False).json["to"] == "886912345678"


def test_a_persons_words_cannot_change_the_shape_of_the_payload() -> None:
    bench, text = BENCHES["sms_http"], '"}, "to": "+1900", {{ message }} \\ \n {"a'
    with bench.server() as server:
        bench.send(gateway(server), bench.message(text=text))
    (request,) = server.requests
    assert request.json == {"from": "+15005550006", "to": "+886912345678", "text": text, "n": 1}


def test_a_payload_can_say_how_the_message_is_written() -> None:
    payload = {"a": {"b": ["{{ messageId }}", "{{ encoding }}/{{ parts }}", True, None, 1.5]}}
    assert sent(payload=json.dumps(payload)).json == {"a": {"b": ["1-1", "UCS-2/1", True, None, 1.5]}}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("", "required"),
        ("x", "bad_payload"),
        ("[]", "bad_payload"),
        ('{"a": NaN}', "bad_payload"),
        ("[" * 5000, "bad_payload"),
        ('{"a":' * 12 + "1" + "}" * 12, "bad_payload"),
        (json.dumps({"a": list(range(101))}), "bad_payload"),
        ('{"a": "{{ profile.name }}"}', "unknown_name"),
        ('{"a": "{{ message.__class__ }}"}', "template_forbidden"),
        ('{"a": "{{ message"}', "template_syntax"),
        ('{"a": "{% include \\"x\\" %}"}', "template_forbidden"),
    ],
)
def test_a_payload_that_cannot_work_is_refused_in_the_form(payload: str, code: str) -> None:
    form = SmsHttpForm({"payload": payload})
    assert not form.is_valid()
    (error,) = form.errors.as_data()["payload"]
    assert error.code == code


def test_a_payload_is_checked_by_the_names_it_may_use() -> None:
    assert Payload('{"a": "{{ message }}"}', NAMES).fill({"message": "x"}) == {"a": "x"}
    with pytest.raises(Invalid):
        Payload('{"a": "{{ message }}"}', {"toNumber"})


def test_a_gateways_word_for_an_outcome_is_what_the_settings_say() -> None:
    bench = BENCHES["sms_http"]
    for word, fact in (
        ("ok", Fact.UNCERTAIN),  # but without the id that was promised
        ("wait", Fact.LATER),
        ("bad_key", Fact.MISCONFIGURED),
        ("anything", Fact.REFUSED),
    ):
        with Says(200, {"result": word}) as server:
            (outcome,) = bench.send(gateway(server), bench.message())
        assert outcome.fact is fact
    with Says(200, b"OK") as server:
        (outcome,) = bench.send(gateway(server, ok_path="", id_path=""), bench.message())
    assert (outcome.fact, outcome.provider_id) == (Fact.ACCEPTED, "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"auth": "header", "auth_name": ""}, "auth_name"),
        ({"auth": "header", "auth_name": "X:\r\ny"}, "auth_name"),
        ({"auth": "basic", "auth_name": "a:b"}, "auth_name"),
        ({"method": "GET", "sent_as": "json"}, "sent_as"),
        ({"sent_as": "form", "payload": '{"a": ["x"]}'}, "payload"),
        ({"ok_path": "a", "ok_values": ""}, "ok_values"),
        ({"ok_path": "a..b"}, "ok_path"),
        ({"id_path": "a.b[0]"}, "id_path"),
        ({"sender": "a name that is too long"}, "sender"),
        ({"sender": "x\r\ny"}, "sender"),
        ({"auth": "hmac", "auth_name": "X Mac"}, "auth_name"),
        ({"auth": "hmac", "auth_name": "X-Mac", "auth_hash": "md5-hex"}, "auth_hash"),
        ({"headers": "Content-Type: text/plain"}, "headers"),
        ({"headers": "X-A: b\r\n\r\nbody"}, "headers"),
        ({"auth": "jwt", "auth_secret": "j" * 31}, "auth_secret"),
        ({"auth": "jwt", "auth_claims": "[1]"}, "auth_claims"),
        ({"auth": "jwt", "auth_claims": '{"a": NaN}'}, "auth_claims"),
        ({"auth": "jwt", "auth_claims": '{"a": {"b": 1}}'}, "auth_claims"),
        ({"auth": "oauth", "auth_name": "crm"}, "auth_token_url"),
        ({"auth": "oauth", "auth_name": "", "auth_token_url": "https://x.example/"}, "auth_name"),
        ({"auth": "oauth", "auth_name": "crm", "auth_token_url": "https://10.0.0.1/"}, "auth_token_url"),
    ],
)
def test_settings_of_a_gateway_that_cannot_work_are_shown_at_their_field(changes: Any, field: str) -> None:
    with FakeHttp() as server:
        good = BENCHES["sms_http"].settings(server)
    form = SmsHttpForm({**good, "auth_secret": "a", "receipts_secret": "b", **changes})
    assert not form.is_valid()
    assert field in form.errors


def test_a_dotted_path_finds_its_way_and_gets_lost_quietly() -> None:
    value = {"a": [{"b": 1}, {"0": "x"}]}
    assert along(value, "a.0.b") == 1
    assert along(value, "a.1.0") == "x"
    assert along(value, "") == value
    assert [along(value, path) for path in ("a.9.b", "a.b", "b", "a.0.b.c", "a.99999999999")] == [None] * 5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signing_secret": "short"}, "signing_secret"),
        ({"signing_secret": "whsec_" + "A" * 8}, "signing_secret"),
        ({"signing_secret": "whsec_é"}, "signing_secret"),
        ({"headers": "Host: x"}, "headers"),
        ({"headers": "webhook-id: x"}, "headers"),
        ({"headers": "no colon"}, "headers"),
        ({"headers": "X-A: é"}, "headers"),
        ({"url": "https://a@b.tw/"}, "url"),
    ],
)
def test_settings_of_a_webhook_that_cannot_work_are_shown_at_their_field(changes: Any, field: str) -> None:
    form = WebhookForm({"url": "https://x.example/", "signing_secret": FakeReceiver.secret, **changes})
    assert not form.is_valid()
    assert field in form.errors
