"""Feedback webhooks: what becomes of messages reaches another system, signed, at least once, with a log."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts.access import SYSTEM
from accounts.models import AccessLabel, AuditEntry, Notification, User, Workspace
from audiences import erasure
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.feedback import endpoints, gather, post
from campaigns.models import Campaign, Event, FeedbackDelivery, FeedbackEndpoint, FeedbackKind, Message
from campaigns.reports import counting
from channels import http
from channels.models import Credential
from common.errors import Invalid
from tests import builders
from tests.api import Caller, pointers
from tests.fakes.http import FakeHttp, Received, Response

pytestmark = pytest.mark.django_db
ALL = list(FeedbackKind.values)
State = FeedbackDelivery.State


@pytest.fixture(autouse=True)
def _loopback_may_be_called(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    settings.VAR = tmp_path
    monkeypatch.setattr(http, "READ_SECONDS", 1.0)
    monkeypatch.setattr(http, "TOTAL_SECONDS", 3.0)


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def listening(where: Workspace, url: str, **values: Any) -> tuple[FeedbackEndpoint, str]:
    given = {"name": "Web shop", "url": url, "kinds": ALL, "only_triggered": False, **values}
    long_ago = timezone.now() - timedelta(hours=1)
    return endpoints.create(where, **given, actor=SYSTEM, now=long_ago)


def sent(where: Workspace, people: int = 3, **changes: Any) -> Campaign:
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now(), **changes)
    call_command("deliver")
    return campaign


def gathered() -> list[str]:
    """Everything that can be told, as (kind) of each delivery."""
    counting.move_forward(now=timezone.now())
    gather.gather(now=timezone.now())
    return sorted(FeedbackDelivery.objects.values_list("kind", flat=True))


def verified(one: Received, secret: str) -> Any:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return Webhook(secret).verify(one.body, {name: one.headers[name] for name in names})


def test_what_becomes_of_a_triggered_message_is_told_signed_with_its_request(where: Workspace) -> None:
    builders.profiles(where, 1)
    with FakeHttp() as shop:
        _endpoint, secret = listening(where, shop.url, only_triggered=True)
        campaign = builders.live(
            where, now=timezone.now(), type="api_triggered", category="transactional", html="<p>Hi</p>"
        )
        recipient = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
        body = {"requestId": "order-7", "campaignId": str(campaign.pk), "recipients": [recipient]}
        answer = Caller(where, "approver").post("/ajo/im/executions/unitary", body)
        call_command("deliver")
        message = Message.objects.get()
        named = {"run_id": message.run_id, "action": message.action, "ref": message.ref}
        Event.objects.create(**named, kind="delivered", at=timezone.now())
        assert gathered() == ["campaign.changed", "message.accepted", "message.delivered", "run.changed"]
        post.send_due(now=timezone.now())
        told = {one.json["type"]: verified(one, secret) for one in shop.requests}
    assert len(shop.requests) == 4
    data = told["message.accepted"]["data"]
    assert data["executionId"] == answer.json()["executionId"]
    assert (data["requestId"], data["recipient"], data["channel"]) == ("order-7", "p0@example.com", "email")
    assert told["campaign.changed"]["data"]["after"] == "live"
    assert FeedbackDelivery.objects.exclude(state=State.DELIVERED).count() == 0


def test_a_campaign_that_does_not_enable_webhooks_tells_nothing_of_its_messages(where: Workspace) -> None:
    listening(where, "http://127.0.0.1:1/")
    manager = Caller(where, "manager")
    quiet = builders.draft(
        where,
        builders.person(where, "manager"),
        type="api_triggered",
        category="transactional",
        html="<p>Hi</p>",
    )
    one = f"/api/campaigns/{quiet.pk}/"
    assert manager.get(one).json()["enableWebhooks"] is True
    assert manager.patch(one, {"enableWebhooks": False}).json()["enableWebhooks"] is False
    lifecycle.apply(quiet, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    builders.profiles(where, 1)
    recipient = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
    body = {"requestId": "order-7", "campaignId": str(quiet.pk), "recipients": [recipient]}
    assert Caller(where, "approver").post("/ajo/im/executions/unitary", body).status_code == 202
    call_command("deliver")
    assert Message.objects.count() == 1
    assert not [kind for kind in gathered() if kind.startswith("message.")]


def test_gathering_twice_or_after_a_rebuilt_count_tells_nothing_twice(where: Workspace) -> None:
    listening(where, "http://127.0.0.1:1/")
    sent(where)
    first = gathered()
    assert first.count("message.accepted") == 3
    assert {"run.changed", "campaign.changed"} <= set(first)
    counting.rebuild()
    assert gathered() == first


def test_a_run_of_thirty_is_gathered_in_as_few_statements_as_one_of_three(where: Workspace) -> None:
    listening(where, "http://127.0.0.1:1/")
    counts = []
    for people in (3, 30):
        (sent if people == 3 else _again)(where, people)
        counting.move_forward(now=timezone.now())
        with CaptureQueriesContext(connection) as found:
            gather.gather(now=timezone.now())
        counts.append(len(found))
    assert FeedbackDelivery.objects.filter(kind="message.accepted").count() == 3 + 33
    assert counts[1] <= counts[0]


def _again(where: Workspace, people: int) -> None:
    builders.profiles(where, people, domain="more.example")
    author, approver = (_user(where, role) for role in ("manager", "approver"))
    lifecycle.apply(builders.draft(where, author), "activate", actor=approver, now=timezone.now())
    call_command("deliver")


def _user(where: Workspace, role: str) -> Any:
    return User.objects.get(email=f"{role}@{where.slug}.example")


def test_only_the_chosen_events_of_the_own_workspace_and_of_unlabelled_campaigns(where: Workspace) -> None:
    other = builders.workspace("elsewhere")
    listening(other, "http://127.0.0.1:1/")
    listening(where, "http://127.0.0.1:1/", kinds=["message.accepted"], only_triggered=True)
    mine, _secret = listening(where, "http://127.0.0.1:1/", name="Second", kinds=["message.accepted"])
    campaign = sent(where)
    gathered()
    assert set(FeedbackDelivery.objects.values_list("endpoint", "kind")) == {(mine.pk, "message.accepted")}
    campaign.labels.add(AccessLabel.objects.create(workspace=where, name="Board"))
    for message in Message.objects.all():
        named = {"run_id": message.run_id, "action": message.action, "ref": message.ref}
        Event.objects.create(**named, kind="delivered", at=timezone.now())
    FeedbackEndpoint.objects.filter(pk=mine.pk).update(kinds=ALL)
    assert "message.delivered" not in gathered()


@pytest.mark.parametrize(
    ("manner", "status", "code"),
    [
        ("broken", 500, "refused"),
        ("redirect", 302, "redirected"),
        ("silent", None, "timeout"),
        ("drop", None, "broken"),
        ("garbage", None, "broken"),
    ],
)
def test_a_failed_try_is_logged_and_made_again_later(
    where: Workspace, manner: str, status: Any, code: str
) -> None:
    now = timezone.now()
    with FakeHttp(manner) as shop:
        endpoint, secret = listening(where, shop.url)
        delivery = endpoints.test(endpoint, actor=SYSTEM, now=now)
        assert post.send_due(now=now) == 0
        delivery.refresh_from_db()
        assert (delivery.state, delivery.status, delivery.code) == (State.DUE, status, code)
        assert delivery.next_at == now + post.WAITS[0]
        assert post.send_due(now=now) == 0  # not before its time
        assert len(shop.requests) == 1
        shop.manner = ""
        assert post.send_due(now=delivery.next_at) == 1
    first, second = shop.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.event_id
    assert verified(second, secret)["type"] == "test"
    delivery.refresh_from_db()
    assert [line["status"] for line in delivery.log] == [status, 200]
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.failures, endpoint.lease_until) == (None, 0, None)


@pytest.mark.parametrize("manner", ["endless", "deep", "gzip_bomb", "not_json"])
def test_an_answer_of_any_size_is_a_success_whose_words_are_kept_nowhere(
    where: Workspace, manner: str
) -> None:
    with FakeHttp(manner) as shop:
        endpoint, _secret = listening(where, shop.url)
        delivery = endpoints.test(endpoint, actor=SYSTEM, now=timezone.now())
        assert post.send_due(now=timezone.now()) == 1
    delivery.refresh_from_db()
    assert set(delivery.log[0]) == {"at", "status", "code", "ms"}


def test_tries_end_after_three_days_and_all_given_up_can_be_sent_again(where: Workspace) -> None:
    now = timezone.now()
    with FakeHttp("busy") as shop:
        endpoint, _secret = listening(where, shop.url)
        delivery = endpoints.test(endpoint, actor=SYSTEM, now=now)
        at = now
        for _try in range(len(post.WAITS) + 1):
            post.send_due(now=at)
            delivery.refresh_from_db()
            at = max(delivery.next_at, at)
            FeedbackEndpoint.objects.update(resume_at=at)
        assert delivery.state == State.FAILED
        assert timedelta(days=3) < at - now < timedelta(days=4)
        assert post.send_due(now=at + timedelta(days=9)) == 0
        shop.manner = ""
        assert endpoints.send_again(endpoint, actor=SYSTEM, now=at) == 1
        assert post.send_due(now=at) == 1
    assert len({one.headers["webhook-id"] for one in shop.requests}) == 1


def test_an_endpoint_that_fails_for_days_is_switched_off_with_a_notice_and_on_by_hand(
    where: Workspace,
) -> None:
    boss, now = builders.person(where, "administrator"), timezone.now()
    with FakeHttp("broken") as shop:
        endpoint, _secret = listening(where, shop.url)
        endpoints.test(endpoint, actor=SYSTEM, now=now)
        for day in range(post.PATIENCE.days):  # a try at any time within the days leaves it on
            post.send_due(now=now + timedelta(days=day))
            endpoint.refresh_from_db()
            assert (endpoint.is_on, endpoint.failing_since, len(shop.requests)) == (True, now, day + 1)
        later = now + post.PATIENCE
        post.send_due(now=later)
        endpoint.refresh_from_db()
        assert (endpoint.is_on, endpoint.off_reason) == (False, "failing")
        assert [one.user for one in Notification.objects.filter(kind="feedback_off")] == [boss]
        assert AuditEntry.objects.filter(verb="switch off", object_key=str(endpoint.pk)).exists()
        count = len(shop.requests)
        post.send_due(now=later + timedelta(days=1))
        assert len(shop.requests) == count
        sent(where)
        gathered()
        assert not endpoint.deliveries.exclude(kind="test").exists()  # nothing is kept for one that is off
        shop.manner = ""
        endpoints.switch(endpoint, on=True, actor=boss, now=later)
        assert post.send_due(now=later) == 1


def test_410_switches_off_at_once(where: Workspace) -> None:
    class Gone(FakeHttp):
        def answer(self, request: Received) -> Response:
            return Response(410)

    with Gone() as shop:
        endpoint, _secret = listening(where, shop.url)
        endpoints.test(endpoint, actor=SYSTEM, now=timezone.now())
        post.send_due(now=timezone.now())
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.off_reason) == (False, "gone")


def test_a_dead_worker_costs_a_second_copy_with_the_same_id_and_no_event(where: Workspace) -> None:
    """It had claimed the endpoint, posted, and died before it wrote anything down."""
    now = timezone.now()
    with FakeHttp() as shop:
        endpoint, _secret = listening(where, shop.url)
        delivery = endpoints.test(endpoint, actor=SYSTEM, now=now)
        (claimed,) = post._claim(now)
        work = [(claimed, post._page(claimed, now), post._signers(claimed, now))]
        asyncio.run(post._post_all(work))
        assert post.send_due(now=now) == 0  # the lease is the dead one's
        FeedbackEndpoint.objects.update(lease_until=timezone.now())
        assert post.send_due(now=now) == 1
    assert [one.headers["webhook-id"] for one in shop.requests] == [delivery.event_id] * 2


def test_a_slow_endpoint_keeps_nobody_else_waiting_and_a_dead_one_is_asked_few_times(
    where: Workspace,
) -> None:
    now = timezone.now()
    with FakeHttp("broken") as dead, FakeHttp() as quick:
        first, _secret = listening(where, dead.url)
        second, _secret = listening(where, quick.url, name="Second")
        for endpoint in (first, second):
            for _number in range(60):
                endpoints.test(endpoint, actor=SYSTEM, now=now)
        assert post.send_due(now=now) == 60
    assert len(quick.requests) == 60
    assert len(dead.requests) <= post.FAILURES + post.LINES


def test_two_secrets_sign_during_a_rotation_and_both_rest_sealed(where: Workspace) -> None:
    now = timezone.now()
    with FakeHttp() as shop:
        endpoint, old = listening(where, shop.url)
        new = endpoints.rotate(endpoint, actor=SYSTEM, now=now)
        endpoint.refresh_from_db()
        endpoints.test(endpoint, actor=SYSTEM, now=now)
        post.send_due(now=now)
        for secret in (old, new):
            assert verified(shop.requests[0], secret)
        FeedbackEndpoint.objects.update(older_until=now)
        endpoints.test(endpoint, actor=SYSTEM, now=now)
        post.send_due(now=now)
        with pytest.raises(WebhookVerificationError):
            verified(shop.requests[1], old)
    kept = b"".join(bytes(one.sealed) for one in Credential.objects.all())
    assert old.encode() not in kept
    endpoints.rotate(endpoint, actor=SYSTEM, now=now)
    assert Credential.objects.count() == 2
    endpoints.delete(endpoint, actor=SYSTEM, now=now)
    assert Credential.objects.count() == 0


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://u:p@shop.example/", "ftp://x", "", "https://127.0.0.2/"]
)
def test_an_address_inside_or_none_at_all_is_refused(where: Workspace, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        listening(where, url)
    assert refused.value.problems[0].pointer == "url"
    assert not FeedbackEndpoint.objects.exists()


def test_an_erased_person_is_in_no_delivery(where: Workspace) -> None:
    listening(where, "http://127.0.0.1:1/")
    sent(where)
    gathered()
    profile = Profile.objects.filter(workspace=where).order_by("pk")[0]
    assert FeedbackDelivery.objects.filter(profile_id=profile.pk).exists()
    erasure.erase(profile, actor=SYSTEM, now=timezone.now())
    assert not FeedbackDelivery.objects.filter(body__data__recipient=profile.email).exists()
    assert FeedbackDelivery.objects.filter(kind="message.accepted").count() == 2


def test_old_deliveries_leave_the_log(where: Workspace) -> None:
    now = timezone.now()
    endpoint, _secret = listening(where, "http://127.0.0.1:1/")
    for state, days in (
        (State.DELIVERED, 6),
        (State.DELIVERED, 8),
        (State.FAILED, 29),
        (State.FAILED, 31),
        (State.DUE, 99),
    ):
        row = endpoints.test(endpoint, actor=SYSTEM, now=now)
        FeedbackDelivery.objects.filter(pk=row.pk).update(state=state, created_at=now - timedelta(days=days))
    assert gather.forget_old(now=now) == 2
    assert sorted(FeedbackDelivery.objects.values_list("state", flat=True)) == ["delivered", "due", "failed"]


# ---- the doors ----------------------------------------------------------------------------------
def test_the_rest_doors_make_change_rotate_replay_and_delete(where: Workspace) -> None:
    call, base = Caller(where, "administrator"), "/api/feedback-webhooks/"
    body = {"name": "Shop", "url": "https://shop.example/in", "kinds": ["message.failed", "message.accepted"]}
    made = call.post(base, body)
    assert made.status_code == 201
    row, secret = made.json(), made.json()["secret"]
    assert secret.startswith("whsec_")
    assert row["kinds"] == ["message.accepted", "message.failed"]
    here = f"{base}{row['id']}/"
    assert "secret" not in call.get(here).json()
    assert secret not in call.get(base).content.decode()
    assert call.post(f"{here}actions/rotate/", {}).json()["secret"] != secret
    assert call.post(f"{here}actions/test/", {}).status_code == 200
    (delivery,) = call.get(f"{here}deliveries/?state=due").json()["results"]
    assert (delivery["kind"], delivery["tries"]) == ("test", [])
    assert call.post(f"{here}actions/switch_off/", {}).json()["isOn"] is False
    assert call.post(f"{here}actions/switch_off/", {}).status_code == 409
    assert call.post(f"{here}actions/test/", {}).status_code == 409
    assert call.post(f"{here}actions/replay/", {"deliveries": [delivery["id"]]}).json()["sentAgain"] == 0
    assert call.put(here, {**body, "name": "Shop 2", "onlyTriggered": False}).json()["name"] == "Shop 2"
    assert call.delete(here).status_code == 204
    assert call.get(here).status_code == 404


def test_the_rest_doors_say_what_is_wrong(where: Workspace) -> None:
    call, base = Caller(where, "administrator"), "/api/feedback-webhooks/"
    body = {"name": "Shop", "url": "https://shop.example/in", "kinds": ["message.failed"]}
    assert pointers(call.post(base, {**body, "kinds": ["x"]})) == [("invalid_choice", "/kinds/0")]
    assert pointers(call.post(base, {**body, "url": "http://10.0.0.1/"})) == [("url_not_allowed", "/url")]
    assert pointers(call.post(base, {**body, "secret": "x"})) == [("unknown_field", "/secret")]
    assert call.post(base, body).status_code == 201
    assert pointers(call.post(base, body)) == [("name_taken", "/name")]
    number = FeedbackEndpoint.objects.get().pk
    assert pointers(call.post(f"{base}{number}/actions/test/", {"deliveries": [1]})) == [
        ("only_for_replay", "/deliveries")
    ]
    assert call.post(f"{base}{number}/actions/fly/", {}).status_code == 404
    assert call.get(f"{base}{number}/deliveries/?state=x").status_code == 400
    assert Caller(where, "approver").get(base).status_code == 403
    assert Caller(where, "approver").get(f"{base}{number}/").status_code == 404


def test_the_pages_show_the_secret_once_the_log_and_its_buttons(where: Workspace) -> None:
    boss = builders.person(where, "administrator")
    client = Client()
    client.force_login(boss)
    given = {"name": "Shop", "url": "https://shop.example/in", "kinds": ALL[:2], "only_triggered": "on"}
    wrong = client.post(reverse("campaigns:feedback_create"), {**given, "url": "https://10.0.0.1/"})
    assert wrong.status_code == 400
    assert "points inside our network" in wrong.content.decode()
    made = client.post(reverse("campaigns:feedback_create"), given)
    assert "whsec_" in made.content.decode()
    endpoint = FeedbackEndpoint.objects.get()
    page = reverse("campaigns:feedback_endpoint", args=[endpoint.pk])
    assert "whsec_" not in client.get(page).content.decode()
    assert (
        client.post(reverse("campaigns:feedback_act", args=[endpoint.pk, "test"])).headers["Location"] == page
    )
    assert "A test" in client.get(page).content.decode()
    row = endpoint.deliveries.get()
    endpoint.deliveries.update(state=State.FAILED, tries=1, status=500, code="refused")
    client.post(reverse("accounts:preferences"), {"language": "zh-hant"})
    assert "對方回應了錯誤" in client.get(page).content.decode()
    client.post(reverse("accounts:preferences"), {"language": "en"})
    client.post(reverse("campaigns:feedback_act", args=[endpoint.pk, "again"]), {"delivery": row.pk})
    assert endpoint.deliveries.get().state == State.DUE
    client.post(reverse("campaigns:feedback_edit", args=[endpoint.pk]), {**given, "name": "Renamed"})
    assert "Renamed" in client.get(reverse("campaigns:feedback")).content.decode()
    client.post(reverse("campaigns:feedback_act", args=[endpoint.pk, "delete"]))
    assert not FeedbackEndpoint.objects.exists()
    client.force_login(builders.person(where, "approver"))
    assert client.get(reverse("campaigns:feedback")).status_code == 403
