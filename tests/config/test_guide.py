"""Help: no page of ours is without it, and it says what belongs to the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from accounts.models import User, Workspace
from campaigns.forms.draft import TABS
from config.env import ROOT
from config.guide.topics import CHAPTERS, by_page, topic_of
from tests.builders import person, workspace

# Doors for machines and for people outside, and the admin site, which has Django's own help.
FOREIGN = ("api/", "ajo/", "oauth/", "admin/", "demo/", "hooks/", "inbox/", "push/", "t/", "u/", "p/", "c/")
# What draws no page of its own: it does something and leads back, or is a file, a frame or a part of a page.
NO_PAGE = {
    *(
        "accounts:sign_in",
        "accounts:second_step",
        "accounts:sign_out",
        "accounts:welcome",
    ),  # nobody is signed in yet
    *("accounts:preferences", "accounts:workspace", "accounts:revoke_credential"),
    *("accounts:rotate_credential", "accounts:read_all", "accounts:prefer_notices", "accounts:read_notice"),
    "accounts:sign_out_elsewhere",
    *("audiences:import_check", "audiences:import_rejected", "audiences:import_act", "audiences:people_csv"),
    *("audiences:identity_attach", "audiences:identity_detach", "audiences:profile_export"),
    *("audiences:topic_archive", "audiences:suppression_export", "audiences:namespace_add"),
    *("audiences:namespace_remove", "audiences:audience_csv", "audiences:evaluate", "audiences:sample"),
    *("audiences:share", "audiences:act"),
    *("campaigns:feedback_act", "campaigns:many", "campaigns:keep", "campaigns:asset_pick"),
    "campaigns:asset_resize",
    *("campaigns:template_preview", "campaigns:template_begin", "campaigns:template_act"),
    *("campaigns:fragment_preview", "campaigns:fragment_act", "campaigns:folder", "campaigns:calendar_add"),
    *("campaigns:calendar_remove", "campaigns:stand_in", "campaigns:policy_act", "campaigns:share"),
    *("campaigns:comment", "campaigns:follow", "campaigns:detail", "campaigns:design"),
    *("campaigns:copy_content", "campaigns:keep_template", "campaigns:preview", "campaigns:act"),
    *("campaigns:campaign_csv", "campaigns:campaign_messages_csv", "campaigns:run_csv"),
    *("campaigns:message_body", "campaigns:export", "campaigns:sample_rows"),
    *("campaigns:campaign_pdf", "campaigns:run_pdf"),
    *("channels:domain_check", "channels:allowed_switch", "channels:allowed_remove", "channels:rule_act"),
    *("channels:rule_set_act", "channels:warmup_act", "channels:retry_file", "channels:share"),
    *("channels:act", "people_public:subscribe", "tracking:asset", "tracking:asset_copy"),
}


def names(patterns: list[URLPattern | URLResolver], space: str = "", root: str = "") -> Iterator[str]:
    for one in patterns:
        address = root + str(one.pattern)
        if address.startswith(FOREIGN):
            continue
        if isinstance(one, URLResolver):
            inner = space + (f"{one.namespace}:" if one.namespace else "")
            yield from names(one.url_patterns, inner, address)
        elif one.name:
            yield space + one.name


def test_every_page_has_its_help() -> None:
    drawn = set(names(get_resolver().url_patterns)) - NO_PAGE
    told = {page.split("/")[0] for page in by_page()}
    assert drawn - told == set(), "write a text in config/guide/topics.py, or name it in NO_PAGE"
    assert told - drawn == set(), "help for a page that is not there"


def test_every_section_of_the_editor_has_its_own_help() -> None:
    sections = {tab: resolve(f"/campaigns/1/edit/{tab}/") for tab in TABS}
    found = {tab: topic_of(match) for tab, match in sections.items()}
    assert None not in found.values()
    assert len({topic.key for topic in found.values() if topic}) == len(TABS)


def test_a_page_belongs_to_one_text_and_a_text_has_its_own_place_in_the_guide() -> None:
    every = [topic for chapter in CHAPTERS for topic in chapter.topics]
    pages = [page for topic in every for page in topic.pages.split()]
    assert len(pages) == len(set(pages))
    places = [topic.key for topic in every] + ["main", "nav", "film"]
    assert len(places) == len(set(places))


@pytest.fixture
def house(db: None) -> Workspace:
    return workspace("guided")


def enter(client: Client, house: Workspace, role: str) -> User:
    user = person(house, role)
    client.force_login(user)
    return user


def test_a_page_opens_its_help_and_leads_to_that_place_in_the_guide(client: Client, house: Workspace) -> None:
    enter(client, house, "manager")
    page = client.get("/campaigns/").content.decode()
    assert 'aria-label="Help: The list of campaigns"' in page
    assert 'href="/guide/#campaigns"' in page
    assert 'id="campaigns"' in client.get("/guide/").content.decode()


def test_the_guide_speaks_the_readers_language(client: Client, house: Workspace) -> None:
    enter(client, house, "viewer")
    client.post("/accounts/preferences/", {"language": "zh-hant", "next": "/"})
    page = client.get("/guide/").content.decode()
    assert "行銷活動清單" in page


def test_nobody_outside_reads_the_guide(client: Client, db: None) -> None:
    assert client.get("/guide/").status_code == 302


FILM = ROOT / "static" / "film"


def cues(language: str) -> dict[str, str]:
    """The captions of a WebVTT file by their times."""
    head, *blocks = (
        (FILM / f"first-campaign.{language}.vtt").read_text(encoding="utf-8").strip().split("\n\n")
    )
    assert head == "WEBVTT"
    return dict(block.split("\n", 1) for block in blocks)


def test_the_film_has_the_same_captions_in_both_languages_and_the_guide_shows_them(
    client: Client, house: Workspace
) -> None:
    english, chinese = cues("en"), cues("zh-Hant")
    assert len(english) > 10
    assert english.keys() == chinese.keys()
    assert all(re.search("[\u4e00-\u9fff]", text) for text in chinese.values())
    enter(client, house, "manager")
    page = client.get("/guide/").content.decode()
    shown = re.findall(r"/static/(film/[^\"]+)", page)
    assert len(shown) == 4
    assert all(finders.find(name) for name in shown)
