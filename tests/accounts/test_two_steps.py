"""Two-step sign-in: set up, asked for at every door, slowed down, recovered from, ended, required."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from django.contrib.auth.tokens import default_token_generator
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import twosteps
from accounts.models import AuditEntry, TwoSteps, User
from common.sealing import SealBroken
from config import doctor
from tests import builders
from tests.accounts.test_sign_in import ADDRESS, NOON, is_in, sign_in
from tests.api import Caller

pytestmark = pytest.mark.django_db
PAGE, SECOND, PASSWORD = "/accounts/own/two-steps/", "/accounts/sign-in/second/", "a long password"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as moved:
        yield moved


@pytest.fixture
def ana() -> User:
    return builders.person(builders.workspace(), "administrator", "ana")


def app_of(person: User) -> pyotp.TOTP:
    return pyotp.TOTP(twosteps.secret(TwoSteps.objects.get(pk=person.pk)))


def set_up(person: User) -> tuple[pyotp.TOTP, list[str]]:
    """By the page; the app, whose present code is used up, and the recovery codes."""
    client = Client()
    assert sign_in(client, person.email).status_code == 302
    assert client.post(PAGE, {"act": "begin", "password": PASSWORD}).status_code == 302
    page = client.get(PAGE).content.decode()
    app = app_of(person)
    assert "<svg" in page and app.secret in page
    page = client.post(PAGE, {"act": "confirm", "code": app.now()}).content.decode()
    codes = re.findall(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", page)
    assert len(codes) == 10
    assert not re.search(r"(?:[A-Z2-7]{4}-){3}", client.get(PAGE).content.decode()), "they are told once"
    return app, codes


def halfway(person: User, **where: str) -> Client:
    client = Client()
    answer = sign_in(client, person.email, **where)
    assert (answer.status_code, answer.headers["Location"]) == (302, SECOND)
    return client


def test_the_password_alone_opens_nothing_and_a_code_works_once(ana: User, clock: Any) -> None:
    app, _codes = set_up(ana)
    first, second = halfway(ana), halfway(ana)
    assert not is_in(first)
    assert first.post(SECOND, {"code": app.now()}).status_code == 400, "it was used to set the app up"
    clock.shift(30)
    code = app.now()
    assert first.post(SECOND, {"code": f" {code[:3]} {code[3:]} "}).headers["Location"] == "/"
    assert is_in(first)
    assert second.post(SECOND, {"code": code}).status_code == 400
    assert not is_in(second)
    clock.shift(60)
    assert second.post(SECOND, {"code": app.at(NOON + timedelta(seconds=60))}).status_code == 302, "late"
    assert is_in(second)


def test_halfway_lasts_five_minutes_and_ends_with_another_password_or_the_account(
    ana: User, clock: Any
) -> None:
    app, _codes = set_up(ana)
    slow, changed, gone = halfway(ana), halfway(ana), halfway(ana)
    clock.shift(timedelta(minutes=5, seconds=1))
    assert slow.post(SECOND, {"code": app.now()}).headers["Location"] == ADDRESS
    clock.shift(timedelta(minutes=-3))
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert gone.get(SECOND).headers["Location"] == ADDRESS
    ana.is_active = True
    ana.set_password("quite another one")
    ana.save()
    assert changed.get(SECOND).headers["Location"] == ADDRESS
    assert Client().get(SECOND).headers["Location"] == ADDRESS


def test_guesses_at_the_code_are_slowed_also_by_who_knows_the_password(ana: User, clock: Any) -> None:
    set_up(ana)
    said = []
    for _guess in range(4):
        client = Client()
        said.append(sign_in(client, ana.email, network="203.0.113.9").status_code)
        said.append(client.post(SECOND, {"code": "000000"}, REMOTE_ADDR="203.0.113.9").status_code)
    assert 429 in said and said.index(429) <= 6
    assert AuditEntry.objects.filter(verb="slow sign-in").exists()


def test_a_recovery_code_lets_in_once_in_any_spelling(ana: User, clock: Any) -> None:
    _app, codes = set_up(ana)
    client = halfway(ana)
    assert client.post(SECOND, {"code": codes[3].lower().replace("-", " ")}).status_code == 302
    assert is_in(client)
    assert halfway(ana).post(SECOND, {"code": codes[3]}).status_code == 400
    assert "Recovery codes left: 9" in client.get(PAGE).content.decode()
    page = client.post(PAGE, {"act": "renew", "code": codes[0]}).content.decode()
    assert len(re.findall(r"(?:[A-Z2-7]{4}-){3}", page)) == 10
    assert halfway(ana).post(SECOND, {"code": codes[1]}).status_code == 400, "those before work no more"


def test_it_is_begun_with_the_password_and_ended_with_a_code(ana: User, clock: Any) -> None:
    client = Client()
    client.force_login(ana)
    assert client.post(PAGE, {"act": "begin", "password": "a guess"}).status_code == 400
    assert not TwoSteps.objects.exists()
    app, _codes = set_up(ana)
    client = halfway(ana)
    clock.shift(30)
    client.post(SECOND, {"code": app.now()})
    assert client.post(PAGE, {"act": "begin", "password": PASSWORD}).status_code == 200
    assert app_of(ana).secret == app.secret, "what is on is not begun again"
    assert client.post(PAGE, {"act": "end", "code": "000000"}).status_code == 400
    clock.shift(30)
    assert client.post(PAGE, {"act": "end", "code": app.now()}).status_code == 302
    assert sign_in(Client(), ana.email).headers["Location"] == "/"
    verbs = AuditEntry.objects.exclude(verb="sign in").filter(object_key=str(ana.pk), workspace=None)
    assert {"set up two steps", "end two steps"} <= set(verbs.values_list("verb", flat=True))


def test_a_link_to_choose_a_password_is_not_both_steps(ana: User, clock: Any) -> None:
    app, _codes = set_up(ana)
    ana.refresh_from_db()
    token = default_token_generator.make_token(ana)
    link = f"/accounts/welcome/{urlsafe_base64_encode(force_bytes(ana.pk))}/{token}/"
    client = Client()
    form = client.get(link, follow=True).redirect_chain[-1][0]
    answer = client.post(form, {"new_password1": "one more password", "new_password2": "one more password"})
    assert answer.headers["Location"] == SECOND
    assert not is_in(client)
    clock.shift(30)
    assert client.post(SECOND, {"code": app.now()}).status_code == 302
    assert is_in(client)


def test_where_it_is_required_nothing_else_opens_before(ana: User, clock: Any, settings: Any) -> None:
    settings.REQUIRE_TWO_STEPS = True
    client = Client()
    sign_in(client, ana.email)
    for address in ("/", "/campaigns/", "/accounts/own/", "/admin/"):
        assert client.get(address).headers["Location"] == PAGE, address
    assert client.post("/accounts/credentials/", {"name": "x"}).headers["Location"] == PAGE
    assert "Set up the second step of your sign-in first" in client.get(PAGE).content.decode()
    client.post(PAGE, {"act": "begin", "password": PASSWORD})
    client.post(PAGE, {"act": "confirm", "code": app_of(ana).now()})
    assert client.get("/").status_code == 200
    assert Client().get(ADDRESS).status_code == 200
    assert Caller(ana.groups.get().role.workspace).get("/api/campaigns/").status_code == 200


def test_who_lost_everything_is_helped_by_a_superuser_or_the_operator(ana: User, clock: Any) -> None:
    set_up(ana)
    with pytest.raises(CommandError, match="Nobody here"):
        call_command("end_two_steps", "nobody@example.com")
    call_command("end_two_steps", ana.email.upper())
    assert sign_in(Client(), ana.email).headers["Location"] == "/"
    with pytest.raises(CommandError, match="already"):
        call_command("end_two_steps", ana.email)
    set_up(ana)
    root, client = User.objects.create_superuser("root@example.com", PASSWORD, name="Root"), Client()
    client.force_login(root)
    form = {"name": ana.name, "time_zone": "UTC", "language": "en", "is_active": "on", "end_two_steps": "on"}
    assert client.post(f"/admin/accounts/user/{ana.pk}/change/", form).status_code == 302
    assert not twosteps.are_on(ana)


def test_the_secret_is_sealed_for_its_person_and_follows_the_key(
    ana: User, clock: Any, settings: Any
) -> None:
    app, _codes = set_up(ana)
    row = TwoSteps.objects.get()
    assert app.secret.encode() not in bytes(row.sealed)
    bo = TwoSteps(user=builders.person(ana.groups.get().role.workspace, "viewer", "bo"), sealed=row.sealed)
    with pytest.raises(SealBroken):
        twosteps.secret(bo)
    settings.SEALING_KEY_FALLBACKS, settings.SEALING_KEY = [settings.SEALING_KEY], "another key " + "k" * 40
    assert "secret_old_key" in {one.code for one in doctor.examine(now=timezone.now())}
    call_command("reseal_credentials")
    settings.SEALING_KEY_FALLBACKS = []
    assert "secret_old_key" not in {one.code for one in doctor.examine(now=timezone.now())}
    assert twosteps.secret(TwoSteps.objects.get()) == app.secret
