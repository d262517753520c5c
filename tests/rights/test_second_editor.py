"""Two people open the same form and both save: the second is told who was faster, and overwrites nothing.

What campaigns, audiences, people, fragments and templates say is numbered, and their own tests tell of it;
here are the forms of all else. A page that posts to itself without a mark and is not in ELSE fails.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts import roles
from tests.rights.addresses import every
from tests.rights.asking import Asker
from tests.rights.forms import Forms
from tests.rights.pressing import pages
from tests.rights.world import World

pytestmark = pytest.mark.django_db
# The form of each page, by the field that both change.
SHARED = {
    "/accounts/roles/<int:pk>/": "title",
    "/audiences/attributes/keys/<slug:key>/": "label",
    "/audiences/topics/<int:pk>/": "name",
    "/campaigns/<int:pk>/manage/": "tags",
    "/campaigns/feedback/<int:pk>/edit/": "name",
    "/campaigns/policies/<int:pk>/": "name",
    "/campaigns/seed-lists/<int:pk>/": "name",
    "/campaigns/assets/<int:pk>/": "description",
    "/channels/<int:pk>/edit/": "description",
    "/channels/<int:pk>/limits/": "rate",
    "/channels/rule-sets/<int:pk>/edit/": "name",
    "/channels/rule-sets/<int:pk>/rules/<int:rule_pk>/": "name",
    "/channels/warm-up/<int:pk>/edit/": "name",
}


# Where a page posts to itself and writes no value over another's.
ELSE = {
    "/audiences/<int:pk>/delete/": "takes it away",
    "/audiences/attributes/keys/<slug:key>/remove/": "takes it away",
    "/audiences/profiles/<int:pk>/consents/": "adds what a person said",
    "/audiences/profiles/<int:pk>/erase/": "takes them away",
    "/audiences/suppression/<int:pk>/remove/": "takes it away",
    "/campaigns/<int:pk>/proofs/": "sends a proof",
    "/campaigns/<int:pk>/report/orders/": "adds an order of one's own",
    "/channels/<int:pk>/test/": "holds a dialogue and keeps nothing",
    "/channels/domains/<int:pk>/": "makes a key beside the older one",
    "/channels/rule-sets/<int:pk>/rules/new/<slug:kind>/": "adds a rule",
}


@pytest.mark.slow
def test_every_page_that_changes_a_thing_marks_what_it_showed(world: World) -> None:
    asker, unmarked, marked = Asker(world, "administrator"), set(), set()
    things = [one for one in every() if not one.is_api and re.search(r"<(int:pk|\w+:key)>", one.path)]
    for address, path, page in pages(asker, world, things):
        for action, fields in Forms(page, path).found:
            if action.partition("?")[0] == path:
                is_marked = {"seen", "revision", "seen_at"} & {name for name, value in fields if value}
                (marked if is_marked else unmarked).add(address.path)
    assert unmarked - marked == set(ELSE)  # one that is new carries a mark, or says here why not
    assert set(SHARED) <= marked


def fields_of(page: str, path: str, name: str) -> dict[str, list[str]]:
    """Of the form that has the field: what a browser would send, by name."""
    for _action, fields in Forms(page, path).found:
        if name in dict(fields):
            found: dict[str, list[str]] = {}
            for key, value in fields:
                found.setdefault(key, []).append(value)
            return found
    raise AssertionError(f"{path} has no form with {name}")


def both(client: Client, path: str, name: str, values: tuple[str, str]) -> list[int]:
    """The answers to two who opened the page at the same time, and to the second saving once more."""
    page = client.get(path)
    assert page.status_code == 200, path
    form = fields_of(page.content.decode(), path, name)
    assert form.get("seen", [""])[0], f"{path} carries no mark"
    first = client.post(path, {**form, name: values[0]})
    second = client.post(path, {**form, name: values[1]})
    told = second.content.decode()
    assert "after you opened it" in (told if second.status_code == 400 else client.get(path).content.decode())
    shown = client.get(path).content.decode()
    assert fields_of(shown, path, name)[name] == [values[0]], f"{path}: the first one's change is gone"
    again = client.post(path, {**fields_of(shown, path, name), name: values[1]})
    assert fields_of(client.get(path).content.decode(), path, name)[name] == [values[1]], path
    return [first.status_code, second.status_code, again.status_code]


@pytest.mark.slow
def test_the_second_of_two_is_told_and_overwrites_nothing(world: World) -> None:
    client = Asker(world, "administrator").client
    known = {re.sub(r"<\w+:", "<", one.path): one for one in every()}
    for pattern, name in SHARED.items():
        address = known[re.sub(r"<\w+:", "<", pattern)]
        values = ("7.5", "9.5") if name == "rate" else ("one", "two")
        path = address.for_kind(world, "own")
        answers = both(client, path, name, values)
        assert answers in ([302, 400, 302], [302, 302, 302]), (path, answers)


def test_in_the_admin_site_as_well(world: World) -> None:
    person = world.people["administrator"]
    roles.open_or_close_the_admin_site(person)
    client = Client(raise_request_exception=False)
    client.force_login(person)
    label = f"/admin/accounts/accesslabel/{world.objects['label']['own']['pk']}/change/"
    for path in (label, f"/admin/accounts/workspace/{world.here.pk}/change/"):
        form: dict[str, Any] = fields_of(client.get(path).content.decode(), path, "name")
        assert client.post(path, {**form, "name": "one"}).status_code == 302, path
        second = client.post(path, {**form, "name": "two"})
        assert second.status_code == 200 and "after you opened it" in second.content.decode(), path
        assert fields_of(client.get(path).content.decode(), path, "name")["name"] == ["one"], path


def test_a_folder_renamed_meanwhile_is_not_renamed_back(world: World) -> None:
    client = Asker(world, "administrator").client
    form = fields_of(client.get("/campaigns/").content.decode(), "/campaigns/", "folder_id")
    form = {name: values for name, values in form.items() if name != "delete"}
    for name in ("one", "two"):
        client.post("/campaigns/folders/", {**form, "name": name})
    page = client.get("/campaigns/").content.decode()
    assert "after you opened it" in page and ">one</option>" in page and ">two</option>" not in page
