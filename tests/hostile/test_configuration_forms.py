"""Every setting of every provider is given what no provider can use, by page and by REST.

The fields are read from the providers' own forms, so that a new provider or a new field is asked the same.
What is refused names its field; what is taken is one line a header could hold.
"""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import Workspace
from channels.models import ChannelConfiguration, Credential
from channels.providers import registry
from tests import builders
from tests.api import Caller
from tests.channels.providers import BENCHES, Bench

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours")]
ADDRESS = "/api/channel-configurations/"
TEXTS = (
    "a@x.tw\r\nBcc: e@x.tw",
    "nul\x00",
    "\x1b[31m",
    "\x7f",
    "a\u202eb",
    "x" * 100_000,
    "9" * 5000,
    "-1",
    "99999",
    "[::1]",
    "http://[::ffff:127.0.0.1]/",
    "http://[fe80::1%25eth0]/",
    "http://[::1",
    "https://a@b@c:99999/",
    "https://xn--a.tw/",
    "xn--a.tw",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    " \u3000\u00a0\u200b ",
    "\uff12\uff15",  # 25, full-width
    "https://\uff21\u03a1\u0399.tw\uff0f\u2024\u2024/",  # looks like https://API.tw/../
)
ODD = (True, -0.5, 10**400, {"a": 1}, ["a"], [{"$ne": 1}], None, "\ud800")
BREAKING = set(map(chr, (0, 10, 13, 27, 127)))
OWN = {
    "name": "name",
    "description": "description",
    "actions": "marketingActions",
    "sender_name": "senderName",
    "sender_email": "senderEmail",
    "reply_to": "replyTo",
}


class Away:
    """Where the settings of a bench lead when nobody is there."""

    url = "http://127.0.0.1:1"
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 1, "tls": "none"}


@pytest.fixture(params=sorted(registry.PROVIDERS))
def bench(request: pytest.FixtureRequest) -> Bench:
    return BENCHES[request.param]


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def whole(bench: Bench) -> dict[str, Any]:
    form = bench.provider.Form
    secrets = bench.secrets if isinstance(bench.secrets, dict) else {form.secret_field: bench.secrets}
    given = {**bench.set_for(Away), **{name: value for name, value in secrets.items() if name}}
    return {name: value for name, value in given.items() if name in form.base_fields}


def asked(bench: Bench) -> list[str]:
    """What all providers of a channel have alike is asked of the first of them."""
    fields = bench.provider.Form.base_fields
    first = next(one for one in BENCHES.values() if one.provider.channels == bench.provider.channels)
    shared = first.provider.Form.base_fields if first.key != bench.key else {}
    return [name for name, field in fields.items() if type(field) is not type(shared.get(name))]


def is_refused(field: forms.Field, value: Any) -> bool:
    try:
        field.clean(value)
    except ValidationError:
        return True
    return False


def nothing_is_left() -> bool:
    return not ChannelConfiguration.objects.exists() and not Credential.objects.exists()


@pytest.mark.sampled(15)
def test_by_rest_a_setting_is_refused_at_its_place_or_harmless(bench: Bench, where: Workspace) -> None:
    call, body = Caller(where, "administrator"), {"name": "Main", "provider": bench.key}
    if bench.provider.channels[0] == "email":
        body |= {"senderName": "Fernhill", "senderEmail": "hello@fernhill.example"}
    form, settings, names = bench.provider.Form, whole(bench), asked(bench)
    assert call.post(ADDRESS, {**body, "settings": settings}).status_code == 201
    forget()
    for value in (*TEXTS, *ODD):
        is_text = isinstance(value, str) and value != "\ud800"
        faulty = [name for name in names if is_text and is_refused(form.base_fields[name], value)]
        answer = call.post(ADDRESS, {**body, "settings": {**settings, **dict.fromkeys(names, value)}})
        if answer.status_code != 201:
            assert {f"/settings/{name}" for name in faulty} <= refused_places(answer, value), value
        else:
            assert not faulty, (value, faulty)
        forget()
        errors = {name: form({**settings, name: value}).errors for name in names if is_text}
        taken = [name for name, found in errors.items() if not found]
        if not taken:
            continue
        answer = call.post(ADDRESS, {**body, "settings": {**settings, **dict.fromkeys(taken, value)}})
        if answer.status_code != 201:
            refused_places(answer, value)
            continue
        made = ChannelConfiguration.objects.get()
        for name in taken:
            kept = str(made.settings.get(name, ""))
            is_long = isinstance(form.base_fields[name].widget, forms.Textarea)
            assert is_long or not BREAKING & set(kept), (name, kept[:60])
            assert len(kept) < 20_000, name
        forget()


def refused_places(answer: Any, value: Any) -> set[str]:
    """Where it says the faults are, each told in a few words; nothing was saved."""
    said = f"{value!r:.60}: {answer.status_code} {answer.content[:300]!r}"
    assert answer.status_code == 400, said
    faults = answer.json()["errors"]
    assert all(one["pointer"].startswith("/settings") for one in faults), said
    assert all(one["detail"] and len(one["detail"]) < 500 for one in faults), said
    assert nothing_is_left(), said
    return {one["pointer"] for one in faults}


def forget() -> None:
    ChannelConfiguration.objects.all().delete()
    Credential.objects.all().delete()


@pytest.mark.sampled(15)
def test_on_the_page_every_field_at_once_is_refused_beside_itself(
    bench: Bench, where: Workspace, client: Client
) -> None:
    client.raise_request_exception = False
    client.force_login(builders.person(where, "administrator"))
    channel = bench.provider.channels[0]
    page = f"/channels/new/?provider={bench.key}&channel={channel}"
    names = [*OWN, "kind", *(f"provider-{name}" for name in bench.provider.Form.base_fields)]
    for value in TEXTS[::3]:
        answer = client.post(page, dict.fromkeys(names, value))
        assert answer.status_code == 400, (value[:60], answer.status_code)
        assert "finding box err" in answer.content.decode()
        assert nothing_is_left()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", OWN)
def test_what_every_configuration_has_is_refused_at_its_place_or_harmless(
    name: str, where: Workspace, client: Client
) -> None:
    client.raise_request_exception = False
    client.force_login(builders.person(where, "administrator"))
    call = Caller(where, "administrator")
    form = {"name": "Main", "kind": "marketing", "sender_name": "F", "sender_email": "hello@fernhill.example"}
    body = {"name": "Main", "provider": "sandbox", "senderName": "F", "senderEmail": form["sender_email"]}
    for value in (*TEXTS, *ODD):
        given = [value] if name == "actions" and isinstance(value, str) else value
        answers = [call.post(ADDRESS, {**body, OWN[name]: given})]
        if answers[0].status_code == 400:
            faults = answers[0].json()["errors"]
            assert all(one["pointer"].startswith(f"/{OWN[name]}") for one in faults), faults
        forget()
        if (isinstance(value, str) and value.isprintable()) or value in TEXTS:
            answers.append(client.post("/channels/new/?provider=sandbox", {**form, name: value}))
        for answer in answers:
            said = f"{value!r:.60}: {answer.status_code} {answer.content[:200]!r}"
            assert answer.status_code in (201, 302, 400), said
            if answer.status_code != 302:
                continue
            made = ChannelConfiguration.objects.get()
            text = str(getattr(made, "marketing_actions" if name == "actions" else name))
            assert not BREAKING & set(text) or name == "description", said
            made.delete()
