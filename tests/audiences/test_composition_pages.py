"""Audiences put together from others, or of a topic's subscribers: by the front door, without a script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccessLabel, User, Workspace
from audiences.forms.composition import initial_of
from audiences.models import AttributeDefinition, Audience, AudienceMember, Consent, Profile, Topic
from tests import builders

pytestmark = pytest.mark.django_db
NEW = "/audiences/new/composition/"


@pytest.fixture
def where() -> Workspace:
    """Six people p0 … p5; `name` of the even ones is “Ann n”, `points` is n."""
    made = builders.workspace()
    AttributeDefinition.objects.create(workspace=made, key="points", type="number")
    AttributeDefinition.objects.create(workspace=made, key="tier", type="choice", choices=["a,b", "gold"])
    for n, person in enumerate(builders.profiles(made, 6)):
        Profile.objects.filter(pk=person.pk).update(attributes={**person.attributes, "points": n})
    return made


@pytest.fixture
def person(where: Workspace) -> User:
    return builders.person(where, "manager")


@pytest.fixture
def manager(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def upload(where: Workspace, name: str, *numbers: int) -> Audience:
    made = builders.audience(where, name=name, kind="upload")
    for number in numbers:
        one = Profile.objects.get(workspace=where, email=f"p{number}@example.com")
        AudienceMember.objects.create(audience=made, profile=one)
    return made


def form(*include: Audience, **given: Any) -> dict[str, Any]:
    first = {"name": "New", "join": "union", "include": [one.pk for one in include], "order": "desc"}
    return {**first, **{name: value for name, value in given.items() if value is not None}}


def counted(client: Client, given: dict[str, Any]) -> str:
    answer = client.post(NEW, {**given, "do": "count"})
    page = answer.content.decode()
    assert answer.status_code == 200, page
    start = page.index('class="stat">') + len('class="stat">')
    return page[start : page.index("<", start)]


def test_every_part_of_the_form_counts_what_it_says(where: Workspace, manager: Client) -> None:
    low, high = upload(where, "Low", 0, 1, 2, 3), upload(where, "High", 2, 3, 4)
    assert counted(manager, form(low, high)) == "5"
    assert counted(manager, form(low, high, join="intersection", name="")) == "2"
    assert counted(manager, form(low, remove=[high.pk])) == "2"
    assert counted(manager, form(low, split="values", attribute="points", values="1, 3, 5")) == "2"
    assert counted(manager, form(low, split="others_than", attribute="points", values="1")) == "3"
    assert counted(manager, form(low, by="points", limit="3")) == "3"
    halves = [
        int(counted(manager, form(low, split="percent", percent_from=a, percent_to=b, seed="x")))
        for a, b in ((0, 50), (50, 100))
    ]
    assert sum(halves) == 4
    assert not Audience.objects.filter(kind="composition").exists()


def test_it_is_saved_shown_in_words_and_opened_again_as_it_was(where: Workspace, manager: Client) -> None:
    low, high = upload(where, "Low", 0, 1, 2, 3), upload(where, "High", 2, 3, 4)
    given = form(low, remove=[high.pk], by="points", limit="1", tags="a", do="draft")
    address = manager.post(NEW, given).headers["Location"]
    made = Audience.objects.get(kind="composition")
    inner = {"exclusion": {"from": {"audience": low.pk}, "remove": [{"audience": high.pk}]}}
    assert made.composition == {"rank": {"of": inner, "by": "points", "order": "desc", "limit": 1}}
    assert (made.state, made.tags) == ("draft", ["a"])
    page = manager.get(address).content.decode()
    assert "“Low”" in page and "“High”" in page and '<p class="stat">1</p>' in page
    assert "Composition as JSON" in page
    page = manager.get(f"{address}composition/").content.decode()
    assert f'value="{low.pk}" id="include-{low.pk}" checked' in page
    assert f'value="{high.pk}" id="remove-{high.pk}" checked' in page
    assert f'id="include-{made.pk}"' not in page  # never of itself
    change = form(high, name="Newer", seen_at=made.changed_at.isoformat(), do="publish")
    assert manager.post(f"{address}composition/", change).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.state, made.composition) == ("Newer", "published", {"audience": high.pk})
    stale = manager.post(f"{address}composition/", {**change, "name": "Stale"})
    assert stale.status_code == 409 and 'value="Stale"' in stale.content.decode()
    made.refresh_from_db()
    assert made.name == "Newer"


TREES: list[Any] = [
    {"audience": "one"},
    {"union": [{"audience": "one"}, {"audience": "two"}]},
    {"intersection": [{"audience": "one"}]},
    {"exclusion": {"from": {"audience": "one"}, "remove": [{"audience": "two"}]}},
    {"split": {"of": {"audience": "one"}, "percent": [0, 12.5], "seed": "x"}},
    {"split": {"of": {"audience": "one"}, "attribute": "points", "values": [1, 2]}},
    {"rank": {"of": {"audience": "one"}, "by": "points", "order": "asc", "limit": 5}},
    {"split": {"of": {"audience": "one"}, "attribute": "tier", "others_than": ["a,b"]}},
    {"union": [{"rule": {}}]},
    {
        "exclusion": {
            "from": {"split": {"of": {"audience": "one"}, "percent": [0, 1], "seed": "x"}},
            "remove": [{"rule": {}}],
        }
    },
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("tree", TREES)
def test_a_saved_composition_opens_in_fields_or_as_json_with_the_same_meaning(
    where: Workspace, person: User, manager: Client, tree: Any
) -> None:
    one, two = upload(where, "One", 0, 1), upload(where, "Two", 1)
    tree = json.loads(json.dumps(tree).replace('"one"', str(one.pk)).replace('"two"', str(two.pk)))
    saved = builders.audience(where, name="Saved", kind="composition", composition=tree)
    first = {key: value for key, value in initial_of(tree).items() if value not in (None, [])}
    given = {"join": "union", "order": "desc", **first, "name": "Saved", "do": "save", "everybody": "yes"}
    given["seen_at"] = saved.changed_at.isoformat()
    answer = manager.post(f"/audiences/{saved.pk}/composition/", given)
    assert answer.status_code == 302, answer.content.decode()
    saved.refresh_from_db()
    alike = {"audience": one.pk} if "intersection" in tree else tree
    assert saved.composition == alike


def test_what_is_missing_or_wrong_is_told_and_nothing_is_made(where: Workspace, manager: Client) -> None:
    low = upload(where, "Low", 0)
    hidden = upload(where, "Hidden", 1)
    hidden.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    other = builders.audience(builders.workspace("other"), name="Theirs")
    for wrong, told in (
        (form(), "Choose at least one audience."),
        (form(low, name=""), "This field is required."),
        (form(low, name="Low"), "already"),
        (form(hidden), "is not one of the available choices"),
        (form(other), "is not one of the available choices"),
        (form(low, include=["\0", "x", "9" * 30]), "is not one of the available choices"),
        (
            form(low, split="percent", percent_from="60", percent_to="50", seed="x"),
            "Write the lower number first",
        ),
        (form(low, split="percent", percent_from="nan", seed="x"), "Enter a number."),
        (form(low, split="percent", percent_from="1e400", seed="x"), "Enter a number."),
        (form(low, split="values"), "Choose an attribute."),
        (form(low, split="values", attribute="points", values="many"), "composition"),
        (form(low, by="points"), "how many to take"),
        (form(low, by="points", limit="99999999999999999999"), ""),
        (form(json="{"), "This is not JSON"),
        (form(json="[" * 9000), "This is not JSON"),
        (form(json="[]"), "exactly one of"),
        (form(json=json.dumps({"audience": hidden.pk})), "There is no audience"),
        (form(json=json.dumps({"audience": other.pk})), "There is no audience"),
        (form(json='{"union": [{"audience": NaN}]}'), "There is no audience"),
        (form(json='{"union": [{"rule": {"field": "name", "op": "is", "value": "\\ud800"}}]}'), ""),
    ):
        for do in ("count", "publish"):
            if do == "count" and told in ("This field is required.", "already"):
                continue
            answer = manager.post(NEW, {**wrong, "do": do})
            assert answer.status_code == 400, (wrong, do, told)
            page = answer.content.decode()
            assert "finding box err" in page, wrong
            assert told in page or told == "composition", (wrong, told)
    assert not Audience.objects.filter(kind="composition").exists()


def test_a_circle_is_refused_by_its_names(where: Workspace, manager: Client) -> None:
    low = upload(where, "Low", 0)
    inner = builders.audience(where, name="Inner", kind="composition", composition={"audience": low.pk})
    outer = builders.audience(where, name="Outer", kind="composition", composition={"audience": inner.pk})
    given = form(outer, name="Inner", seen_at=inner.changed_at.isoformat(), do="save")
    answer = manager.post(f"/audiences/{inner.pk}/composition/", given)
    assert answer.status_code == 400 and "in a circle" in answer.content.decode()
    inner.refresh_from_db()
    assert inner.composition == {"audience": low.pk}


def test_subscribers_of_a_topic_become_an_audience(where: Workspace, manager: Client) -> None:
    topic = Topic.objects.create(workspace=where, key="news", name="News")
    Topic.objects.create(workspace=where, key="old", name="Older", archived_at=builders.NOW)
    reader = Profile.objects.first()
    Consent.objects.create(
        profile=reader, channel="email", topic=topic, state="yes", source="page", at=builders.NOW
    )
    page = manager.get("/audiences/new/subscription/").content.decode()
    assert ">News</option>" in page and "Older" not in page
    address = manager.post("/audiences/new/subscription/", {"name": "Readers", "topic": topic.pk}).headers[
        "Location"
    ]
    page = manager.get(address).content.decode()
    assert '<p class="stat">1</p>' in page and "“News”" in page
    for wrong in ({"name": "Readers", "topic": topic.pk}, {"name": "N"}, {"name": "N", "topic": "\0"}):
        assert manager.post("/audiences/new/subscription/", wrong).status_code == 400
    assert Audience.objects.count() == 1


def test_only_managers_put_audiences_together(where: Workspace) -> None:
    viewer = Client()
    viewer.force_login(builders.person(where, "viewer"))
    for address in (NEW, "/audiences/new/subscription/"):
        assert viewer.get(address).status_code == viewer.post(address, {}).status_code == 403
    rule = builders.audience(where, name="Rule")
    approver = Client()
    approver.force_login(builders.person(where, "approver"))
    assert approver.get(f"/audiences/{rule.pk}/composition/").status_code == 404


def test_everybody_is_saved_only_after_a_second_word(where: Workspace, manager: Client) -> None:
    given = form(upload(where, "All", 0, 1, 2, 3, 4, 5))
    answer = manager.post(NEW, {**given, "do": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 400 and "This is all 6 people of the workspace." in page
    assert "Tick the box to save it." in page and "load, input" not in page
    assert not Audience.objects.filter(kind="composition").exists()
    assert manager.post(NEW, {**given, "do": "publish", "everybody": "yes"}).status_code == 302


def test_it_is_counted_while_it_is_put_together(where: Workspace, manager: Client) -> None:
    page = manager.get(NEW).content.decode()
    assert 'id="count" hx-post=""' in page and 'name="builder"' in page

    def live(given: dict[str, Any]) -> str:
        answer = manager.post(NEW, {**given, "do": "count"}, headers={"HX-Request": "true"})
        part = answer.content.decode()
        assert answer.status_code == 200 and "<html" not in part
        return part

    low = upload(where, "Low", 0, 1, 2)
    part = live(form(low, name="", split="percent", percent_to="100"))
    assert '<p class="stat">3</p>' in part and "“Low”" in part and "Reachable by" in part
    assert all(f"Ann {n}" in part or f"p{n}@example.com" in part for n in (0, 2)) and "p4@" not in part
    assert "Choose at least one audience." in live(form(name=""))
    part = live(form(json="{"))
    assert "This is not JSON" in part and "stat" not in part
    part = live(form(upload(where, "All", 0, 1, 2, 3, 4, 5)))
    assert "This is all 6 people" in part and 'name="everybody"' in part
    assert not Audience.objects.filter(kind="composition").exists()


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        (
            {"split": "percent", "percent_from": "60", "percent_to": "20"},
            "percent_to",
            "Write the lower number",
        ),
        ({"split": "values", "attribute": "points", "values": "many"}, "values", "number"),
        ({"split": "values", "attribute": "points"}, "values", ""),
    ],
)
def test_a_fault_of_a_part_stands_at_its_field_in_plain_words(
    where: Workspace, manager: Client, given: dict[str, str], field: str, told: str
) -> None:
    answer = manager.post(NEW, {**form(upload(where, "Low", 0, 1), **given), "do": "publish"})
    page = answer.content.decode()
    assert answer.status_code == 400 and not Audience.objects.filter(kind="composition").exists()
    at_field = page.partition(f'id="id_{field}_error"')[2].partition("</div>")[0]
    assert told in at_field and "finding" in at_field and "/split" not in page


def test_a_draw_without_a_name_is_called_after_the_day(where: Workspace, manager: Client) -> None:
    given = form(upload(where, "Low", 0, 1), split="percent", percent_to="50", do="publish", everybody="yes")
    assert manager.post(NEW, given).status_code == 302
    made = Audience.objects.get(kind="composition")
    assert made.composition["split"]["seed"] == timezone.localdate().isoformat()
    page = manager.get(f"/audiences/{made.pk}/composition/").content.decode()
    assert f'value="{made.composition["split"]["seed"]}"' in page
