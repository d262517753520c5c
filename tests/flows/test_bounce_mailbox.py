"""Bounces that wait in a mailbox: set up in the form, fetched by the clock, each mail once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audiences.models import Suppression
from campaigns.models import Event
from campaigns.tracking import mailboxes, receipts
from channels import imap, mailtokens, sealing
from channels import mailboxes as boxes
from channels.models import BounceMailbox, ChannelConfiguration, ReceivedReceipt
from tests import builders
from tests.channels.test_bounces import plain, report
from tests.fakes.certificates import make_certificate
from tests.fakes.imap import FakeImap, FakeTokens
from tests.fakes.relay import FakeRelay

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeImap]:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    certificate = make_certificate(tmp_path / "imap.pem", "localhost")
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(imap, "tls_context", lambda: trusting)
    with FakeImap(certificate) as running:
        yield running


def entered(configuration: ChannelConfiguration, mailbox: FakeImap, **changes: Any) -> dict[str, Any]:
    """What a person fills into the form of an SMTP configuration."""
    given = {**configuration.settings, "bounce_host": "localhost", "bounce_port": mailbox.port,
             "bounce_username": "bounces", "bounce_password": mailbox.password,
             "error_address": "bounces@fernhill.example", **changes}  # fmt: skip
    form = {"name": configuration.name, "kind": "marketing", "sender_name": "Fernhill", "actions": "",
            "sender_email": configuration.sender_email}  # fmt: skip
    return form | {f"provider-{name}": value for name, value in given.items() if value is not None}


def set_up(client: Client, port: int, mailbox: FakeImap, **changes: Any) -> tuple[ChannelConfiguration, Any]:
    where = builders.workspace()
    client.force_login(builders.person(where, "administrator"))
    configuration = builders.smtp(where, port)
    page = f"/channels/{configuration.pk}/edit/"
    answer = client.post(page, entered(configuration, mailbox, **changes))
    configuration.refresh_from_db()
    return configuration, answer


def read() -> int:
    BounceMailbox.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return mailboxes.read_due(timezone.now)


def delivered(configuration: ChannelConfiguration, relay: FakeRelay, count: int) -> dict[str, str]:
    """Where the bounce of each person's message would come to."""
    builders.profiles(configuration.workspace, count)
    builders.live(configuration.workspace, now=timezone.now(), configuration=configuration)
    call_command("deliver")
    return {to[0]: sender for sender, to, _raw in relay.accepted}


def test_bounces_are_fetched_from_the_mailbox_each_once_and_mean_what_a_receipt_means(
    client: Client, mailbox: FakeImap
) -> None:
    with FakeRelay() as relay:
        configuration, answer = set_up(client, relay.port, mailbox)
        assert answer.status_code == 302, answer.content.decode()
        assert configuration.status == "active"
        assert "bounce_password" not in configuration.settings
        back = delivered(configuration, relay, 2)
    gone, fine = sorted(back)
    mailbox.put(plain("Out of office", "I am away.", to=back[fine]))
    mailbox.put(report("5.1.1", "failed", "550 5.1.1 User unknown", to=back[gone]))
    assert read() == 2
    mailbox.put(plain("Hello", "Is anybody there?"))
    assert read() == 1
    assert read() == 0
    assert (mailbox.fetched, mailbox.seen) == ([1, 2, 3], {1, 2, 3})
    receipts.apply(timezone.now())
    assert list(Suppression.objects.values_list("address", "reason")) == [(gone, "bounce")]
    assert list(Event.objects.values_list("kind", flat=True)) == ["bounce"]
    page = client.get(f"/channels/{configuration.pk}/").content.decode()
    assert "Mailbox of the bounces" in page
    assert mailbox.password not in page

    # The server numbers anew: the same mails come again and change nothing.
    mailbox.validity += 1
    assert read() == 3
    receipts.apply(timezone.now())
    assert ReceivedReceipt.objects.count() == 1
    assert list(Event.objects.values_list("kind", flat=True)) == ["bounce"]


@pytest.mark.parametrize("manner", ["huge", "hangup", "mute"])
def test_a_server_that_misbehaves_is_given_up_shown_and_read_on_later(
    client: Client, mailbox: FakeImap, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "STEP_SECONDS", 1.0)
    with FakeRelay() as relay:
        configuration, _answer = set_up(client, relay.port, mailbox)
    mailbox.put(plain("Hello", "You."))
    mailbox.manner = manner
    assert read() == 0
    box = BounceMailbox.objects.get()
    assert (box.last_uid, bool(box.problem)) == (0, True)
    assert "cannot be read" in client.get(f"/channels/{configuration.pk}/").content.decode()
    mailbox.manner = ""
    assert read() == 1
    assert BounceMailbox.objects.get().problem == ""


def test_the_password_goes_to_no_other_server_and_is_never_said_back(
    client: Client, mailbox: FakeImap, settings: Any
) -> None:
    with FakeRelay() as relay:
        configuration, _answer = set_up(client, relay.port, mailbox)
        page = f"/channels/{configuration.pk}/edit/"
        moved = entered(configuration, mailbox, bounce_host="elsewhere.example", bounce_password="")
        refused = client.post(page, moved)
        assert refused.status_code == 400
        assert "none is stored for this server" in refused.content.decode()
        kept = client.post(page, entered(configuration, mailbox, bounce_password="", bounce_folder="Returns"))
        assert kept.status_code == 302
    box = BounceMailbox.objects.select_related("credential").get()
    assert b"sesame" not in bytes(box.credential.sealed)
    assert '"folder": "Returns"' in sealing.unseal(box.credential.sealed, row=box.credential.pk)
    mailbox.password = "changed since"
    assert read() == 0
    assert "•••" in BounceMailbox.objects.get().problem
    assert "sesame" not in BounceMailbox.objects.get().problem
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    before = mailbox.sign_ins
    assert read() == 0
    assert "inside our network" in BounceMailbox.objects.get().problem
    assert mailbox.sign_ins == before


def test_a_certificate_that_nobody_vouches_for_gets_no_password(
    client: Client, mailbox: FakeImap, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRelay() as relay:
        configuration, _answer = set_up(client, relay.port, mailbox)
        before = mailbox.sign_ins
        monkeypatch.setattr(imap, "tls_context", ssl.create_default_context)
        tested = client.post(f"/channels/{configuration.pk}/test/", follow=True).content.decode()
    assert "Open the mailbox of the bounces" in tested
    assert read() == 0
    assert "TLS failed" in BounceMailbox.objects.get().problem
    assert mailbox.sign_ins == before


def test_taking_the_server_out_forgets_its_password(client: Client, mailbox: FakeImap) -> None:
    with FakeRelay() as relay:
        configuration, _answer = set_up(client, relay.port, mailbox)
        emptied = entered(configuration, mailbox, bounce_host="", bounce_password="")
        assert client.post(f"/channels/{configuration.pk}/edit/", emptied).status_code == 302
    assert not BounceMailbox.objects.exists()
    assert read() == 0


@pytest.mark.parametrize(
    "changes", [{"bounce_username": "a\r\nb"}, {"bounce_folder": "退信"}, {"bounce_host": "a b"},
                {"bounce_username": ""}, {"bounce_port": "99999"}],
)  # fmt: skip
def test_what_is_no_mailbox_is_refused_beside_its_field(
    client: Client, mailbox: FakeImap, changes: dict[str, str]
) -> None:
    with FakeRelay() as relay:
        _configuration, answer = set_up(client, relay.port, mailbox, **changes)
    assert answer.status_code == 400
    assert f'id="id_provider-{next(iter(changes))}_error' in answer.content.decode()
    assert not BounceMailbox.objects.exists()


# ---- signing in by OAuth ------------------------------------------------------------------------
@pytest.fixture
def by_oauth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailtokens, "_kept", {})  # another test's server is another


def oauth(tokens: FakeTokens, kind: str, **changes: Any) -> dict[str, Any]:
    client_id, secret = tokens.client
    given = {"bounce_sign_in": kind, "bounce_token_url": f"{tokens.url}/token", "bounce_client_id": client_id,
             "bounce_password": secret, "bounce_scope": "https://outlook.office365.com/.default"}  # fmt: skip
    return given | ({"bounce_refresh_token": tokens.refresh_token} if kind == "refresh" else {}) | changes


@pytest.mark.parametrize("kind", ["client", "refresh"])
def test_a_mailbox_is_read_with_an_access_token_and_with_a_new_one_when_that_ends(
    client: Client, mailbox: FakeImap, by_oauth: None, kind: str
) -> None:
    with FakeTokens(mailbox) as tokens, FakeRelay() as relay:
        _configuration, answer = set_up(client, relay.port, mailbox, **oauth(tokens, kind))
        assert answer.status_code == 302, answer.content.decode()
        mailbox.put(plain("Out of office", "I am away."))
        assert (read(), tokens.given) == (1, 1)  # the test of the configuration signed in before
        (asked,) = tokens.requests
        assert asked.form["scope"] == "https://outlook.office365.com/.default"
        assert asked.form.get("refresh_token") == (tokens.refresh_token if kind == "refresh" else None)
        tokens.let_expire()
        mailbox.put(plain("Again", "Still away."))
        assert (read(), tokens.given) == (1, 2)
        assert mailbox.refused == [b"user=bounces\x01auth=Bearer access-1\x01\x01"]
    settings = ChannelConfiguration.objects.get().settings
    assert not {"bounce_password", "bounce_refresh_token"} & set(settings)
    sealed = bytes(BounceMailbox.objects.select_related("credential").get().credential.sealed)
    assert not any(one.encode() in sealed for one in (tokens.client[1], tokens.refresh_token))


def test_a_refresh_token_that_the_server_replaces_is_kept_in_place_of_the_old_one(
    client: Client, mailbox: FakeImap, by_oauth: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeTokens(mailbox, renews=True) as tokens, FakeRelay() as relay:
        set_up(client, relay.port, mailbox, **oauth(tokens, "refresh"))
        monkeypatch.setattr(mailtokens, "_kept", {})  # as another process, which knows no token
        mailbox.put(plain("Out of office", "I am away."))
        assert (read(), tokens.given) == (1, 2)
        box = BounceMailbox.objects.select_related("credential").get()
        access = boxes.access_of(box)
        assert access is not None and access.refresh_token == tokens.refresh_token == "refresh 3"
        assert (box.last_uid, box.problem) == (1, "")


def test_a_token_that_is_refused_is_shown_without_its_secrets_and_asked_for_again_later(
    client: Client, mailbox: FakeImap, by_oauth: None
) -> None:
    with FakeTokens(mailbox) as tokens, FakeRelay() as relay:
        configuration, _answer = set_up(
            client, relay.port, mailbox, **oauth(tokens, "client", bounce_password="wrong secret")
        )
        assert read() == 0
        problem = BounceMailbox.objects.get().problem
        assert "No access token" in problem and "Wrong •••" in problem
        assert "wrong secret" not in client.get(f"/channels/{configuration.pk}/").content.decode()
        page = f"/channels/{configuration.pk}/edit/"
        right = entered(configuration, mailbox, **oauth(tokens, "client"))
        assert client.post(page, right).status_code == 302
        mailbox.put(plain("Out of office", "I am away."))
        assert read() == 1 and BounceMailbox.objects.get().problem == ""
        # The secret goes to no other token address than the one it was entered for.
        moved = oauth(tokens, "client", bounce_password="", bounce_token_url=f"{tokens.url}/other")
        refused = client.post(page, entered(configuration, mailbox, **moved))
        assert refused.status_code == 400 and "none is stored for this server" in refused.content.decode()


def test_a_mailbox_without_the_parts_of_oauth_is_refused_at_their_fields(
    client: Client, mailbox: FakeImap, by_oauth: None
) -> None:
    with FakeTokens(mailbox) as tokens, FakeRelay() as relay:
        lacking = dict.fromkeys(("bounce_token_url", "bounce_client_id", "bounce_refresh_token"), "")
        _configuration, answer = set_up(client, relay.port, mailbox, **oauth(tokens, "refresh", **lacking))
        page = answer.content.decode()
    assert answer.status_code == 400
    assert page.count("Needed to sign in by OAuth.") >= 2 and "Enter the refresh token" in page
    assert not BounceMailbox.objects.exists()
