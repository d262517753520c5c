"""What providers tell us, from their signed request to the ledger, consent and lists: once, and forward."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from audiences import consent, profiles
from audiences.models import Consent, Identity, Profile, Suppression
from campaigns.models import Attempt, Event, Message, Run
from campaigns.tracking import receipts, replies
from channels import received
from channels.messages import Happened
from channels.messages import Receipt as Told
from channels.models import ChannelConfiguration, ReceivedReceipt, ReceivedReply
from channels.sealing import keep
from tests import builders
from tests.channels.providers import BENCHES
from tests.channels.test_app_providers import FakeLine, by_line, line_event
from tests.channels.test_receipts import UUID, by_vonage
from tests.fakes.apps import FakeWhatsApp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours", "sandbox_here")]
NUMBER = FakeWhatsApp.number_id
EXTRA = {"template": "early_bird", "language": "zh_TW", "body": ["{{ profile.name }}"]}


def set_up(where: Any, key: str, settings: dict[str, Any], secrets: dict[str, str]) -> ChannelConfiguration:
    made = builders.configuration(where, name=key, provider=key, channel=key, settings=settings)
    made.credential = keep(
        json.dumps(secrets), workspace=where, name=key, credential=None, now=timezone.now()
    )
    made.save()
    return made


@pytest.fixture
def whatsapp() -> ChannelConfiguration:
    settings = {"phone_number_id": NUMBER, "answer_stop": "Bye", "api_url": "http://127.0.0.1:1/v21.0"}
    secrets = {"access_token": FakeWhatsApp.token, "app_secret": FakeWhatsApp.app_secret,
               "verify_token": "our-word"}  # fmt: skip
    return set_up(builders.workspace(), "whatsapp", settings, secrets)


def sent(configuration: ChannelConfiguration, numbers: list[str]) -> list[Message]:
    """A campaign over WhatsApp that left through a server of ours; the last digits decide what it says."""
    where = configuration.workspace
    Profile.objects.bulk_create(
        Profile(workspace=where, phone=number, attributes={"name": number}) for number in numbers
    )
    campaign = builders.draft_over(configuration, builders.person(where, "manager"), extra=EXTRA)
    with FakeWhatsApp() as server:
        configuration.settings["api_url"] = f"{server.url}/v21.0"
        configuration.save()
        builders.lifecycle.apply(
            campaign, "activate", actor=builders.person(where, "approver"), now=timezone.now()
        )
        call_command("deliver")
    return list(Message.objects.filter(run__campaign=campaign).order_by("ref"))


def key_of(message: Message) -> str:
    return f"{message.run_id}.{message.action}.{message.ref}"


def post(client: Client, configuration: ChannelConfiguration, value: dict[str, Any], **headers: str) -> Any:
    whole = {"metadata": {"phone_number_id": NUMBER}, **value}
    body = json.dumps({"entry": [{"changes": [{"value": whole}]}]}).encode()
    digest = hmac.new(FakeWhatsApp.app_secret.encode(), body, hashlib.sha256).hexdigest()
    signed = {"X-Hub-Signature-256": f"sha256={digest}", **headers}
    return client.post(f"/hooks/{configuration.pk}/", body, content_type="application/json", headers=signed)


def status(name: str, message: Message | None = None, wamid: str = "wamid.1", **more: Any) -> dict[str, Any]:
    key = {"biz_opaque_callback_data": key_of(message)} if message else {}
    stamp = str(int(timezone.now().timestamp()))
    return {"id": wamid, "status": name, "timestamp": stamp, "recipient_id": "1", **key, **more}


def kinds(message: Message | None = None) -> list[str]:
    found = Event.objects.order_by("pk")
    if message is not None:
        found = found.filter(run=message.run_id, action=message.action, ref=message.ref)
    return list(found.values_list("kind", flat=True))


FAILED = [{"code": 131021, "title": "Recipient cannot be sender", "error_data": {"details": "x"}}]
STOPPED = [{"code": 131050, "title": "User has stopped receipt of marketing messages"}]


def test_receipts_move_a_message_forward_once_whatever_is_repeated_and_in_whatever_order(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    first, second = sent(whatsapp, ["+886912345610", "+886912345611"])
    assert Attempt.objects.filter(outcome="accepted").exclude(provider_id=None).count() == 2
    value = {"statuses": [status("read", first), status("delivered", first), status("sent", first)]}
    for _time in range(3):
        assert post(client, whatsapp, value).status_code == 204
        receipts.apply(timezone.now())
    assert sorted(kinds(first)) == ["delivered", "open"]
    late = status("failed", first, errors=FAILED)
    assert post(client, whatsapp, {"statuses": [late]}).status_code == 204
    receipts.apply(timezone.now())
    assert sorted(kinds(first)) == ["delivered", "open"]  # what was read has been delivered
    assert kinds(second) == []
    assert ReceivedReceipt.objects.filter(applied_at=None).count() == 0


def test_p6d_what_comes_three_days_late_counts_for_the_day_it_happened_and_once(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    first, second, third = sent(whatsapp, ["+886912345610", "+886912345611", "+886912345612"])
    happened = timezone.now().replace(microsecond=0)
    asked = happened + timedelta(days=3)

    def at(name: str, message: Message, **more: Any) -> dict[str, Any]:
        return status(name, message, f"wamid.{message.ref}", **more) | {
            "timestamp": str(int(happened.timestamp()))
        }

    assert Run.objects.get().state == "completed"
    with time_machine.travel(asked, tick=False):
        late = [at("read", first), at("delivered", first), at("delivered", second),
                at("failed", third, errors=FAILED)]  # fmt: skip
        for _again in range(2):
            assert post(client, whatsapp, {"statuses": late}).status_code == 204
            receipts.apply(timezone.now())
        received.prune(timezone.now() + timedelta(days=2))
        assert post(client, whatsapp, {"statuses": late}).status_code == 204  # it is still known
        assert receipts.apply(timezone.now()) == 0
    assert sorted(kinds(first)) == ["delivered", "open"]
    assert (kinds(second), kinds(third)) == (["delivered"], ["bounce"])
    assert set(Event.objects.values_list("at", flat=True)) == {happened}
    assert list(Suppression.objects.values_list("address", flat=True)) == ["+886912345612"]


def test_a_receipt_without_our_key_is_matched_by_the_providers_own_id(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    (message,) = sent(whatsapp, ["+886912345610"])
    wamid = Attempt.objects.get().provider_id
    assert wamid is not None
    post(client, whatsapp, {"statuses": [status("delivered", wamid=wamid)]})
    assert receipts.apply(timezone.now()) == 1
    assert kinds(message) == ["delivered"]


def test_the_attempts_of_runs_that_ended_long_ago_are_not_looked_through_for_a_providers_id(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    (message,) = sent(whatsapp, ["+886912345610"])
    wamid = Attempt.objects.get().provider_id or ""
    ended = timezone.now() - receipts.NAMED_FOR
    Run.objects.update(finished_at=ended - timedelta(minutes=1))
    post(client, whatsapp, {"statuses": [status("delivered", wamid=wamid)]})
    assert receipts.apply(timezone.now()) == 0
    post(client, whatsapp, {"statuses": [status("read", message, wamid=wamid)]})  # with our key it is found
    assert receipts.apply(timezone.now()) == 1
    assert kinds(message) == ["open"]
    Run.objects.update(finished_at=ended + timedelta(minutes=1))
    assert receipts.apply(timezone.now()) == 1
    assert sorted(kinds(message)) == ["delivered", "open"]


def test_what_is_unknown_waits_a_day_for_our_own_record(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    (message,) = sent(whatsapp, ["+886912345610"])
    kept = Attempt.objects.get()
    Attempt.objects.all().delete()
    post(client, whatsapp, {"statuses": [status("delivered", message)]})
    assert receipts.apply(timezone.now()) == 0
    assert kinds() == []
    kept.save(force_insert=True)
    assert receipts.apply(timezone.now()) == 1
    assert kinds(message) == ["delivered"]
    post(client, whatsapp, {"statuses": [status("delivered", wamid="wamid.nobody")]})
    received.prune(timezone.now() + timedelta(hours=23))
    assert ReceivedReceipt.objects.count() == 2
    received.prune(timezone.now() + timedelta(hours=25))
    assert ReceivedReceipt.objects.count() == 1


def test_bad_addresses_and_people_who_stopped_are_taken_out_and_nobody_else(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    first, second, third = sent(whatsapp, ["+886912345610", "+886912345611", "+886912345612"])
    value = {"statuses": [
        status("failed", first, errors=FAILED), status("failed", second, "wamid.2", errors=STOPPED),
        status("failed", third, "wamid.3", errors=[{"code": 131026, "title": "Undeliverable"}]),
    ]}  # fmt: skip
    post(client, whatsapp, value)
    receipts.apply(timezone.now())
    assert kinds() == ["bounce"] * 3
    faults = dict(Event.objects.values_list("ref", "fault"))
    assert faults == {first.ref: "address", second.ref: "opted_out", third.ref: ""}
    assert list(Suppression.objects.values_list("channel", "address", "reason")) == [
        ("whatsapp", "+886912345610", "bounce")
    ]
    assert list(Consent.objects.values_list("profile", "channel", "state")) == [
        (second.profile_id, "whatsapp", "no")
    ]


def test_what_the_provider_refuses_at_once_means_the_same(whatsapp: ChannelConfiguration) -> None:
    wrong, stopped, fine, forbidden = (f"+8869123456{ending}" for ending in ("01", "02", "10", "04"))
    sent(whatsapp, [wrong, stopped, fine, forbidden])
    assert list(Suppression.objects.values_list("address", flat=True)) == [wrong]
    assert list(Consent.objects.values_list("profile__phone", "state")) == [(stopped, "no")]


def test_a_token_that_is_gone_is_removed_and_the_other_devices_stay() -> None:
    where = builders.workspace()
    person = profiles.find_or_create(where, "push_token", "fcm:" + "a" * 40, timezone.now())
    Identity.objects.create(workspace=where, profile=person, namespace="push_token", value="fcm:" + "b" * 40)
    push = builders.configuration(where, provider="fcm", channel="push", settings={})
    receipts.refused(push, [("address", "fcm:" + "a" * 40, person.pk)], timezone.now())
    assert list(Identity.objects.values_list("value", flat=True)) == ["fcm:" + "b" * 40]
    assert not Suppression.objects.exists()
    assert Profile.objects.filter(pk=person.pk).exists()


def test_receipts_of_one_configuration_never_touch_the_messages_of_another(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    (message,) = sent(whatsapp, ["+886912345610"])
    other = set_up(
        builders.workspace("other"), "whatsapp", whatsapp.settings,
        {"access_token": "x" * 20, "app_secret": FakeWhatsApp.app_secret},
    )  # fmt: skip
    assert post(client, other, {"statuses": [status("delivered", message)]}).status_code == 204
    for key in ("1.0.99999999999999999", "999999999.9999.1", "a.b.c", "1", "١.٠.١"):
        post(client, whatsapp, {"statuses": [status("read", wamid=f"w{key}", biz_opaque_callback_data=key)]})
    assert receipts.apply(timezone.now()) == 0
    assert kinds() == []


def test_the_door_answers_clearly_and_never_with_500(client: Client, whatsapp: ChannelConfiguration) -> None:
    where = f"/hooks/{whatsapp.pk}/"
    assert client.post(where, b"{}", content_type="application/json").status_code == 401
    bad = client.post(where, b"{}", content_type="x", headers={"X-Hub-Signature-256": "sha256=" + "0" * 64})
    assert bad.status_code == 401
    body = b"[" * 100_000
    digest = hmac.new(FakeWhatsApp.app_secret.encode(), body, hashlib.sha256).hexdigest()
    signed = {"X-Hub-Signature-256": f"sha256={digest}"}
    assert client.post(where, body, content_type="application/json", headers=signed).status_code == 400
    assert client.post(where, b"x" * (10 * 1024 * 1024), content_type="x").status_code == 413
    assert client.post("/hooks/99999/", b"{}", content_type="x").status_code == 404
    assert client.put(where).status_code == 405
    sandbox = builders.configuration(whatsapp.workspace, name="s")
    assert client.post(f"/hooks/{sandbox.pk}/", b"{}", content_type="x").status_code == 404
    assert client.get(f"/hooks/{sandbox.pk}/").status_code == 404
    nul = {"statuses": [status("read", wamid="a\0b", biz_opaque_callback_data="\ud800" * 300)]}
    assert post(client, whatsapp, nul).status_code == 204
    many = {"statuses": [status("read", wamid=str(number)) for number in range(10_001)]}
    assert post(client, whatsapp, many).status_code == 400
    assert ReceivedReceipt.objects.count() == 1
    assert whatsapp.credential is not None
    type(whatsapp.credential).objects.update(sealed=b"broken")
    assert post(client, whatsapp, nul).status_code == 503


def test_p6d_a_request_played_again_after_ten_minutes_is_turned_away_and_leaves_nothing(
    client: Client,
) -> None:
    bench = BENCHES["vonage"]
    with bench.server() as server:
        secrets = dict(bench.secrets or {})
        made = set_up(builders.workspace(), "vonage", bench.set_for(server), secrets)
    now = timezone.now()
    given = by_vonage({"message_uuid": UUID, "status": "delivered"}, iat=int(now.timestamp()))
    headers = {"Authorization": given.headers["authorization"]}

    def posted() -> Any:
        where = f"/hooks/{made.pk}/"
        return client.post(where, given.body, content_type="application/json", headers=headers)

    with time_machine.travel(now + timedelta(minutes=10), tick=False):
        late = posted()
    assert (late.status_code, b"too long ago" in late.content) == (400, True)
    assert not ReceivedReceipt.objects.exists()
    assert [posted().status_code for _twice in range(2)] == [204, 204]
    assert ReceivedReceipt.objects.count() == 1


def test_meta_checks_the_address_before_it_sends_anything(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    asks = {"hub.mode": "subscribe", "hub.verify_token": "our-word", "hub.challenge": "1158201444<b>"}
    answer = client.get(f"/hooks/{whatsapp.pk}/", asks)
    assert (answer.content, answer["Content-Type"]) == (b"1158201444<b>", "text/plain; charset=utf-8")
    assert client.get(f"/hooks/{whatsapp.pk}/", {**asks, "hub.verify_token": "x"}).status_code == 401


# ---- replies ------------------------------------------------------------------------------------
def wrote(client: Client, configuration: ChannelConfiguration, text: str, number: str, wamid: str) -> None:
    message = {"from": number.lstrip("+"), "id": wamid, "timestamp": str(int(timezone.now().timestamp())),
               "type": "text", "text": {"body": text}}  # fmt: skip
    assert post(client, configuration, {"messages": [message]}).status_code == 204


def test_who_writes_stop_is_left_in_peace_and_answered_once(
    client: Client, whatsapp: ChannelConfiguration
) -> None:
    person = Profile.objects.create(workspace=whatsapp.workspace, phone="+886912345610")
    with FakeWhatsApp() as server:
        ChannelConfiguration.objects.update(settings={**whatsapp.settings, "api_url": f"{server.url}/v21.0"})
        for _time in range(2):
            wrote(client, whatsapp, "退訂", "+886912345610", "wamid.7")
            replies.apply(timezone.now())
        wrote(client, whatsapp, "please do not stop", "+886912345610", "wamid.8")
        replies.apply(timezone.now())
        assert [request.json["text"]["body"] for request in server.requests] == ["Bye"]
    said = Consent.objects.get()
    assert (said.profile, said.channel, said.state, said.source) == (person, "whatsapp", "no", "reply")
    assert set(ReceivedReply.objects.values_list("sender", "text")) == {("", "")}
    wrote(client, whatsapp, "START", "+886912345610", "wamid.9")
    replies.apply(timezone.now())
    said.refresh_from_db()
    assert (said.state, said.wording) == ("yes", "START")


@pytest.mark.parametrize(
    ("text", "state", "answer"),
    [
        ("STOP", "no", "Bye"), ("退訂", "no", "Bye"), ("start", "yes", "Hello"), ("恢復訂閱", "yes", "Hello"),
        ("Help!", None, "Call 02-1234"), ("說明", None, "Call 02-1234"), ("Thank you", None, None),
    ],
)  # fmt: skip
def test_a_word_that_comes_by_sms_is_obeyed_and_answered_by_sms_once(
    client: Client, text: str, state: str | None, answer: str | None
) -> None:
    bench, words = BENCHES["sms_http"], {"stop": "Bye", "start": "Hello", "help": "Call 02-1234"}
    with bench.server() as server:
        settings = {**bench.set_for(server), **{f"answer_{kind}": said for kind, said in words.items()}}
        assert isinstance(bench.secrets, dict)
        gateway = set_up(builders.workspace(), "sms_http", settings, bench.secrets)
        ChannelConfiguration.objects.update(channel="sms")
        Profile.objects.create(workspace=gateway.workspace, phone="+886912345610")
        told = {"msisdn": "+886912345610", "shortcode": "+15005550006", "body": text, "mo_id": "mo-1"}
        body = json.dumps({"reports": [told]}).encode()
        digest = hmac.new(bench.secrets["receipts_secret"].encode(), body, hashlib.sha256).hexdigest()
        for _twice in range(2):
            headers = {"X-Signature": digest}
            where = f"/hooks/{gateway.pk}/"
            given = client.post(where, body, content_type="application/json", headers=headers)
            assert given.status_code == 204, given.content
            replies.apply(timezone.now())
        said = [(one.json["to"], one.json["text"]) for one in server.requests]
    assert said == ([("+886912345610", answer)] if answer else [])
    assert list(Consent.objects.values_list("channel", "state")) == ([("sms", state)] if state else [])


def test_a_stop_of_somebody_unknown_holds_as_well(client: Client, whatsapp: ChannelConfiguration) -> None:
    wrote(client, whatsapp, "STOP", "+886912345610", "wamid.7")
    replies.apply(timezone.now())
    assert Suppression.objects.get().address == "+886912345610"
    wrote(client, whatsapp, "START", "+886912345610", "wamid.8")
    wrote(client, whatsapp, "STOP", "161", "wamid.9")
    replies.apply(timezone.now())
    assert not Suppression.objects.exists()


def test_a_follower_of_the_line_account_is_a_person_who_may_be_written_to(client: Client) -> None:
    settings = {"channel_id": FakeLine.channel_id, "api_url": "http://127.0.0.1:1"}
    line = set_up(builders.workspace(), "line", settings, {"channel_secret": FakeLine.channel_secret})

    def tell(kind: str) -> None:
        given = by_line({"destination": "U", "events": [line_event(kind)]})
        signed = {"X-Line-Signature": given.headers["x-line-signature"]}
        answer = client.post(
            f"/hooks/{line.pk}/", given.body, content_type="application/json", headers=signed
        )
        assert answer.status_code == 204
        replies.apply(timezone.now())

    tell("follow")
    tell("follow")
    identity = Identity.objects.get()
    said = Consent.objects.get()
    assert (identity.namespace, identity.value) == ("line_id", "U" + "a" * 32)
    assert (said.profile, said.channel, said.state, said.source) == (
        identity.profile,
        "line",
        "yes",
        "follow",
    )
    tell("unfollow")
    said.refresh_from_db()
    assert said.state == "no"
    assert not consent.withdraw(profile_id=said.profile_id, channel="line", source="x", now=timezone.now())


def test_a_thousand_receipts_take_as_many_statements_as_ten(
    whatsapp: ChannelConfiguration, django_assert_max_num_queries: Any
) -> None:
    messages = sent(whatsapp, [f"+88691234{number:02d}10" for number in range(20)])
    told = [
        Told(f"e{place}:{happened}", happened, key=key_of(message))
        for place, message in enumerate(messages)
        for happened in (Happened.DELIVERED, Happened.OPENED, Happened.CLICKED)
    ]
    with django_assert_max_num_queries(12):
        assert received.store(whatsapp, told, now=timezone.now()) == 60
        assert receipts.apply(timezone.now()) == 60
    assert Run.objects.count() == 1
    assert (kinds().count("delivered"), kinds().count("click")) == (20, 20)


def test_a_provider_s_name_is_looked_up_by_its_index_however_many_messages_there_are(
    whatsapp: ChannelConfiguration,
) -> None:
    """Three partitions of attempts, fifty receipts without our key: no partition is read through."""
    (message,) = sent(whatsapp, ["+886912345610"])
    now, run = timezone.now(), message.run_id
    with connection.cursor() as cursor:
        filled = (run, run + 200, run + 400)
        for other in filled:
            cursor.execute("SELECT campaigns_make_partition(%s)", [other])
            cursor.execute(
                """INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at, provider_id)
                SELECT %s, 0, 1000000 + n, 1, 'accepted', '200', now(), 'wamid.' || md5(n::text)
                FROM generate_series(1, 20000) n""",
                [other],
            )
        cursor.execute(
            """INSERT INTO channels_receivedreceipt
            (configuration_id, received_at, event_id, happened, key, provider_id, code, detail, fault, at)
            SELECT %s, %s, 'e' || n, 'delivered', '', 'wamid.' || md5(n::text), '', '', '', %s
            FROM generate_series(1, 50) n""",
            [whatsapp.pk, now, now],
        )
        cursor.execute("ANALYZE campaigns_attempt")
        cursor.execute("ANALYZE channels_receivedreceipt")
        cursor.execute("EXPLAIN " + receipts.MATCH, receipts.asked(0, now))
        plan = [line for (line,) in cursor.fetchall()]
    read_through = {line.split("Seq Scan on ")[1].split()[0] for line in plan if "Seq Scan on " in line}
    parts = {
        f"campaigns_attempt_p{other // 200}" for other in filled
    }  # an empty partition may be read: it costs nothing
    assert not parts & read_through, plan
    assert [line for line in plan if "hashtext" in line and "Index Scan" in line], plan
