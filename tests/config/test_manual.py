"""The pages of docs/ for users, against the product: names, examples, addresses, times."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.utils import translation

from campaigns.models import Status
from channels.sandbox import compile_template
from channels.sandbox_filters import FILTERS, TESTS
from config.env import ROOT
from config.guide import manual
from tests import builders
from tests.campaigns.test_api import campaign, post, token  # noqa: F401

DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
CHINESE = sorted((ROOT / "docs" / "zh-Hant").glob("*.md"))
PERSON: dict[str, Any] = {
    "profile": {"name": "Ana", "points": 1234, "tags": ["tea", "wool"], "day": "2026-11-23", "city": ""}
}
EXAMPLES = re.findall(r"^\| `(.*\{[{%].*)` \| (.*) \|$", DOCS["personalisation.md"], re.M)


@pytest.mark.parametrize("name", sorted(DOCS))
def test_every_link_between_the_pages_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", DOCS[name]):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize(("template", "result"), EXAMPLES)
def test_every_example_of_personalisation_gives_what_is_said(template: str, result: str) -> None:
    written = compile_template(template.replace("\\|", "|"), html=False).render(PERSON)
    assert written.strip() == result


def test_every_filter_and_test_is_told() -> None:
    text = DOCS["personalisation.md"]
    filters, tests = text.partition("## Filters")[2].partition("## Tests")[::2]
    assert set(re.findall(r"`(\w+)`", filters)) == set(FILTERS)
    assert set(re.findall(r"`(\w+)`", tests.partition("##")[0])) == set(TESTS)
    assert len(EXAMPLES) > 12


def test_every_address_of_the_api_guide_is_answered() -> None:
    told = re.findall(r"(/(?:ajo|api|oauth|developers)/[\w/-]+)", DOCS["api.md"])
    assert len(set(told)) > 12
    for address in told:
        resolve(address)
    for name, address in re.findall(r"`(GET|DELETE) (/api/[^`]+)`", DOCS["privacy.md"]):
        view = resolve(address.replace("{id}", "1"))
        assert name.lower() in {one.lower() for one in view.func.view_class().allowed_methods}, address


@pytest.mark.django_db
def test_the_call_of_the_api_guide_is_taken(campaign: Any, token: str) -> None:  # noqa: F811
    written = re.search(r"-d '(\{.*?\})'\n", DOCS["api.md"], re.S)
    assert written
    body = json.loads(written[1])
    body["campaignId"] = str(campaign.pk)
    body["recipients"][0]["userId"] = "p1@example.com"
    answer = post(token, body)
    assert answer.status_code == 202 and answer.json()["requestId"] == "order-1001"
    body["recipients"][0]["context"] = {"resetUrl": "https://shop.example/other"}
    assert post(token, body).status_code == 409


def test_the_times_of_the_privacy_page_are_those_of_the_settings() -> None:
    text = DOCS["privacy.md"]
    for name, value in {
        "EVENT_RETENTION_MONTHS": f"{settings.EVENT_RETENTION_MONTHS} months",
        "MESSAGE_RETENTION_MONTHS": f"{settings.MESSAGE_RETENTION_MONTHS} months",
        "ARCHIVE_DAYS": f"{settings.ARCHIVE_DAYS} days",
    }.items():
        assert re.search(rf"{value}[^|]*\(`{name}`\)", text), name
    assert f"{settings.SESSION_COOKIE_AGE // 86_400} days" in text


@pytest.mark.django_db
def test_every_table_of_the_privacy_page_exists() -> None:
    there = set(connection.introspection.table_names(include_views=False))
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")
        there |= {name for (name,) in cursor.fetchall()}
    told = set(re.findall(r"`((?:audiences|campaigns|accounts)_\w+)`", DOCS["privacy.md"]))
    assert len(told) > 7 and told <= there


def test_the_states_of_a_campaign_are_those_of_the_product() -> None:
    told = DOCS["concepts.md"].partition("## From draft to report")[2].partition("\n## ")[0].lower()
    for state in (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED, Status.LIVE):
        assert str(state.label).lower() in told


# ---- the guides of the roles ---------------------------------------------------------------------
TABLE = re.compile(r"<table.*?</table>", re.S)
BOLD = re.compile(r"\*\*([^*]+)\*\*")


@pytest.mark.parametrize("role", manual.ROLES)
def test_what_stands_bold_in_a_role_s_guide_stands_on_a_page_in_both_languages(role: str) -> None:
    words = BOLD.findall(DOCS[f"{role}.md"])
    chinese = BOLD.findall((ROOT / "docs" / "zh-Hant" / f"{role}.md").read_text())
    pages = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    pages += "".join(path.read_text() for path in (ROOT / "campaigns").rglob("*.py"))
    shown = {word for word in words if re.search(rf'(_|lazy)\("{re.escape(word)}"\)', pages)}
    assert len(shown) > 4 and shown == set(words)
    with translation.override("zh-hant"):
        assert sorted(chinese) == sorted(translation.gettext(word) for word in words)


@pytest.mark.django_db
@pytest.mark.parametrize("role", manual.ROLES)
def test_every_address_in_a_role_s_guide_opens_for_that_role(role: str, client: Client) -> None:
    client.force_login(builders.person(builders.workspace(), role))
    told = re.findall(r"`(/[^`]+)`", DOCS[f"{role}.md"])
    assert told and {address: client.get(address).status_code for address in told} == dict.fromkeys(told, 200)


# ---- read in the product ------------------------------------------------------------------------
@pytest.mark.django_db
def test_every_page_of_the_manual_is_read_in_the_product(client: Client) -> None:
    client.force_login(builders.person(builders.workspace(), "viewer"))
    guide = client.get("/guide/").content.decode()
    for name in manual.NAMES:
        assert f'href="/guide/{name}/"' in guide
        page = client.get(f"/guide/{name}/")
        text = unescape(re.sub(r"<[^>]+>", "", page.content.decode()))
        assert page.status_code == 200 and manual.manual(name).title in text
        for word in re.findall(r"`([^`|\n]+)`", re.sub(r"```.*?```", "", DOCS[f"{name}.md"], flags=re.S)):
            assert word in text, (name, word)
    assert set(manual.NAMES) == {path.removesuffix(".md") for path in DOCS} - {"api-changelog"}


@pytest.mark.django_db
def test_a_reader_of_chinese_gets_the_chinese_page(client: Client) -> None:
    viewer = builders.person(builders.workspace(), "viewer")
    viewer.language = "zh-hant"
    viewer.save(update_fields=["language"])
    client.force_login(viewer)
    page = client.get("/guide/concepts/").content.decode()
    with translation.override("zh-hant"):
        for label in (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED, Status.LIVE):
            assert str(label.label) in page
        assert f"<h1>{manual.manual('concepts').title}</h1>" in page
    assert 'href="/guide/rules/"' in page and 'href="/guide/deploy/"' in page


def test_every_page_is_there_in_chinese() -> None:
    assert {path.stem for path in CHINESE} == set(manual.NAMES)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_page_has_the_parts_code_figures_and_links_of_the_english_one(path: Path) -> None:
    chinese, english = path.read_text(), DOCS[path.name]
    with translation.override("zh-hant"):
        ours = manual.manual(path.stem).html
    theirs = manual.manual(path.stem).html
    assert shape(ours) == shape(theirs)
    assert [figures(table) for table in TABLE.findall(ours)] == [
        figures(table) for table in TABLE.findall(theirs)
    ]
    for code in (r"^```.*?^```$", r"`([^`\n]+)`"):
        told, wanted = (re.findall(code, text, re.M | re.S) for text in (chinese, english))
        assert sorted(told) == sorted(wanted)
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", chinese)
    assert all((path.parent / target).exists() for target in links), links


def shape(html: str) -> list[str]:
    """Its headings, paragraphs, code, lists and tables, with every item and row."""
    return re.findall(r"<(h\d|p|pre|[uo]l|li|table|tr)\b", html)


def figures(table: str) -> list[str]:
    return sorted(re.findall(r"\d[\d.,]*\d|\d", re.sub(r"<[^>]+>", " ", unescape(table))))


def test_what_stands_in_the_manual_is_shown_and_never_obeyed() -> None:
    drawn = manual._drawn("a <b> `<i>` [x](https://elsewhere.example) [r](rules.md#b) **y**")
    assert drawn == (
        '<p class="m-0">a &lt;b&gt; <code>&lt;i&gt;</code> x '
        '<a class="text-decoration-underline" href="/guide/rules/">r</a> <strong>y</strong></p>\n'
    )
    assert "<a" not in manual._drawn("[x](javascript:alert)") and "<script" not in manual._drawn("<script>")


def test_no_mark_of_markdown_is_left_for_the_reader_to_see() -> None:
    pages = {(name, manual.manual(name).html) for name in manual.NAMES}
    with translation.override("zh-hant"):
        pages |= {(name, manual.manual(name).html) for name in manual.NAMES}
    assert any("<em>scheduled</em>" in html for _name, html in pages)
    for name, html in pages:
        words = re.sub(r"<pre.*?</pre>|<code>.*?</code>", "", html, flags=re.S)
        assert "*" not in words and "`" not in words, name
