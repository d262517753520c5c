"""The field at the top of every page finds what its reader may see, and nothing else."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AccessLabel, User, Workspace
from campaigns.search import MOST, search
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def mia(where: Workspace) -> User:
    return builders.person(where, "manager", "mia")


def names(reader: User, where: Workspace, text: str) -> list[str]:
    return [hit.name for group in search(reader, where, text) for hit in group.hits]


def page(reader: User, text: str) -> str:
    browser = Client()
    browser.force_login(reader)
    answer = browser.get("/campaigns/search/", {"q": text})
    assert answer.status_code == 200
    return answer.content.decode()


def test_things_are_found_by_a_piece_of_their_name_or_a_tag(where: Workspace, mia: User) -> None:
    campaign = builders.draft(where, mia, name="冬季保暖早鳥", tags=["winter"])
    builders.audience(where, name="Winter hikers")
    builders.configuration(where, name="Wintry mail")
    assert names(mia, where, "保暖") == [campaign.name]
    assert names(mia, where, "#winter") == [campaign.name]
    assert names(mia, where, "WINT") == ["Winter hikers", "Wintry mail"]
    shown = page(mia, "保暖")
    assert f'href="/campaigns/{campaign.pk}/"' in shown and "Draft" in shown


def test_people_are_found_by_a_whole_identity_or_how_their_address_begins(
    where: Workspace, mia: User
) -> None:
    first, *_rest = builders.profiles(where, 2)
    assert names(mia, where, str(first.email).upper()) == [first.email]
    assert len(names(mia, where, str(first.email)[:1])) == 2
    assert names(mia, where, "example.com") == []  # no piece from the middle: a million people wait


def test_a_viewer_finds_no_people_and_nobody_what_is_labelled_or_elsewhere(
    where: Workspace, mia: User
) -> None:
    (person,) = builders.profiles(where, 1)
    labelled = builders.draft(where, mia, name="Secret launch")
    labelled.labels.add(AccessLabel.objects.create(workspace=where, name="Board"))
    other = builders.workspace("other")
    builders.draft(other, builders.person(other, "manager", "olga"), name="Secret elsewhere")
    builders.profiles(other, 1, domain="elsewhere.example")
    viewer = builders.person(where, "viewer", "vera")
    assert names(viewer, where, str(person.email)) == []
    assert names(mia, where, "Secret") == [] and names(mia, where, "elsewhere.example") == []
    assert "Secret launch" not in page(mia, "Secret") and "Secret elsewhere" not in page(mia, "Secret")


def test_a_kind_says_when_there_is_more_than_it_shows(where: Workspace, mia: User) -> None:
    for number in range(MOST + 1):
        builders.audience(where, name=f"Walkers {number}")
    (group,) = search(mia, where, "walkers")
    assert len(group.hits) == MOST and group.is_more


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\0",
        "%",
        "_",
        "1.2.3",
        "1.99999.3",
        "9" * 18 + ".1." + "9" * 18,
        "9" * 300,
        "٣.٣.٣",
        "'); --",
        "<blink>",
    ],
)
def test_whatever_is_typed_is_answered(where: Workspace, mia: User, text: str) -> None:
    builders.draft(where, mia, name="Plain")
    assert names(mia, where, text) == [] and "<blink>" not in page(mia, text)
