"""A message goes to the field that the workspace or its configuration chose, whichever door began it; and
whatever keeps messages from an address keeps them from that one.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace
from audiences import (
    addresses,
    attributes,
    consent,
    conversions,
    erasure,
    evaluate,
    gone,
    lastlook,
    namespaces,
    profiles,
    suppression,
)
from audiences.models import AttributeDefinition, Identity, Profile, Suppression
from campaigns import forecast, lifecycle
from campaigns.delivery import proofs
from campaigns.models import Attempt, Message, Run
from campaigns.reports.metrics import ledger, reasons
from campaigns.tracking import replies
from channels import configurations, origins
from channels.models import ChannelConfiguration, ReceivedReply
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests import builders
from tests.api import Caller, pointers
from tests.builders import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
WORK, SECOND = "attribute:work_email", "attribute:second_phone"
EVERYBODY: dict[str, Any] = {"id": None, "kind": "rule", "name": "", "rule": {}}


@pytest.fixture
def where() -> Workspace:
    """Ana has both addresses, Bo only his own, Cai only the one of his work, Dee neither."""
    made = builders.workspace()
    AttributeDefinition.objects.create(workspace=made, key="work_email", label="Work", type="email")
    AttributeDefinition.objects.create(workspace=made, key="second_phone", type="phone")
    people: list[tuple[str, str | None, str | None]] = [
        ("ana", "ana@home.example", "ana@work.example"),
        ("bo", "bo@home.example", None),
        ("cai", None, "cai@work.example"),
        ("dee", None, None),
    ]
    Profile.objects.bulk_create(
        Profile(
            workspace=made,
            external_id=name,
            email=own,
            attributes={"name": name} | ({"work_email": work} if work else {}),
        )
        for name, own, work in people
    )
    return made


def person(name: str) -> Profile:
    return Profile.objects.select_related("workspace").get(external_id=name)


def hold(name: str, attributes: dict[str, str]) -> None:
    known: dict[str, Any] = {"locale": "", "time_zone": "", "is_test": False}
    profiles.change(person(name), **known, attributes=attributes, actor=SYSTEM, now=NOW)


def choose(where: Workspace, channel: str, *sources: str, **of: Any) -> None:
    addresses.choose(where, channel, sources, actor=SYSTEM, now=NOW, **of)
    where.refresh_from_db()


def run_of(where: Workspace, **changes: Any) -> Run:
    draft = builders.draft(where, builders.person(where, "manager"), **changes)
    told = forecast.forecast(draft, now=timezone.now())
    lifecycle.apply(draft, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    excluded = {code: count for code, _label, count in reasons(run, "excluded")}
    assert told is not None and (told.people, told.reached) == (ledger(run).targeted, ledger(run).accepted)
    assert {one.code: one.people for one in told.actions[0].excluded} == excluded
    return run


def reached(run: Run) -> dict[str, str]:
    """Who got it, and where."""
    excluded = set(Attempt.objects.filter(run=run, outcome="excluded").values_list("ref", flat=True))
    names = dict(Profile.objects.values_list("pk", "external_id"))
    return {
        str(names[one.profile_id]): one.address
        for one in Message.objects.filter(run=run)
        if one.ref not in excluded
    }


# ---- every door ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sources", "got"),
    [
        ([], {"ana": "ana@home.example", "bo": "bo@home.example"}),
        ([WORK], {"ana": "ana@work.example", "cai": "cai@work.example"}),
        ([WORK, "email"], {"ana": "ana@work.example", "bo": "bo@home.example", "cai": "cai@work.example"}),
        (["email", WORK], {"ana": "ana@home.example", "bo": "bo@home.example", "cai": "cai@work.example"}),
    ],
)
def test_a_run_goes_to_the_first_field_that_has_a_value_as_its_forecast_said(
    where: Workspace, sources: list[str], got: dict[str, str]
) -> None:
    choose(where, "email", *sources)
    run = run_of(where)
    assert reached(run) == got
    assert {code for code, _label, _count in reasons(run, "excluded")} == {"050020"}  # no email address


def test_a_configuration_may_choose_otherwise_and_a_copy_of_it_chooses_the_same(where: Workspace) -> None:
    choose(where, "email", "email")
    assert where.address_from == {}  # the channel's own field is what holds without any word
    carrier = builders.configuration(where)
    choose(where, "email", WORK, configuration=carrier)
    assert reached(run_of(where, configuration=carrier)) == {
        "ana": "ana@work.example",
        "cai": "cai@work.example",
    }
    told = evaluate.reach(EVERYBODY, workspace_id=where.pk, channel="email", category="marketing")
    assert told[""] == 2  # the workspace's own order, which an audience is counted by
    carrier.workspace = where
    copy = configurations.duplicate(carrier, actor=SYSTEM, now=NOW)
    where.refresh_from_db()
    assert origins.order(where, "email", copy.pk) == (WORK,)
    configurations.delete(copy, actor=SYSTEM, now=NOW)
    where.refresh_from_db()
    assert where.address_from == {str(carrier.pk): [WORK]}


def test_an_api_call_and_a_proof_go_there_too_and_an_address_in_the_call_stands_above(
    where: Workspace,
) -> None:
    carrier = builders.configuration(where, kind="transactional", name="Receipts")
    live = builders.live(where, type="api_triggered", category="transactional", configuration=carrier)
    caller = Caller(where, "approver")

    def call(request: str, **channel: Any) -> str:
        one = {"type": "aep", "userId": "ana", "namespace": "external_id", **channel}
        body = {"requestId": request, "campaignId": str(live.pk), "recipients": [one]}
        answer = caller.post("/ajo/im/executions/unitary", body)
        assert answer.status_code == 202, answer.content
        return str(Message.objects.order_by("ref").last().address)  # type: ignore[union-attr]

    assert call("r-0") == "ana@home.example"
    choose(where, "email", WORK, "email")
    assert call("r-1") == "ana@work.example"
    choose(where, "email", "email", configuration=carrier)
    assert call("r-2") == "ana@home.example"
    choose(where, "email", WORK, configuration=carrier)
    assert call("r-3") == "ana@work.example"
    assert call("r-4", channelData={"emailAddress": "x@call.example"}) == "x@call.example"

    Profile.objects.filter(external_id="ana").update(is_test=True)
    author = builders.person(where, "administrator")
    proof: dict[str, Any] = {"action": 0, "addresses": [], "actor": author, "now": timezone.now()}
    run = proofs.send(live, person=person("ana"), **proof)
    assert Message.objects.get(run=run).address == "ana@work.example"
    Profile.objects.filter(external_id="bo").update(is_test=True)
    with pytest.raises(Invalid) as caught:
        proofs.send(live, person=person("bo"), **proof)  # not to the field that was not chosen
    assert caught.value.problems[0].code == "bad_addresses"


def test_sms_goes_to_the_chosen_number_and_a_stop_from_it_holds(where: Workspace) -> None:
    Profile.objects.filter(external_id="ana").update(phone="+886911111111")
    for name, number in (("ana", "+886922222222"), ("bo", "+886 933-333-333")):
        hold(name, {"second_phone": number})
    carrier = builders.configuration(where, channel="sms", name="Texts")
    choose(where, "sms", SECOND)
    draft = builders.draft_over(carrier, builders.person(where, "manager"), text="Hello")
    lifecycle.apply(draft, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    call_command("deliver")
    assert reached(Run.objects.get()) == {"ana": "+886922222222", "bo": "+886933333333"}
    ReceivedReply.objects.create(
        configuration=carrier,
        event_id="1",
        sender="+886922222222",
        text="STOP",
        at=NOW,
        received_at=timezone.now(),
    )
    replies.apply(timezone.now())
    told = evaluate.reach(EVERYBODY, workspace_id=where.pk, channel="sms", category="transactional")
    assert (told[""], told["050107"]) == (1, 1)


def test_a_stop_holds_for_everybody_who_is_written_to_at_the_number(where: Workspace) -> None:
    Profile.objects.filter(external_id="ana").update(phone="+886911111111")
    hold("bo", {"second_phone": "+886911111111"})
    carrier = builders.configuration(where, channel="sms", name="Texts")
    choose(where, "sms", SECOND)
    ReceivedReply.objects.create(
        configuration=carrier,
        event_id="1",
        sender="+886911111111",
        text="STOP",
        at=NOW,
        received_at=timezone.now(),
    )
    replies.apply(timezone.now())
    told = evaluate.reach(EVERYBODY, workspace_id=where.pk, channel="sms", category="transactional")
    assert told.get("", 0) == 0


def test_each_line_provider_knows_a_person_by_an_id_of_its_own(where: Workspace) -> None:
    namespaces.add_namespace(where, key="line_shop", actor=SYSTEM, now=NOW)
    one, other = "U" + "1" * 32, "U" + "2" * 32
    ana = person("ana")
    for namespace, value in (("line_id", one), ("line_shop", other), ("line_shop", "no id of LINE")):
        Identity.objects.create(workspace=where, profile=ana, namespace=namespace, value=value)
    shop = builders.configuration(where, channel="line", name="Shop")
    choose(where, "line", "namespace:line_shop", configuration=shop)
    draft = builders.draft_over(shop, builders.person(where, "manager"), text="Hello")
    lifecycle.apply(draft, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    call_command("deliver")
    assert reached(Run.objects.get()) == {"ana": other}
    gone.take_out(where.pk, "line", [other], reason="bounce", now=NOW)
    assert sorted(ana.identities.values_list("value", flat=True)) == [one, "no id of LINE"]
    with pytest.raises(IllegalTransition):
        namespaces.remove_namespace(namespace_of(where), actor=SYSTEM, now=NOW)


def namespace_of(where: Workspace) -> Any:
    """Empty, so that only its use keeps it."""
    Identity.objects.filter(namespace="line_shop").delete()
    return where.identity_namespaces.get(key="line_shop")


# ---- what keeps a message from an address ---------------------------------------------------------
def test_suppression_is_of_the_address_that_is_used_and_consent_of_the_person(where: Workspace) -> None:
    choose(where, "email", WORK, "email")
    listed: dict[str, Any] = {"workspace_id": where.pk, "channel": "email", "reason": "bounce", "now": NOW}
    suppression.suppress(address="Ana@Work.example", **listed)
    suppression.suppress(address="ana@home.example", **listed)  # of no weight: nobody writes there
    consent.withdraw(profile_id=person("bo").pk, channel="email", source="test", now=NOW)
    assert reached(run_of(where)) == {"cai": "cai@work.example"}
    assert {one.address for one in suppression.holding(person("ana"))} == {
        "ana@work.example",
        "ana@home.example",
    }
    told = evaluate.reach(EVERYBODY, workspace_id=where.pk, channel="email", category="transactional")
    assert (told[""], told["050102"], told["050020"]) == (2, 1, 1)


def test_who_is_erased_is_not_written_to_there_when_they_come_again(where: Workspace) -> None:
    choose(where, "email", "email")
    carrier = builders.configuration(where)
    choose(where, "email", WORK, configuration=carrier)
    other = {"second_phone": "+886922222222"}  # chosen nowhere: it may be somebody else's as well
    hold("cai", other)
    erasure.erase(person("cai"), actor=SYSTEM, now=NOW)
    assert set(Suppression.objects.values_list("channel", "kind")) == {("email", "hash")}
    assert "cai@work" not in str(list(Suppression.objects.values()))
    again = Profile.objects.create(
        workspace=where, external_id="cai", attributes={"work_email": "cai@work.example"}
    )
    run = run_of(where, configuration=carrier)
    assert reached(run) == {"ana": "ana@work.example"}
    people: list[tuple[int | None, str]] = [(again.pk, "cai@work.example")]
    assert lastlook.blocked(where.pk, people, channel="email", category="transactional") == {0: "050102"}


# ---- who may choose what ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("channel", "sources", "code"),
    [
        ("email", ["attribute:name"], "no_source"),  # a text may hold anything
        ("email", [SECOND], "no_source"),
        ("email", ["phone"], "no_source"),
        ("email", ["attribute:missing"], "no_source"),
        ("email", ["attribute:work_email') --"], "no_source"),
        ("email", ["namespace:line_id"], "no_source"),
        ("sms", [WORK], "no_source"),
        ("line", [WORK], "no_source"),
        ("push", ["push_token"], "no_choice"),
        ("carrier_pigeon", [], "no_choice"),
    ],
)
def test_what_holds_no_addresses_of_the_channel_is_refused(
    where: Workspace, channel: str, sources: list[str], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        choose(where, channel, *sources)
    assert caught.value.problems[0].code == code
    where.refresh_from_db()
    assert where.address_from == {} and not AuditEntry.objects.filter(verb="choose_addresses").exists()


def test_a_field_stays_as_long_as_addresses_come_from_it(where: Workspace, monkeypatch: Any) -> None:
    definition = AttributeDefinition.objects.get(workspace=where, key="work_email")
    choose(where, "email", WORK)
    told: dict[str, Any] = {"actor": SYSTEM, "now": NOW}
    with pytest.raises(IllegalTransition) as caught:
        attributes.remove(definition, **told)
    assert caught.value.code == "attribute_in_use"
    with pytest.raises(IllegalTransition):
        attributes.change(definition, label="", type="text", choices=[], **told)
    assert person("ana").attributes["work_email"] == "ana@work.example"
    choose(where, "email")
    # Chosen while its values were still being looked at: the conversion gives way.
    monkeypatch.setattr(conversions, "is_long", lambda workspace_id: True)
    attributes.change(definition, label="", type="text", choices=[], **told)
    choose(where, "email", WORK)
    while conversions.advance(definition.conversion.pk):
        pass
    definition = AttributeDefinition.objects.get(pk=definition.pk)
    assert (definition.type, definition.conversion.reason) == ("email", "in_use")


def test_only_who_manages_channels_chooses_and_it_is_noted(where: Workspace) -> None:
    for role in ("manager", "approver", "viewer"):
        with pytest.raises(PermissionMissing):
            addresses.choose(where, "email", [WORK], actor=builders.person(where, role), now=NOW)
    assert Workspace.objects.get(pk=where.pk).address_from == {}
    admin = builders.person(where, "administrator")
    for _again in range(2):
        addresses.choose(where, "email", [WORK, WORK], actor=admin, now=NOW)
    entry = AuditEntry.objects.get(verb="choose_addresses")
    assert entry.details == {"channel": "email", "before": [], "after": [WORK]}


def test_another_workspace_keeps_its_own_order(where: Workspace) -> None:
    other = builders.workspace("other")
    builders.profiles(other, 1)
    choose(where, "email", WORK)
    told = evaluate.reach(EVERYBODY, workspace_id=other.pk, channel="email", category="marketing")
    assert told == {"": 1}


# ---- the doors -------------------------------------------------------------------------------------
def test_the_api_tells_and_changes_it(where: Workspace) -> None:
    carrier = builders.configuration(where)
    caller = Caller(where, "administrator")
    read = caller.get("/api/addresses/").json()
    assert (read["email"], read["sms"]) == (["email"], ["phone"])
    assert read["choices"]["email"] == ["email", WORK] and read["choices"]["whatsapp"] == ["phone", SECOND]
    wrong = caller.put("/api/addresses/", {"sms": [SECOND], "email": ["email", "attribute:name"]})
    assert wrong.status_code == 400 and pointers(wrong) == [("no_source", "/email/1")]
    assert caller.get("/api/addresses/").json() == read  # nothing of it was taken
    told = caller.put("/api/addresses/", {"email": [WORK, "email"]})
    assert told.status_code == 200 and told.json()["email"] == [WORK, "email"]
    one = f"/api/channel-configurations/{carrier.pk}/addresses/"
    assert caller.put(one, {"sources": ["email"]}).json() == {"channel": "email", "sources": ["email"]}
    wrong = caller.put(one, {"sources": ["phone"]})
    assert wrong.status_code == 400 and pointers(wrong) == [("no_source", "/sources/0")]
    assert Caller(where, "manager").put(one, {"sources": []}).status_code == 403
    assert caller.get(one).json()["sources"] == ["email"]


def test_the_page_shows_each_configuration_that_the_reader_may_see_and_saves(
    where: Workspace, client: Any
) -> None:
    carrier = builders.configuration(where)
    builders.configuration(where, channel="push", name="No choice here")
    client.force_login(builders.person(where, "administrator"))
    page = client.get("/audiences/addresses/").content.decode()
    assert "Main" in page and "No choice here" not in page and f'value="{WORK}"' in page
    given = {"channel": "email", "from": ["", WORK, "email"]}
    assert client.post("/audiences/addresses/", given).status_code == 302
    assert client.post(f"/audiences/addresses/{carrier.pk}/", {"from": ["email", "", ""]}).status_code == 302
    where.refresh_from_db()
    assert where.address_from == {"email": [WORK, "email"], str(carrier.pk): ["email"]}
    assert client.post("/audiences/addresses/", {**given, "from": ["attribute:name"]}).status_code == 400
    # Two had opened the page: the second is told, and overwrites nothing.
    late = client.post("/audiences/addresses/", {**given, "from": ["email"], "seen": "an older page"})
    assert late.status_code == 400 and "after you opened it" in late.content.decode()
    mark = re.search(r'name="seen" value="([^"]+)"', late.content.decode())
    assert mark and Workspace.objects.get(pk=where.pk).address_from == where.address_from
    assert client.post("/audiences/addresses/", {**given, "seen": mark[1]}).status_code == 302
    client.force_login(builders.person(where, "manager"))
    assert "disabled" in client.get("/audiences/addresses/").content.decode()
    assert client.post("/audiences/addresses/", given).status_code == 403
    assert ChannelConfiguration.objects.count() == 2
