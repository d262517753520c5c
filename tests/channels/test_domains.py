"""Sending domains: their keys, what DNS says of them, and what follows for a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace
from channels import configurations, domains, records, sealing
from channels.configurations import Values
from channels.models import ChannelConfiguration, Credential, SendingDomain
from common.errors import IllegalTransition, Invalid
from tests import builders
from tests.builders import NOW
from tests.fakes.dns import FakeDns, quoted
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
NAME = "fernhill.example"


@pytest.fixture
def workspace() -> Workspace:
    return builders.workspace()


@pytest.fixture
def server(settings: Any) -> Iterator[FakeDns]:
    with FakeDns() as running:
        settings.DNS_SERVERS = [running.address]
        settings.PUBLIC_URL = "https://mail.carillon.example"
        settings.LINKS_URL = f"https://links.{NAME}"
        yield running


@pytest.fixture
def domain(workspace: Workspace) -> SendingDomain:
    return domains.add(workspace=workspace, name=NAME, actor=SYSTEM, now=NOW)


def publish(server: FakeDns, domain: SendingDomain) -> None:
    """Everything as the page says, with a space inside the long value, as some DNS providers write it."""
    for record in records.expected(domain):
        value = quoted(record.value) if record.kind == "TXT" else f"{record.value}."
        server.set(record.name, record.kind, value)


def check(domain: SendingDomain) -> dict[str, tuple[str, str]]:
    found = domains.check(domain, actor=SYSTEM, now=NOW)
    return {purpose: (said["verdict"], said["reason"]) for purpose, said in found.findings.items()}


def test_a_new_domain_has_two_sealed_keys_and_says_which_records_it_needs(
    domain: SendingDomain, server: FakeDns
) -> None:
    shown = {(one.record.purpose, one.record.kind, one.record.name) for one in domains.shown(domain)}
    rsa, ed25519 = domain.dkim_keys.all()
    assert shown == {
        ("dkim_rsa", "TXT", f"{rsa.selector}._domainkey.{NAME}"),
        ("dkim_ed25519", "TXT", f"{ed25519.selector}._domainkey.{NAME}"),
        ("spf", "TXT", NAME),
        ("dmarc", "TXT", f"_dmarc.{NAME}"),
        ("bounces", "MX", f"bounces.{NAME}"),
        ("tracking", "CNAME", f"links.{NAME}"),
    }
    for credential in Credential.objects.all():
        assert b"PRIVATE" not in bytes(credential.sealed)
        assert "BEGIN PRIVATE KEY" in sealing.unseal(credential.sealed, row=credential.pk)
    assert domain.state == "pending"


def test_a_name_for_links_is_asked_of_its_own_domain_and_only_where_links_bear_it(
    domain: SendingDomain, settings: Any
) -> None:
    for elsewhere in (
        settings.PUBLIC_URL,
        "https://links.elsewhere.example",
        "https://links.notours.example",
    ):
        settings.LINKS_URL = elsewhere
        assert "tracking" not in {one.record.purpose for one in domains.shown(domain)}


def test_a_domain_is_verified_when_dns_shows_its_records(domain: SendingDomain, server: FakeDns) -> None:
    assert set(check(domain).values()) == {("missing", "absent")}
    domain.refresh_from_db()
    assert (domain.state, domain.checked_at) == ("pending", NOW)
    publish(server, domain)
    assert set(check(domain).values()) == {("good", "")}
    domain.refresh_from_db()
    assert (domain.state, domain.verified_at) == ("verified", NOW)
    verbs = AuditEntry.objects.filter(object_type="channels.sendingdomain").order_by("id")
    assert [(entry.verb, entry.details.get("after")) for entry in verbs] == [
        ("create", None),
        ("check", "verified"),
    ]


def test_what_is_only_recommended_does_not_hold_a_domain_up(domain: SendingDomain, server: FakeDns) -> None:
    publish(server, domain)
    for record in records.expected(domain):
        if not record.required:
            del server.records[record.name, record.kind]
    check(domain)
    domain.refresh_from_db()
    assert domain.state == "verified"


@pytest.mark.parametrize(
    ("purpose", "values", "verdict", "reason"),
    [
        ("spf", ["v=spf1 mx +all"], "wrong", "open_to_all"),
        ("spf", ["v=spf1 all"], "wrong", "open_to_all"),
        ("spf", ["v=spf1 include:_spf.other.example -all"], "wrong", "not_included"),
        ("spf", ["v=spf1 mx ~all", "v=spf1 -all"], "wrong", "several"),
        ("spf", ["v=spf1 ip4:192.0.2.1 mx -all", "google-site-verification=x"], "good", ""),
        ("spf", ["v=spf1 mx"], "warning", "no_end"),
        ("spf", ["v=spf10 mx -all"], "missing", "absent"),
        ("dmarc", ["v=DMARC1; p=reject; rua=mailto:d@fernhill.example"], "good", ""),
        ("dmarc", ["v=DMARC1; p=maybe"], "wrong", "no_policy"),
        ("dmarc", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong", "several"),
        ("dmarc", ["something else"], "missing", "absent"),
        ("dkim_rsa", ["v=DKIM1; k=rsa; p="], "wrong", "revoked"),
        ("dkim_rsa", ["v=DKIM1; k=rsa; p=AAAA"], "wrong", "other_key"),
    ],
)
def test_each_fault_in_a_record_has_its_own_words(
    domain: SendingDomain, server: FakeDns, purpose: str, values: list[str], verdict: str, reason: str
) -> None:
    publish(server, domain)
    record = next(one for one in records.expected(domain) if one.purpose == purpose)
    server.set(record.name, record.kind, *map(quoted, values))
    assert check(domain)[purpose] == (verdict, reason)
    domain.refresh_from_db()
    is_good = verdict in ("good", "warning")
    assert domain.state == ("verified" if is_good else "failed" if verdict == "wrong" else "pending")
    shown = next(one for one in domains.shown(domain) if one.record.purpose == purpose)
    assert shown.words and (shown.advice or is_good)


def test_a_key_marked_as_a_test_is_a_warning(domain: SendingDomain, server: FakeDns) -> None:
    publish(server, domain)
    record = next(one for one in records.expected(domain) if one.purpose == "dkim_rsa")
    server.set(record.name, "TXT", quoted(record.value.replace("; p=", "; t=y:s; p = ")))
    assert check(domain)["dkim_rsa"] == ("warning", "testing")


def test_includes_are_counted_as_a_receiver_counts_them(domain: SendingDomain, server: FakeDns) -> None:
    publish(server, domain)
    server.set(NAME, "TXT", '"v=spf1 mx include:a.example include:b.example ~all"')
    server.set("a.example", "TXT", '"v=spf1 ' + " ".join(f"a:h{n}.example" for n in range(4)) + ' ~all"')
    server.set("b.example", "TXT", '"v=spf1 a mx include:a.example ~all"')
    assert check(domain)["spf"] == ("wrong", "too_many_lookups")
    server.set(
        "b.example", "TXT", '"v=spf1 a include:b.example ~all"'
    )  # one that includes itself comes to an end
    assert check(domain)["spf"] == ("wrong", "too_many_lookups")


def test_a_subdomain_obeys_the_policy_above_it(workspace: Workspace, server: FakeDns) -> None:
    domain = domains.add(workspace=workspace, name="news.fernhill.example", actor=SYSTEM, now=NOW)
    server.set("_dmarc.fernhill.example", "TXT", '"v=DMARC1; p=quarantine"')
    assert check(domain)["dmarc"] == ("good", "inherited")


@pytest.mark.parametrize("manner", ["silent", "broken"])
def test_when_dns_does_not_answer_nothing_changes(
    domain: SendingDomain, server: FakeDns, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.lookup.ONE", 0.4)
    publish(server, domain)
    check(domain)
    getattr(server, manner).update({NAME, f"_dmarc.{NAME}"})
    assert check(domain)["spf"] == ("unknown", "silent")
    domain.refresh_from_db()
    assert domain.state == "verified"


def test_a_record_that_is_gone_is_noticed(domain: SendingDomain, server: FakeDns) -> None:
    publish(server, domain)
    check(domain)
    del server.records[NAME, "TXT"]
    assert check(domain)["spf"] == ("missing", "absent")
    domain.refresh_from_db()
    assert domain.state == "failed"


# ---- what follows for a configuration -------------------------------------------------------------
def submitted(workspace: Workspace, **changes: Any) -> tuple[ChannelConfiguration, str, str]:
    with FakeSmtp() as smtp:
        settings = {"host": "127.0.0.1", "port": smtp.port, "tls": "none", "username": ""}
        values = Values(
            **{"name": "Main", "kind": "marketing", "provider": "smtp", "settings": settings, **changes},
            sender_name="Fernhill",
            sender_email=f"hello@{NAME}",
        )
        made = configurations.create(workspace=workspace, values=values, actor=SYSTEM, now=NOW)
        version = configurations.submit(made, actor=SYSTEM, now=NOW)
    made.refresh_from_db()
    return made, version.dialogue[-1]["verdict"], version.dialogue[-1]["said"]


def test_in_production_marketing_email_waits_for_its_domain(
    workspace: Workspace, server: FakeDns, settings: Any
) -> None:
    settings.PRODUCTION = True
    made, verdict, said = submitted(workspace)
    assert (made.status, verdict) == ("failed", "failed")
    assert "not among the sending domains" in said
    domain = domains.add(workspace=workspace, name=NAME, actor=SYSTEM, now=NOW)
    made, verdict, said = submitted(workspace, name="Second")
    assert (made.status, verdict) == ("failed", "failed")
    assert "not verified" in said
    publish(server, domain)
    check(domain)
    made, verdict, _said = submitted(workspace, name="Third")
    assert (made.status, verdict) == ("active", "good")


def test_transactional_email_and_a_developers_machine_are_only_warned(
    workspace: Workspace, settings: Any
) -> None:
    made, verdict, _said = submitted(workspace)
    assert (made.status, verdict) == ("active", "warning")
    settings.PRODUCTION = True
    made, verdict, _said = submitted(workspace, name="Receipts", kind="transactional")
    assert (made.status, verdict) == ("active", "warning")


def test_a_configurations_page_leads_to_its_senders_domain(
    client: Client, workspace: Workspace, domain: SendingDomain
) -> None:
    made = builders.configuration(workspace)
    client.force_login(builders.person(workspace, "manager"))
    page = client.get(f"/channels/{made.pk}/").content.decode()
    assert f"/channels/domains/{domain.pk}/" in page and "Pending" in page


def test_the_domain_of_another_workspace_does_not_count(workspace: Workspace, settings: Any) -> None:
    settings.PRODUCTION = True
    other = domains.add(workspace=builders.workspace("other"), name=NAME, actor=SYSTEM, now=NOW)
    SendingDomain.objects.filter(pk=other.pk).update(state="verified")
    assert submitted(workspace)[0].status == "failed"


def test_a_domain_in_use_is_kept(workspace: Workspace, domain: SendingDomain) -> None:
    using = builders.configuration(workspace)
    with pytest.raises(IllegalTransition) as refused:
        domains.delete(domain, actor=SYSTEM, now=NOW)
    assert refused.value.code == "domain_in_use"
    assert SendingDomain.objects.exists()
    using.delete()
    domains.delete(domain, actor=SYSTEM, now=NOW)
    assert not SendingDomain.objects.exists() and not Credential.objects.exists()


# ---- what people enter ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["", "localhost", "a b.example", "-a.example", "a..example", "192.0.2.1", "a\x00.example",
             "a.example\r\nx", "x" * 64 + ".example", "\ud800.example", "a.example/b", "*.example.com",
             "xn--a.tw", "xn--.example", "xn--0.xn--p1ai"],
)  # fmt: skip
def test_what_is_no_domain_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        domains.add(workspace=workspace, name=name, actor=SYSTEM, now=NOW)
    assert (refused.value.code, refused.value.problems[0].pointer) == ("bad_domain", "name")
    assert not SendingDomain.objects.exists() and not Credential.objects.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" Fernhill.Example. ", NAME),
        ("蕨丘.example", "xn--thq616k.example"),
        ("xn--fsqu00a.tw", "xn--fsqu00a.tw"),
    ],
)
def test_a_domain_has_one_spelling(workspace: Workspace, given: str, kept: str) -> None:
    made = domains.add(workspace=workspace, name=given, actor=SYSTEM, now=NOW)
    assert made.name == kept
    with pytest.raises(Invalid) as refused:
        domains.add(workspace=workspace, name=given, actor=SYSTEM, now=NOW)
    assert refused.value.code == "domain_taken"


@pytest.mark.parametrize(
    "spf", ["", "all", "+all", "mx ~all", "include:", "ip4:1.2.3", "ip4:2001:db8::1", 'mx" "all',
            "redirect=x.example", "exists:%{i}.x.example", "mx " * 9, "ip6:fe80::1%eth0", "ip4:1.2.3.4/0",
            f"include:{'a' * 64}.example"],
)  # fmt: skip
def test_only_mechanisms_that_name_servers_are_taken(domain: SendingDomain, spf: str) -> None:
    with pytest.raises(Invalid) as refused:
        domains.change(domain, spf=spf, actor=SYSTEM, now=NOW)
    assert refused.value.code == "bad_spf"
    domain.refresh_from_db()
    assert domain.spf == "mx"


@pytest.mark.parametrize("spf", ["mx\x1cinclude:a.example", "mx\x00", "ip6:::1%\x00", "mx\u200b", "\u202emx"])
def test_a_character_no_record_can_hold_is_named(client: Client, workspace: Workspace, spf: str) -> None:
    with pytest.raises(Invalid, match=r"U\+") as refused:
        domains.add(workspace=workspace, name=NAME, spf=spf, actor=SYSTEM, now=NOW)
    assert (refused.value.code, refused.value.problems[0].pointer) == ("bad_spf", "spf")
    client.force_login(builders.person(workspace, "administrator"))
    answer = client.post("/channels/domains/new/", {"name": NAME, "spf": spf})
    assert answer.status_code == 400
    assert not SendingDomain.objects.exists()


def test_the_servers_that_send_become_part_of_the_record(domain: SendingDomain) -> None:
    spf = "MX include:_spf.relay.example ip4:192.0.2.0/24 ip6:2001:db8::1"
    domain = domains.change(domain, spf=spf, actor=SYSTEM, now=NOW)
    record = next(one for one in records.expected(domain) if one.purpose == "spf")
    assert record.value == f"v=spf1 {spf.lower()} ~all"


# ---- pages ----------------------------------------------------------------------------------------
def test_an_administrator_adds_checks_and_removes_a_domain(
    client: Client, workspace: Workspace, server: FakeDns
) -> None:
    client.force_login(builders.person(workspace, "administrator"))
    answer = client.post("/channels/domains/new/", {"name": NAME, "spf": "mx"})
    domain = SendingDomain.objects.get()
    assert answer.headers["Location"] == f"/channels/domains/{domain.pk}/"
    page = client.get(f"/channels/domains/{domain.pk}/").content.decode()
    assert "Not checked" in page and "data-copy" in page
    publish(server, domain)
    page = client.post(f"/channels/domains/{domain.pk}/check/", follow=True).content.decode()
    assert "Every record that is needed is there" in page and "is-live" in page
    assert "Verified" in client.get("/channels/domains/").content.decode()
    server.silent |= {f"_dmarc.{NAME}", NAME}
    page = client.post(f"/channels/domains/{domain.pk}/check/", follow=True).content.decode()
    assert (
        "Every record that is needed is there" not in page and "DNS did not answer for every record" in page
    )
    server.silent.clear()
    client.post(f"/channels/domains/{domain.pk}/", {"spf": "include:_spf.relay.example"})
    domain.refresh_from_db()
    assert domain.spf == "include:_spf.relay.example"
    assert client.post(f"/channels/domains/{domain.pk}/delete/").status_code == 302
    assert not SendingDomain.objects.exists()


def test_a_bad_domain_is_shown_at_its_field(client: Client, workspace: Workspace) -> None:
    client.force_login(builders.person(workspace, "administrator"))
    answer = client.post("/channels/domains/new/", {"name": "no domain", "spf": "+all"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "is not a domain" in page and 'value="no domain"' in page
    assert not SendingDomain.objects.exists()


@pytest.mark.parametrize(("role", "sees"), [("manager", 200), ("viewer", 404)])
def test_others_see_a_domain_at_most(
    client: Client, workspace: Workspace, domain: SendingDomain, role: str, sees: int
) -> None:
    client.force_login(builders.person(workspace, role))
    assert client.get(f"/channels/domains/{domain.pk}/").status_code == sees
    denied = 403 if sees == 200 else 404
    for address in ("", "check/", "delete/"):
        assert client.post(f"/channels/domains/{domain.pk}/{address}", {"spf": "a"}).status_code == denied
    assert client.post("/channels/domains/new/", {"name": "x.example", "spf": "mx"}).status_code == 403
    assert SendingDomain.objects.get().spf == "mx"


def test_strangers_do_not_learn_that_a_domain_is_there(client: Client, domain: SendingDomain) -> None:
    client.force_login(builders.person(builders.workspace("other"), "administrator"))
    assert client.get(f"/channels/domains/{domain.pk}/").status_code == 404
    assert client.post(f"/channels/domains/{domain.pk}/delete/").status_code == 404
    assert NAME not in client.get("/channels/domains/").content.decode()


def test_the_clock_looks_again_at_what_was_checked_long_ago(domain: SendingDomain, server: FakeDns) -> None:
    publish(server, domain)
    check(domain)
    assert domains.check_again(NOW + timedelta(hours=1)) == 0
    del server.records[NAME, "TXT"]
    assert domains.check_again(NOW + timedelta(hours=25)) == 1
    domain.refresh_from_db()
    assert (domain.state, domain.checked_at) == ("failed", NOW + timedelta(hours=25))
