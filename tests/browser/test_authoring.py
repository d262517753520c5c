"""A mail is written in both languages: template, designer, code view, and the code view by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import Say, in_language, new_draft, press, signed_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


def saved(page: Page, say: Say) -> None:
    press(page, say("Save"))
    expect(page.get_by_text(say("Saved."), exact=True)).to_be_visible()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_a_mail_begins_with_a_template_and_is_saved_from_the_designer(
    browser: Browser, demo: str, language: str
) -> None:
    say = in_language(language)
    page = signed_in(browser, demo, "Ana Duarte", language)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    write_mail(page, begin(page, demo, f"Rain shells {language}", say), say)
    assert faults == []


def begin(page: Page, demo: str, name: str, say: Say) -> str:
    """The address of a new draft with its audience and its time."""
    draft = new_draft(page, demo, name, say)
    expect(page.get_by_text(say("Saved."), exact=True)).to_be_visible()
    page.goto(f"{draft}edit/schedule/")
    page.locator("[name=starts_at]").fill("2031-03-04T09:00")
    saved(page, say)
    return draft


def write_mail(page: Page, draft: str, say: Say) -> None:
    """From a template of the library, saved at the first press in the designer, shown in the code view."""
    page.goto(f"{draft}edit/channels/")
    page.locator("[name=configuration_0]").select_option(label="Fernhill main")
    saved(page, say)
    page.goto(f"{draft}edit/content/begin/")
    page.locator("button[name=design]").first.click()
    page.goto(f"{draft}edit/content/?view=design")
    designer = page.frame_locator("iframe.designer-frame")
    expect(designer.locator("#blocks .gjs-block").first).to_be_visible()
    expect(page.locator("[data-designer].is-drawn")).to_be_attached()
    designer.locator("#blocks .gjs-block", has_text=say("Picture and text")).press("Enter")
    page.locator("summary", has_text=say("Personal fields, pictures and conditions")).click()
    page.locator("#cond-field").select_option("profile.tier")
    page.locator("#cond-value").fill("gold")
    page.locator("[data-build]").click()
    page.locator("[name=subject]").fill("Rain shells 雨衣")
    saved(page, say)
    page.goto(f"{draft}edit/content/?view=code")
    expect(page.locator(".CodeMirror")).to_be_visible()
    design = page.locator("[name=mjml]").input_value()
    around = re.search(
        r'<mj-raw>{% if profile.tier == "gold" %}</mj-raw>(.*)<mj-raw>{% endif %}</mj-raw>(.*)', design, re.S
    )
    assert around, "the condition stands around the section that is chosen"
    assert around[1].count("<mj-section") == around[1].count("<mj-image") == 1
    assert "unsubscribe_url" in around[2], "what is put in stands before the way out"


def test_the_code_view_takes_the_keyboard_and_lets_it_go(browser: Browser, demo: str) -> None:
    page = signed_in(browser, demo, "Ana Duarte", "en")
    page.goto(f"{demo}/campaigns/1/edit/content/?view=code")
    preheader = page.locator("[name=preheader]")
    preheader.focus()
    for _step in range(3):  # past the link to the templates into the code
        page.keyboard.press("Tab")
        if page.locator(".CodeMirror-focused").count():
            break
    expect(page.locator(".CodeMirror-focused")).to_be_attached()
    before = page.locator("[name=html]").input_value()
    page.keyboard.press("Tab")
    expect(page.locator(".CodeMirror-focused")).to_be_attached()
    assert page.locator("[name=html]").input_value() == f"\t{before}"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Save and continue")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator(".CodeMirror-focused")).to_be_attached()


def test_the_page_follows_what_saves_by_itself_and_nothing_is_lost_on_the_way_out(
    browser: Browser, demo: str
) -> None:
    page = signed_in(browser, demo, "Ana Duarte", "en")
    page.goto(f"{demo}/campaigns/new/")
    page.locator("[name=name]").fill("Autumn walk")
    press(page, "Create draft")
    draft = page.url.partition("edit/")[0]
    page.goto(f"{draft}edit/audience/")
    summary = page.locator("[data-fresh=summary]")
    expect(summary).to_contain_text("Choose whom it goes to.")
    page.locator("[name=audience]").select_option(label="All members 全部會員")
    expect(summary).to_contain_text("Will get it")
    expect(page.locator("[data-fresh=at-audience]")).to_be_empty()
    page.get_by_role("link", name="Properties").click()
    page.locator("[name=description]").fill("Typed a moment ago")
    page.get_by_role("link", name="Schedule").click()
    page.wait_for_url("**/edit/schedule/")
    page.goto(f"{draft}edit/properties/")
    expect(page.locator("[name=description]")).to_have_value("Typed a moment ago")
    other = page.context.new_page()
    other.goto(page.url)
    for one, text, told in ((page, "Mine", "Saved"), (other, "Theirs", "Press Save to choose")):
        one.locator("[name=description]").fill(text)
        expect(one.locator("[data-saved]")).to_contain_text(told)
    page.reload()
    expect(page.locator("[name=description]")).to_have_value("Mine")


def test_what_is_done_with_many_asks_once_with_how_many_and_which(browser: Browser, demo: str) -> None:
    page = signed_in(browser, demo, "Ana Duarte", "en")
    for name in ("First of two", "Second of two"):
        page.goto(f"{demo}/campaigns/new/")
        page.locator("[name=name]").fill(name)
        press(page, "Create draft")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto(f"{demo}/campaigns/?search=of two")
    page.get_by_role("checkbox", name="First of two").check()
    page.locator("[name=verb]").select_option("delete")
    press(page, "Apply")
    page.get_by_role("checkbox", name="Second of two").check()
    press(page, "Apply")
    assert asked == [
        "Delete drafts: 1 campaign?\nFirst of two",
        "Delete drafts: 2 campaigns?\nSecond of two\nFirst of two",
    ]
    expect(page.locator("tbody tr")).to_have_count(2)
