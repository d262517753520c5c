"""A person's in-app inbox: what devices fetch and do, with their person's token and no other."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from channels.models import ChannelConfiguration, InboxItem, ReceivedReceipt
from tests.channels.providers import BENCHES

pytestmark = pytest.mark.django_db
INAPP = BENCHES["inapp"]
SECRET = "s" * 40


@pytest.fixture
def inbox() -> ChannelConfiguration:
    made = INAPP.configuration(None)
    made.status = ChannelConfiguration.Status.ACTIVE
    made.save()
    return made


def token(who: str = "crm-1", secret: str = SECRET, hours: float = 1, **claims: Any) -> dict[str, str]:
    ends = timezone.now() + timedelta(hours=hours)
    signed = jwt.encode({"sub": who, "exp": ends, **claims}, secret, algorithm="HS256")
    return {"Authorization": f"Bearer {signed}"}


def put(inbox: ChannelConfiguration, *keys: str, **changes: Any) -> None:
    INAPP.send(inbox, *(INAPP.message(key=key, **changes) for key in keys))


def seen(client: Client, inbox: ChannelConfiguration, **headers: str) -> Any:
    return client.get(f"/inbox/{inbox.pk}/", headers={**token(), **headers})


def test_a_message_is_fetched_read_clicked_and_dismissed_and_each_is_told_once(
    client: Client, inbox: ChannelConfiguration
) -> None:
    extra = {"buttons": [{"label": "Open", "url": "https://x.tw/"}], "days": 3}
    put(inbox, "1.0.1", "1.0.2", "1.0.1", url="https://x.tw/o", extra=extra)
    first = seen(client, inbox).json()
    assert [one["title"] for one in first["items"]] == ["Early", "Early"]
    assert (first["unread"], first["items"][0]["buttons"]) == (2, extra["buttons"])
    item = first["items"][0]["id"]
    for does in ("read", "read", "click", "dismiss"):
        where = f"/inbox/{inbox.pk}/{item}/"
        body = json.dumps({"action": does})
        done = client.post(where, body, content_type="application/json", headers=token())
        assert done.status_code == 204
    again = seen(client, inbox).json()
    assert (len(again["items"]), again["unread"]) == (1, 1)
    told = ReceivedReceipt.objects.order_by("pk").values_list("key", "happened")
    assert list(told) == [
        ("1.0.2", "delivered"), ("1.0.1", "delivered"), ("1.0.2", "opened"), ("1.0.2", "clicked"),
    ]  # fmt: skip


def test_nobody_reaches_the_inbox_of_another(client: Client, inbox: ChannelConfiguration) -> None:
    put(inbox, "1.0.1")
    item = InboxItem.objects.get().pk
    where = f"/inbox/{inbox.pk}/"
    assert client.get(where, headers=token("crm-2")).json() == {"items": [], "unread": 0}
    body = json.dumps({"action": "read"})
    other = client.post(f"{where}{item}/", body, content_type="application/json", headers=token("crm-2"))
    assert other.status_code == 404
    unsigned = jwt.encode(
        {"sub": "crm-1", "exp": timezone.now() + timedelta(hours=1)}, None, algorithm="none"
    )
    for headers in (
        {}, token(secret="t" * 40), token(hours=-1), token(hours=40), token(sub="a\nb"),
        {"Authorization": f"Bearer {unsigned}"}, {"Authorization": "Bearer"},
    ):  # fmt: skip
        assert client.get(where, headers=headers).status_code == 401
    assert client.get("/inbox/999/", headers=token()).status_code == 404
    for bad in (b"", b"[]", b'{"action": "burn"}', b"[" * 9000, b"\xff"):
        answer = client.post(f"{where}{item}/", bad, content_type="application/json", headers=token())
        assert answer.status_code == 400
    assert client.delete(where, headers=token()).status_code == 405
    assert InboxItem.objects.get().read_at is None


def test_only_the_named_sites_may_show_it_in_a_browser(client: Client, inbox: ChannelConfiguration) -> None:
    ours = seen(client, inbox, Origin="https://shop.example")
    assert ours["Access-Control-Allow-Origin"] == "https://shop.example"
    theirs = seen(client, inbox, Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in theirs
    asked = client.options(f"/inbox/{inbox.pk}/", headers={"Origin": "https://shop.example"})
    assert (asked.status_code, asked["Access-Control-Allow-Headers"]) == (204, "Authorization, Content-Type")


def test_what_is_over_is_not_shown(client: Client, inbox: ChannelConfiguration) -> None:
    put(inbox, "1.0.1", extra={"days": 1})
    InboxItem.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert seen(client, inbox).json()["items"] == []


@pytest.mark.parametrize("origins", ["*", "shop.example", "https://a/b", "https://*.x.tw", "https://a:x"])
def test_what_is_no_site_is_refused(origins: str) -> None:
    assert not INAPP.provider.Form({"signing_secret": SECRET, "origins": origins}).is_valid()
    assert not INAPP.provider.Form({"signing_secret": "short", "origins": ""}).is_valid()


@pytest.mark.django_db(transaction=True)
def test_a_lane_in_another_thread_has_a_connection_of_its_own() -> None:
    made = INAPP.configuration(None)
    lane = INAPP.provider.open(made)
    with transaction.atomic(), ThreadPoolExecutor(1) as other:
        outcome = other.submit(lambda: asyncio.run(lane.send(INAPP.message(key="9.0.1")))).result()
        transaction.set_rollback(True)
    assert outcome.fact == "accepted"
    assert InboxItem.objects.count() == 1  # what the other thread was in the middle of is no matter
    asyncio.run(lane.close())
