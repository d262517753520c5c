"""A browser subscribes to web push: what is stored, for whom, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from audiences import preferences
from audiences.models import Consent, Identity, Profile
from channels.models import ChannelConfiguration
from tests import builders
from tests.fakes.apps import VAPID_PUBLIC, FakeBrowser

pytestmark = pytest.mark.django_db


@pytest.fixture
def push() -> ChannelConfiguration:
    settings = {"contact": "mailto:a@x.tw", "public_key": VAPID_PUBLIC, "site_name": "蕨丘"}
    where = builders.workspace()
    return builders.configuration(where, provider="webpush", channel="webpush", settings=settings)


def post(client: Client, where: str, subscription: str) -> Any:
    body = json.dumps({"subscription": json.loads(subscription)})
    return client.post(where, body, content_type="application/json")


def test_a_browser_subscribes_for_somebody_new_or_for_the_person_of_a_link(
    client: Client, push: ChannelConfiguration
) -> None:
    where = f"/push/{push.pk}/"
    page = client.get(where).content.decode()
    assert VAPID_PUBLIC in page
    assert f"{where}worker.js" in page
    subscription = FakeBrowser().subscription("https://push.example.net/1")
    for _time in range(2):
        assert post(client, where, subscription).json() == {"subscribed": True}
    identity, said = Identity.objects.get(), Consent.objects.get()
    assert (identity.namespace, identity.profile) == ("webpush", said.profile)
    assert (said.channel, said.state, said.source) == ("webpush", "yes", "web push page")
    assert "蕨丘" in said.wording
    known = Profile.objects.create(workspace=push.workspace, email="ana@x.tw")
    token = preferences.url_of(known.pk).rpartition("/")[2]
    assert post(client, f"{where}{token}/", subscription).status_code == 200
    identity.refresh_from_db()
    assert identity.profile == known  # the browser is hers from now on
    assert client.get(f"{where}worker.js")["Content-Type"].startswith("text/javascript")


def test_what_is_no_subscription_or_no_page_of_ours_is_refused(
    client: Client, push: ChannelConfiguration
) -> None:
    where = f"/push/{push.pk}/"
    for body in (b"", b"[]", b"{}", b'{"subscription": {"endpoint": "http://127.0.0.1/"}}', b"[" * 9000):
        assert client.post(where, body, content_type="application/json").status_code == 400
    other = builders.workspace("other")
    stranger = Profile.objects.create(workspace=other, email="x@x.tw")
    token = preferences.url_of(stranger.pk).rpartition("/")[2]
    post(client, f"{where}{token}/", FakeBrowser().subscription("https://push.example.net/2"))
    assert not Identity.objects.filter(profile=stranger).exists()
    ChannelConfiguration.objects.update(status="deactivated")
    assert client.get(where).status_code == 404
    assert post(client, where, FakeBrowser().subscription("https://push.example.net/3")).status_code == 404
    for _time in range(30):
        answer = post(client, where, FakeBrowser().subscription("https://push.example.net/4"))
    assert answer.status_code == 404
