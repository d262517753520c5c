"""One person, every run: what became of their message and why, as the page and the API tell it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AccessLabel
from audiences import consent, erasure, suppression
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.models import Event, Run
from campaigns.reports import why
from tests import builders
from tests.api import Caller, pointers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
VIPS = {"all": [{"field": "name", "op": "is", "value": "Vera"}]}


@pytest.fixture
def people() -> dict[str, Profile]:
    """A campaign to everybody was sent to all but Late, who came afterwards; another only to Vera."""
    where = builders.workspace()
    names = ("vera", "nora", "sue", "eve")
    found = {
        name: Profile.objects.create(
            workspace=where, email=f"{name}@example.com", attributes={"name": name.title()}
        )
        for name in names
    }
    now = timezone.now()
    consent.withdraw(profile_id=found["nora"].pk, channel="email", source="test", now=now)
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="sue@example.com", reason="x", now=now
    )
    Profile.objects.filter(pk=found["eve"].pk).update(email=None, external_id="eve-1")
    builders.live(where, now=now)
    call_command("deliver")
    found["late"] = Profile.objects.create(workspace=where, email="late@example.com")
    return found


@pytest.fixture
def where(people: dict[str, Profile]) -> Any:
    return people["vera"].workspace


@pytest.fixture
def reader(where: Any, client: Client) -> Client:
    client.force_login(builders.person(where, "approver", "reader"))
    return client


@pytest.fixture
def caller(where: Any) -> Caller:
    return Caller(where, "manager")


def told_to(caller: Caller, query: str) -> list[dict[str, Any]]:
    answer = caller.get(f"/api/why/?{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["results"])


def to_vips(where: Any) -> Run:
    audience = builders.audience(where, name="VIPs", rule=VIPS)
    made = builders.draft(where, builders.person(where, "manager", "author"), audience=audience)
    approver = builders.person(where, "approver", "second")
    done = lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
    call_command("deliver")
    return Run.objects.get(campaign=done)


def test_everybody_is_told_what_became_of_their_message_and_why(
    people: dict[str, Profile], caller: Caller
) -> None:
    expected = {
        "vera": ("accepted", "250 2.0.0", ""),
        "nora": ("excluded", "050101", "No consent for email marketing"),
        "sue": ("excluded", "050102", "On the suppression list"),
        "eve": ("excluded", "050020", "No email address"),
    }
    for name, (outcome, code, reason) in expected.items():
        (row,) = told_to(caller, f"profile={people[name].pk}")
        (message,) = row["messages"]
        assert (message["outcome"], message["code"], message["reason"]) == (outcome, code, reason)
        assert row["name"] == "Winter layers" and row["sentence"] == "" and row["askedAnew"] is None


def test_a_person_is_found_by_any_of_their_identities(people: dict[str, Profile], caller: Caller) -> None:
    assert told_to(caller, "address=VERA@example.com")[0]["profile"] == people["vera"].pk
    assert told_to(caller, "address=eve-1")[0]["profile"] == people["eve"].pk
    assert caller.get("/api/why/?address=nobody@example.com").status_code == 404


def test_what_happened_afterwards_is_told_with_machines_apart(
    people: dict[str, Profile], caller: Caller
) -> None:
    run = Run.objects.get()
    for kind, machine in (("open", "apple"), ("open", ""), ("open", ""), ("unsubscribe", "")):
        Event.objects.create(
            run=run, action=0, ref=people["vera"].pk, kind=kind, at=timezone.now(), machine=machine
        )
    (row,) = told_to(caller, f"profile={people['vera'].pk}")
    assert row["messages"][0]["happened"] == ["Open by a machine", "Open", "Unsubscribe"]


def test_who_came_later_was_not_considered_and_the_run_says_so(
    people: dict[str, Profile], caller: Caller
) -> None:
    late = people["late"].pk
    assert told_to(caller, f"profile={late}") == []
    (row,) = told_to(caller, f"profile={late}&show=all")
    assert row["messages"] == []
    assert row["sentence"] == "This person was added after the run had begun."


def test_who_was_not_in_the_audience_has_its_rule_asked_anew(
    people: dict[str, Profile], where: Any, caller: Caller
) -> None:
    run = to_vips(where)
    asked = f"profile={people['nora'].pk}&run={run.pk}"
    (row,) = told_to(caller, asked)
    assert row["sentence"] == "Not in its audience when it began."
    anew = row["askedAnew"]
    assert (anew["isMember"], anew["would"], anew["fault"]) == (False, [], "")
    assert "Vera" in str(anew["conditions"]) and anew["conditions"]["met"] is False
    # Today she is in it, and what would keep the message from her is told.
    Profile.objects.filter(pk=people["nora"].pk).update(attributes={"name": "Vera"})
    anew = told_to(caller, asked)[0]["askedAnew"]
    assert anew["isMember"] is True
    assert anew["would"] == [{"channel": "Email", "reason": "No consent for email marketing"}]
    Profile.objects.filter(pk=people["late"].pk).update(attributes={"name": "Vera"})
    anew = told_to(caller, f"profile={people['late'].pk}&run={run.pk}")[0]["askedAnew"]
    assert anew["would"] == [{"channel": "Email", "reason": ""}]


def test_the_page_says_the_same_and_is_led_to_from_the_profile_and_the_run(
    people: dict[str, Profile], where: Any, reader: Client
) -> None:
    run = to_vips(where)
    nora = people["nora"]
    page = reader.get("/campaigns/why/?who=nora@example.com").content.decode()
    assert "Excluded</b>: No consent for email marketing" in page and "Not in its audience" not in page
    every = reader.get(f"/campaigns/why/?person={nora.pk}&show=all").content.decode()
    assert "Not in its audience when it began." in every
    link = f"?person={nora.pk}&amp;run={run.pk}"
    assert link in every
    anew = reader.get(f"/campaigns/why/?person={nora.pk}&run={run.pk}").content.decode()
    assert "Today this person is not in the audience." in anew and "it may have been otherwise then" in anew
    assert "Nobody in the workspace" in reader.get("/campaigns/why/?who=ghost@example.com").content.decode()
    assert (
        f"/campaigns/why/?person={nora.pk}" in reader.get(f"/audiences/profiles/{nora.pk}/").content.decode()
    )
    assert f"/campaigns/why/?run={run.pk}" in reader.get(f"/campaigns/runs/{run.pk}/").content.decode()


def test_a_campaign_behind_a_label_is_not_named_and_a_hidden_audience_tells_no_condition(
    people: dict[str, Profile], where: Any, reader: Client, caller: Caller
) -> None:
    run = to_vips(where)
    label = AccessLabel.objects.create(workspace=where, name="Board")
    run.campaign.audience.labels.add(label)
    asked = f"profile={people['nora'].pk}&run={run.pk}"
    anew = told_to(caller, asked)[0]["askedAnew"]
    assert anew["conditions"] is None and anew["isMember"] is None and anew["fault"]
    page = reader.get(f"/campaigns/why/?person={people['nora'].pk}&run={run.pk}").content.decode()
    assert "Vera" not in page.replace(people["vera"].email or "", "")
    run.campaign.labels.add(label)
    assert caller.get(f"/api/why/?{asked}").status_code == 404
    runs = {row["run"] for row in told_to(caller, f"profile={people['vera'].pk}&show=all")}
    assert runs and run.pk not in runs
    assert reader.get(f"/campaigns/why/?person={people['vera'].pk}&run={run.pk}").status_code == 404


def test_who_may_not_manage_people_and_another_house_are_told_nothing(
    people: dict[str, Profile], where: Any, client: Client
) -> None:
    vera = people["vera"]
    client.force_login(builders.person(where, "viewer"))
    assert client.get(f"/campaigns/why/?person={vera.pk}").status_code == 404
    assert client.get("/campaigns/why/?who=vera@example.com").status_code == 403
    assert Caller(where, "viewer").get(f"/api/why/?profile={vera.pk}").status_code == 403
    elsewhere = builders.workspace("elsewhere")
    stranger = Caller(elsewhere, "administrator")
    assert stranger.get(f"/api/why/?profile={vera.pk}").status_code == 404
    assert stranger.get("/api/why/?address=vera@example.com").status_code == 404
    client.force_login(builders.person(elsewhere, "administrator"))
    assert client.get(f"/campaigns/why/?person={vera.pk}").status_code == 404
    assert "vera@example.com</a>" not in client.get("/campaigns/why/?who=vera@example.com").content.decode()


def test_after_an_erasure_nothing_is_found(people: dict[str, Profile], where: Any, caller: Caller) -> None:
    vera = people["vera"]
    erasure.erase(vera, actor=builders.person(where, "administrator", "root"), now=timezone.now())
    assert caller.get("/api/why/?address=vera@example.com").status_code == 404
    assert caller.get(f"/api/why/?profile={vera.pk}").status_code == 404


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("", ("no_person", "/profile")),
        ("profile=1&address=a@b.example", ("no_person", "/profile")),
        ("profile=x", ("bad_profile", "/profile")),
        ("address=vera@example.com&run=-1", ("bad_run", "/run")),
        ("address=a@b.example&show=some", ("unknown_show", "/show")),
    ],
)
def test_a_bad_question_is_said_where(caller: Caller, query: str, fault: tuple[str, str]) -> None:
    answer = caller.get(f"/api/why/?{query}")
    assert answer.status_code == 400 and pointers(answer) == [fault]


def test_many_runs_cost_the_queries_of_one_and_read_by_index(
    people: dict[str, Profile], where: Any, reader: Client
) -> None:
    vera = people["vera"]

    def cost(query: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert reader.get(f"/campaigns/why/?person={vera.pk}{query}").status_code == 200
        return len(asked)

    cost("")
    before = cost(""), cost("&show=all")
    first = Run.objects.get()
    for day in range(1, 6):
        copy = Run.objects.get(pk=first.pk)
        copy.pk, copy.due_at = None, first.due_at + timedelta(days=day)
        copy.save()
    to_vips(where)
    assert (cost(""), cost("&show=all")) == before
    with CaptureQueriesContext(connection) as asked:
        why.tell(why.runs_of(SYSTEM, vera), vera)
    reads = [one["sql"] for one in asked if "campaigns_message" in one["sql"]]
    assert len(reads) == 2
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in reads:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on campaigns_message" not in plan, plan
