"""Channel configurations and sending domains by REST: a real credential, secrets written and never read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.access import SYSTEM
from accounts.models import AccessLabel, ApiCredential, Role, Workspace
from channels import configurations, domains, records
from channels.configurations import Values
from channels.models import ChannelConfiguration, ConfigurationVersion, Credential, SendingDomain
from tests import builders
from tests.api import Caller, pointers
from tests.builders import NOW
from tests.fakes.dns import FakeDns, quoted
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
CONFIGURATIONS, DOMAINS = "/api/channel-configurations/", "/api/sending-domains/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def call(where: Workspace) -> Caller:
    return Caller(where, "administrator")


@pytest.fixture
def server() -> Iterator[FakeSmtp]:
    with FakeSmtp(password="marker-7f3a") as running:
        yield running


def body(port: int = 1, **changes: Any) -> dict[str, Any]:
    settings = {"host": "127.0.0.1", "port": port, "tls": "none", "username": "us", "password": "marker-7f3a"}
    return {
        "name": "Main",
        "provider": "smtp",
        "senderName": "Fernhill",
        "senderEmail": "hello@fernhill.example",
        "settings": {**settings, **changes.pop("settings", {})},
        **changes,
    }


def test_a_configuration_is_made_tested_activated_changed_and_deactivated(
    call: Caller, server: FakeSmtp
) -> None:
    answer = call.post(CONFIGURATIONS, body(server.port, marketingActions=["newsletter"]))
    assert answer.status_code == 201, answer.content
    made = answer.json()
    here = f"{CONFIGURATIONS}{made['id']}/"
    assert (made["status"], made["hasSecret"], made["kind"]) == ("draft", True, "marketing")
    assert made["actions"] == ["submit", "change", "duplicate", "delete"]
    tested = call.post(f"{here}test/", None).json()
    assert {step["verdict"] for step in tested["steps"]} == {"good", "warning"}
    active = call.post(f"{here}submit/", None).json()
    assert (active["status"], active["serving"], active["recentUpdate"]["state"]) == ("active", 1, "passed")
    changed = call.patch(here, {"senderName": "Other"}).json()
    assert (changed["senderName"], changed["serving"]) == ("Other", 2)
    failed = call.patch(here, {"settings": {"port": 1}}).json()
    assert (failed["status"], failed["serving"], failed["settings"]["port"]) == ("active", 2, server.port)
    assert failed["recentUpdate"]["changes"] == [
        {"field": "settings.port", "before": server.port, "after": 1}
    ]
    assert [one["number"] for one in call.get(f"{here}versions/").json()["results"]] == [3, 2, 1]
    assert call.post(f"{here}deactivate/", None).json()["status"] == "deactivated"
    refused = call.patch(here, {"senderName": "Third"})
    assert (refused.status_code, refused.json()["state"]) == (409, "deactivated")
    copy = call.post(f"{here}duplicate/", None)
    assert (copy.status_code, copy.json()["name"]) == (201, "Copy of Main")
    assert call.delete(f"{CONFIGURATIONS}{copy.json()['id']}/").status_code == 204
    assert call.delete(here).status_code == 409
    listed = call.get(f"{CONFIGURATIONS}?status=deactivated").json()["results"]
    assert [one["name"] for one in listed] == ["Main"]
    assert call.get(f"{CONFIGURATIONS}?status=active").json()["results"] == []


def test_no_answer_ever_holds_a_secret(call: Caller, server: FakeSmtp) -> None:
    made = call.post(CONFIGURATIONS, body(server.port))
    here = f"{CONFIGURATIONS}{made.json()['id']}/"
    answers = [
        made,
        call.post(f"{here}submit/", None),
        call.patch(here, {"settings": {"password": "marker-7f3a", "username": "we"}}),
        call.get(here),
        call.get(CONFIGURATIONS),
        call.get(f"{here}versions/"),
        call.post(f"{here}test/", None),
    ]
    assert not any(b"marker-7f3a" in answer.content for answer in answers)
    assert "marker-7f3a" not in str(list(ConfigurationVersion.objects.values()))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"settings": {"port": 99999}}, ("max_value", "/settings/port")),
        ({"settings": {"port": "x"}}, ("invalid", "/settings/port")),
        ({"settings": {"host": "a b"}}, ("bad_host", "/settings/host")),
        ({"settings": {"host": {"a": 1}}}, ("bad_setting", "/settings/host")),
        ({"settings": {"host": "a\x00b"}}, ("null_characters_not_allowed", "/settings/host")),
        ({"settings": {"username": "\ud800"}}, ("bad_text", "/settings")),
        ({"settings": {"password": "\ud800"}}, ("bad_text", "/settings")),
        ({"settings": {"pigeon": 1}}, ("unknown_field", "/settings/pigeon")),
        ({"settings": None}, ("null", "/settings")),
        ({"provider": "pigeon"}, ("unknown_provider", "/provider")),
        ({"channel": "sms"}, ("bad_channel", "/channel")),
        ({"senderEmail": "a@x.tw\r\nBcc: e@x.tw"}, ("bad_sender", "/senderEmail")),
        ({"senderName": "Bank <e@x.tw>"}, ("bad_sender", "/senderName")),
        ({"senderName": "\ud800"}, ("surrogate_characters_not_allowed", "/senderName")),
        ({"name": "a\nb"}, ("bad_name", "/name")),
        ({"kind": "both"}, ("invalid_choice", "/kind")),
        ({"labels": ["Loyalty"]}, ("unknown_label", "/labels/0")),
        ({"marketingActions": ["\ud800"]}, ("surrogate_characters_not_allowed", "/marketingActions/0")),
        ({"description": "\ud800"}, ("surrogate_characters_not_allowed", "/description")),
        ({"status": "active"}, ("unknown_field", "/status")),
    ],
)
def test_a_wrong_body_is_refused_with_its_place_and_nothing_is_saved(
    call: Caller, where: Workspace, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    AccessLabel.objects.create(workspace=where, name="Loyalty")  # not held by the caller's role
    given = body(**changes) if changes.get("settings", {}) is not None else {**body(), "settings": None}
    answer = call.post(CONFIGURATIONS, given)
    assert answer.status_code == 400, answer.content
    assert fault in pointers(answer)
    assert not ChannelConfiguration.objects.exists() and not Credential.objects.exists()


def test_a_stored_password_is_not_sent_elsewhere(call: Caller) -> None:
    made = call.post(CONFIGURATIONS, body()).json()
    answer = call.patch(f"{CONFIGURATIONS}{made['id']}/", {"settings": {"host": "localhost"}})
    assert pointers(answer) == [("secret_needed", "/settings/password")]
    assert ChannelConfiguration.objects.get().settings["host"] == "127.0.0.1"


def test_a_label_that_the_role_holds_can_be_given(call: Caller, where: Workspace) -> None:
    label = AccessLabel.objects.create(workspace=where, name="Loyalty")
    label.roles.add(Role.objects.get(workspace=where, builtin="administrator"))
    made = call.post(CONFIGURATIONS, body(labels=["Loyalty"])).json()
    assert made["labels"] == ["Loyalty"]
    assert Caller(where, "manager").get(f"{CONFIGURATIONS}{made['id']}/").status_code == 404


def test_the_list_costs_the_same_for_many(
    call: Caller, where: Workspace, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        builders.configuration(where, name=f"C{number}")
    with django_assert_max_num_queries(13):
        page = call.get(f"{CONFIGURATIONS}?limit=10").json()
    assert len(page["results"]) == 10
    assert len(call.get(page["next"]).json()["results"]) == 2


# ---- sending domains ------------------------------------------------------------------------------
def test_a_domain_is_added_checked_and_removed(call: Caller, settings: Any) -> None:
    answer = call.post(DOMAINS, {"name": "Fernhill.example", "spf": "mx"})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    here = f"{DOMAINS}{made['id']}/"
    assert {one["purpose"] for one in made["records"]} >= {"dkim_rsa", "dkim_ed25519", "spf", "dmarc"}
    assert (made["state"], made["records"][0]["verdict"]) == ("pending", "")
    assert b"PRIVATE" not in answer.content
    with FakeDns() as dns:
        settings.DNS_SERVERS = [dns.address]
        for record in records.expected(SendingDomain.objects.get()):
            dns.set(record.name, record.kind, quoted(record.value) if record.kind == "TXT" else record.value)
        assert call.post(f"{here}check/", None).json()["state"] == "verified"
    assert call.patch(here, {"spf": "+all"}).status_code == 400
    assert call.patch(here, {"spf": "ip4:192.0.2.1"}).json()["spf"] == "ip4:192.0.2.1"
    assert call.patch(here, {}).json()["spf"] == "ip4:192.0.2.1"
    assert [one["name"] for one in call.get(DOMAINS).json()["results"]] == ["fernhill.example"]
    assert pointers(call.post(DOMAINS, {"name": "fernhill.example"})) == [("domain_taken", "/name")]
    assert pointers(call.post(DOMAINS, {"name": "no domain"})) == [("bad_domain", "/name")]
    assert call.delete(here).status_code == 204
    assert not SendingDomain.objects.exists()


# ---- who may do what ------------------------------------------------------------------------------
READING = [
    ("GET", CONFIGURATIONS),
    ("GET", CONFIGURATIONS + "{configuration}/"),
    ("GET", CONFIGURATIONS + "{configuration}/versions/"),
    ("GET", DOMAINS),
    ("GET", DOMAINS + "{domain}/"),
]
WRITING = [
    ("POST", CONFIGURATIONS),
    ("PATCH", CONFIGURATIONS + "{configuration}/"),
    ("DELETE", CONFIGURATIONS + "{configuration}/"),
    *(
        ("POST", CONFIGURATIONS + "{configuration}/" + verb + "/")
        for verb in ("test", "submit", "reactivate", "deactivate", "duplicate")
    ),
    ("POST", DOMAINS),
    ("PATCH", DOMAINS + "{domain}/"),
    ("DELETE", DOMAINS + "{domain}/"),
    ("POST", DOMAINS + "{domain}/check/"),
]
BODIES = {
    ("POST", CONFIGURATIONS): body(name="Second"),
    ("PATCH", CONFIGURATIONS + "{configuration}/"): {"description": "x"},
    ("POST", DOMAINS): {"name": "second.example"},
    ("PATCH", DOMAINS + "{domain}/"): {"spf": "a"},
}


def state() -> list[Any]:
    models = (ChannelConfiguration, ConfigurationVersion, SendingDomain, Credential)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("method", "address"), [*READING, *WRITING])
def test_each_door_asks_for_its_right(where: Workspace, method: str, address: str) -> None:
    values = Values("Main", "marketing", "sandbox", {}, "Fernhill", "hello@fernhill.example")
    made = configurations.create(workspace=where, values=values, actor=SYSTEM, now=NOW)
    domain = domains.add(workspace=where, name="fernhill.example", actor=SYSTEM, now=NOW)
    there = address.format(configuration=made.pk, domain=domain.pk)
    given, before = BODIES.get((method, address)), state()
    is_reading, is_list = (method, address) in READING, "{" not in address
    assert Caller(None)(method, there, given).status_code == 401
    for role in ("approver", "manager"):
        wanted = 200 if is_reading else 403
        assert Caller(where, role)(method, there, given).status_code == wanted, role
    assert Caller(where, "viewer")(method, there, given).status_code == (403 if is_list else 404)
    assert state() == before
    stranger = Caller(builders.workspace("other"), "administrator")
    if not is_list:
        assert stranger(method, there, given).status_code == 404
        assert state() == before
    elif is_reading:
        assert stranger(method, there, given).json()["results"] == []
    if not address.endswith("check/"):
        status = Caller(where, "administrator")(method, there, given).status_code
        assert status < 300 or (status == 409 and address.endswith(("reactivate/", "deactivate/")))


def test_a_credential_that_was_revoked_reads_nothing(call: Caller, where: Workspace) -> None:
    ApiCredential.objects.update(revoked_at=NOW)
    assert call.get(CONFIGURATIONS).status_code == 401
