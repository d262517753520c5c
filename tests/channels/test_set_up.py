"""Every HTTP provider is set up through its page: saved, tested against a real server, active."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User, Workspace
from channels.models import ChannelConfiguration, Credential
from channels.providers.base import ReceiptReader
from tests.channels.providers import BENCHES, Bench
from tests.channels.test_configurations import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours")]
over_http = pytest.mark.parametrize("key", [key for key, bench in BENCHES.items() if bench.is_http])


@pytest.fixture
def administrator(client: Client) -> Client:
    workspace: Workspace = roles.create_workspace(name="Here", slug="here", actor=SYSTEM, now=NOW)
    user = User.objects.create_user("administrator@here.example", name="Ada")
    user.groups.add(Role.objects.get(workspace=workspace, builtin="administrator").group_ptr)
    client.force_login(user)
    return client


def posted(bench: Bench, server: Any, **changes: Any) -> dict[str, Any]:
    assert isinstance(bench.secrets, dict)
    given = {**bench.set_for(server), **bench.secrets, **changes}
    fields = {f"provider-{name}": value for name, value in given.items() if value is not False}
    sender = {"sender_name": "Fernhill", "sender_email": "hello@fernhill.example"}
    fields |= sender if bench.provider.channels == ("email",) else {}
    return {"name": "Main", "kind": "marketing", "description": "", "actions": "", **fields}


@pytest.mark.sampled(12)
@over_http
def test_a_provider_is_set_up_in_the_browser(administrator: Client, key: str) -> None:
    bench = BENCHES[key]
    address = f"/channels/new/?provider={key}&channel={bench.provider.channels[0]}"
    assert str(bench.provider.label) in administrator.get("/channels/new/").content.decode()
    page = administrator.get(address).content.decode()
    assert ("sender_email" in page) == (bench.provider.channels == ("email",))
    with bench.server() as server:
        answer = administrator.post(address, posted(bench, server))
        made = ChannelConfiguration.objects.get()
        assert answer.headers["Location"] == f"/channels/{made.pk}/"
        assert (made.channel, made.status) == (bench.provider.channels[0], "draft")
        administrator.post(f"/channels/{made.pk}/submit/")
        made.refresh_from_db()
        shown = administrator.get(f"/channels/{made.pk}/").content.decode()
        assert made.status == "active", shown
        assert ">False<" not in shown and ">True<" not in shown
        assert (f"/hooks/{made.pk}/" in shown) == isinstance(bench.provider, ReceiptReader)
        assert (f"/push/{made.pk}/" in shown) == (key == "webpush")
        edit = administrator.get(f"/channels/{made.pk}/edit/").content.decode()
        assert bench.where in edit
        (sent,) = bench.send(made, bench.message())
    assert sent.fact == "accepted"
    written = (
        shown + edit + str(list(AuditEntry.objects.values_list("details", flat=True))) + str(made.settings)
    )
    assert isinstance(bench.secrets, dict)
    for secret in filter(None, bench.secrets.values()):
        assert secret not in written
        assert all(secret.encode() not in bytes(row.sealed) for row in Credential.objects.all())


with_address = pytest.mark.parametrize(
    "key", [key for key, bench in BENCHES.items() if bench.is_http and key != "webpush"]
)  # a browser's subscription brings the address; no setting holds one


@pytest.mark.sampled(5)
@with_address
def test_a_stored_secret_is_never_sent_to_another_address(administrator: Client, key: str) -> None:
    bench = BENCHES[key]
    with bench.server() as server, bench.server() as other:
        administrator.post(f"/channels/new/?provider={key}", posted(bench, server))
        made = ChannelConfiguration.objects.get()
        assert isinstance(bench.secrets, dict)
        moved = posted(bench, other, **dict.fromkeys(bench.secrets, ""))
        answer = administrator.post(f"/channels/{made.pk}/edit/", moved)
        assert answer.status_code == 400
        assert "another server" in answer.content.decode()
        made.refresh_from_db()
        assert made.settings[bench.where].startswith(server.url)
        assert other.connections == 0


@pytest.mark.sampled(5)
@with_address
def test_an_address_inside_is_refused_on_the_page(administrator: Client, key: str, settings: Any) -> None:
    bench = BENCHES[key]
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with bench.server() as server:
        answer = administrator.post(f"/channels/new/?provider={key}", posted(bench, server))
        assert server.connections == 0
    assert answer.status_code == 400
    assert "https://" in answer.content.decode()
    assert not ChannelConfiguration.objects.exists()


@pytest.mark.parametrize("key", ["line", "twilio", "sms_http", "whatsapp", "smtp", "direct_mail"])
def test_what_few_need_is_folded_below_what_everybody_fills_in(administrator: Client, key: str) -> None:
    page = administrator.get(f"/channels/new/?provider={key}").content.decode()
    first, *folded = page.split('<details class="card folded"')
    assert folded and "provider-stop_words" not in first
    assert not any(part.startswith(" open") for part in folded)


def test_a_part_with_a_fault_or_that_is_needed_is_open(administrator: Client) -> None:
    given = {"name": "Letters", "kind": "marketing", "provider-separator": "comma", "provider-target": "sftp"}
    answer = administrator.post("/channels/new/?provider=direct_mail", given)
    sftp, store = answer.content.decode().split('<details class="card folded"')[1:]
    assert answer.status_code == 400 and sftp.startswith(" open") and not store.startswith(" open")
    assert 'name="provider-host"' in sftp and "This is needed for where files go." in sftp


def test_of_what_is_folded_up_only_what_was_set_is_told_and_in_the_order_of_the_form(
    administrator: Client,
) -> None:
    with BENCHES["sms_http"].server() as server:
        administrator.post("/channels/new/?provider=sms_http", posted(BENCHES["sms_http"], server))
    told = administrator.get(f"/channels/{ChannelConfiguration.objects.get().pk}/").content.decode()
    settings = told.partition('id="h-settings"')[2].partition("</dl>")[0]
    places = [
        settings.find(f"<dt>{name}</dt>")
        for name in ("Web address", "Sign-in", "Payload", "Statuses of sent")
    ]
    assert -1 not in places and places == sorted(places)
    assert "<dt>Signature</dt>" not in settings and "The token is asked for in" not in settings
