"""What several browser tests do alike: sign in as somebody of the demo, press, and begin a draft."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, Page

Say = Callable[[str], str]


def in_language(language: str) -> Say:
    """How the pages say something in that language."""

    def say(text: str) -> str:
        with translation.override(language):
            return gettext(text)

    return say


def become(page: Page, demo: str, name: str, language: str = "en") -> None:
    """In that language and in the light, whatever an earlier test has chosen for them."""
    page.goto(f"{demo}/demo/")
    page.locator("header").get_by_role("button", name=name).click()
    with page.expect_navigation():
        page.locator(f"form.lang button[value={language}]").click()
    if (lighten := page.get_by_role("button", name=re.compile("Light theme|淺色主題"))).count():
        with page.expect_navigation():
            lighten.click()


def signed_in(
    browser: Browser, demo: str, name: str, language: str = "en", *, has_scripts: bool = True
) -> Page:
    """A page of somebody's own, in their language."""
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, java_script_enabled=has_scripts, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    become(page, demo, name, language)
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()
    page.wait_for_load_state()


def new_draft(page: Page, demo: str, name: str, say: Say) -> str:
    """The address of a new scheduled draft to all members of the demo; its audience page was saved last."""
    page.goto(f"{demo}/campaigns/new/")
    page.locator("[name=name]").fill(name)
    page.locator("[name=type][value=scheduled]").check()
    page.locator("[name=category][value=marketing]").check()
    press(page, say("Create draft"))
    found = re.search(r"/campaigns/(\d+)/", page.url)
    assert found
    draft = f"{demo}/campaigns/{found[1]}/"
    page.goto(f"{draft}edit/audience/")
    page.locator("[name=audience]").select_option(label="All members 全部會員")
    press(page, say("Save"))
    return draft
