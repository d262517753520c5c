"""An attribute many people hold takes another type: a worker's work, whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, User, Workspace
from audiences import attributes, audiences, conversions, tasks
from audiences.models import AttributeConversion, AttributeDefinition, Audience, Profile
from audiences.rules.compile import compile_rule
from common.errors import CarillonError, IllegalTransition, Invalid
from tests import builders
from tests.api import Caller
from tests.audiences import imported

pytestmark = pytest.mark.django_db
PEOPLE = 12
RULE = {"field": "points", "op": "is", "value": "3"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen people are many, read four at a time."""
    monkeypatch.setattr(conversions, "AT_ONCE", 5)
    monkeypatch.setattr(conversions, "PAGE", 4)


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    AttributeDefinition.objects.create(workspace=made, key="points", type="text", index_state="ready")
    Profile.objects.bulk_create(
        Profile(workspace=made, email=f"p{n}@x.tw", attributes={"points": f" {n}.0"} if n % 3 else {})
        for n in range(PEOPLE)
    )
    return made


@pytest.fixture
def manager(where: Workspace) -> User:
    return builders.person(where, "manager")


def begun(where: Workspace, actor: User, type: str = "number") -> AttributeConversion:
    definition = AttributeDefinition.objects.get(workspace=where, key="points")
    attributes.change(definition, label="Points", type=type, choices=[], actor=actor, now=builders.NOW)
    return AttributeConversion.objects.get()


def pages(one: AttributeConversion, count: int) -> AttributeConversion:
    """So many pages, as a worker that is killed after them."""
    for _page in range(count):
        conversions.advance(one.pk, stretch=0)
    one.refresh_from_db()
    return one


def values() -> list[Any]:
    return [one.attributes.get("points") for one in Profile.objects.order_by("pk")]


def definition() -> AttributeDefinition:
    return AttributeDefinition.objects.get(key="points")


def test_the_old_type_counts_while_values_are_checked_and_nothing_is_asked_of_both(
    where: Workspace, manager: User
) -> None:
    before = values()
    one = pages(begun(where, manager), 2)
    assert (one.state, one.seen_count, one.people_count, one.share) == ("checking", 8, PEOPLE, 33)
    assert (definition().type, values()) == ("text", before)
    assert compile_rule(RULE, where)
    one = pages(one, 3)
    assert (one.state, one.seen_count, definition().type) == ("converting", 4, "number")
    assert definition().is_converting and definition().index_state == "none"
    for rule in (RULE, {"field": "points", "op": "is", "value": 3}):
        with pytest.raises(Invalid) as caught:
            compile_rule(rule, where)
        assert caught.value.code == "attribute_converting"
    ranked = {"rank": {"of": {"rule": {"all": []}}, "by": "points", "order": "desc", "limit": 3}}
    with pytest.raises(CarillonError):
        audiences.create(
            where, name="Top", kind="composition", composition=ranked, actor=manager, now=builders.NOW
        )
    assert not conversions.advance(one.pk)
    assert values() == [n if n % 3 else None for n in range(PEOPLE)]
    assert (definition().type, definition().label, definition().is_converting) == ("number", "Points", False)
    assert compile_rule({"field": "points", "op": "greater_than", "value": 3}, where)
    told = AuditEntry.objects.filter(verb__endswith="conversion").values_list("verb", "details__people")
    assert list(told) == [("finish_conversion", PEOPLE)]


@pytest.mark.parametrize("count", range(9))
def test_cut_off_after_any_page_it_goes_on_by_the_sweep(where: Workspace, manager: User, count: int) -> None:
    one = pages(begun(where, manager), count)
    assert one.is_over == (count > 7)
    AttributeConversion.objects.update(worked_at=None)
    for pk in conversions.unfinished(builders.NOW):
        tasks.advance_conversion(pk)
    assert values() == [n if n % 3 else None for n in range(PEOPLE)]
    assert AttributeConversion.objects.get().state == "done"
    assert conversions.unfinished(builders.NOW) == []


def test_values_that_do_not_fit_are_counted_and_shown_and_nothing_changes(
    where: Workspace, manager: User
) -> None:
    Profile.objects.filter(email__in=["p4@x.tw", "p7@x.tw"]).update(attributes={"points": "<many>"})
    before = values()
    one = begun(where, manager)
    assert not conversions.advance(one.pk)
    one.refresh_from_db()
    assert (one.state, one.reason, one.misfit_count) == ("refused", "misfits", 2)
    assert one.examples == ['"<many>"']
    assert (values(), definition().type, definition().index_state) == (before, "text", "ready")
    client = Client()
    client.force_login(manager)
    page = client.get("/audiences/attributes/").content.decode()
    assert "2 people hold such values" in page and "&lt;many&gt;" in page and "<many>" not in page
    Profile.objects.filter(attributes__points="<many>").update(attributes={"points": "5"})
    assert not conversions.advance(begun(where, manager).pk)
    assert definition().type == "number"


def test_what_is_written_meanwhile_in_the_old_type_and_does_not_fit_stays_and_is_counted(
    where: Workspace, manager: User
) -> None:
    one = pages(begun(where, manager), 4)
    assert one.state == "converting"
    last = Profile.objects.order_by("pk")[PEOPLE - 1]
    Profile.objects.filter(pk=last.pk).update(attributes={"points": "late"})
    conversions.advance(one.pk)
    one.refresh_from_db()
    assert (one.state, one.misfit_count, one.examples) == ("done", 1, ['"late"'])
    last.refresh_from_db()
    assert last.attributes == {"points": "late"}


def test_people_who_come_while_it_checks_are_checked_too(where: Workspace, manager: User) -> None:
    one = pages(begun(where, manager), 3)
    Profile.objects.create(workspace=where, email="new@x.tw", attributes={"points": "lots"})
    conversions.advance(one.pk)
    assert AttributeConversion.objects.get().misfit_count == 1 and definition().type == "text"


def test_nothing_else_changes_it_while_it_is_converted(where: Workspace, manager: User) -> None:
    one = pages(begun(where, manager), 5)
    for attempt in (
        lambda: begun(where, manager, "date"),
        lambda: attributes.remove(definition(), actor=manager, now=builders.NOW),
    ):
        with pytest.raises(IllegalTransition, match="being converted"):
            attempt()
    assert AttributeConversion.objects.get().cursor == one.cursor


def test_an_audience_or_an_import_that_begins_meanwhile_stops_it_whole(
    where: Workspace, manager: User
) -> None:
    before = values()
    one = pages(begun(where, manager), 1)
    audience: Audience = builders.audience(where, name="Three", rule=RULE)
    conversions.advance(one.pk)
    one.refresh_from_db()
    assert (one.state, one.reason, values()) == ("refused", "in_use", before)
    audience.delete()
    one = pages(begun(where, manager), 1)
    job = imported.checked("email,points\np1@x.tw,9\n", where)
    conversions.advance(one.pk)
    one.refresh_from_db()
    assert (job.state, one.state, one.reason, definition().type) == ("ready", "refused", "imported", "text")
    with pytest.raises(IllegalTransition, match=r"people\.csv"):
        begun(where, manager)


def test_the_page_tells_how_far_it_is(where: Workspace, manager: User) -> None:
    client = Client()
    client.force_login(manager)
    form = {"label": "", "type": "number", "choices": ""}
    answer = client.post("/audiences/attributes/keys/points/", form, follow=True)
    page = answer.content.decode()
    assert 'aria-valuenow="0"' in page and 'hx-trigger="every 2s"' in page
    refused = client.post("/audiences/attributes/keys/points/", form)
    assert refused.status_code == 400 and "being converted" in refused.content.decode()
    conversions.advance(AttributeConversion.objects.get().pk)
    page = client.get("/audiences/attributes/").content.decode()
    assert "progressbar" not in page and "hx-trigger" not in page


def test_the_api_answers_accepted_and_tells_the_state(where: Workspace) -> None:
    call = Caller(where)
    answer = call.patch("/api/attributes/points/", {"type": "number"})
    assert answer.status_code == 202, answer.json()
    assert answer.json()["type"] == "text"
    assert answer.json()["conversion"]["state"] == "checking"
    again = call.patch("/api/attributes/points/", {"type": "date"})
    assert (again.status_code, again.json()["code"]) == (409, "attribute_converting")
    assert call.delete("/api/attributes/points/").status_code == 409
    conversions.advance(AttributeConversion.objects.get().pk)
    found = call.get("/api/attributes/points/").json()
    assert (found["type"], found["conversion"]["state"], found["conversion"]["percent"]) == (
        "number",
        "done",
        100,
    )
