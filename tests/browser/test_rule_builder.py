"""A rule with nested groups is built by mouse, by keyboard alone and without JavaScript: always the same."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.steps import become

pytestmark = pytest.mark.browser
NAME = {"field": "name", "op": "starts_with", "value": "A"}
RULE = {
    "all": [
        NAME,
        {
            "any": [
                {"field": "city", "op": "is", "value": "Taipei"},
                {"none": [{"field": "is_test", "op": "is", "value": True}]},
            ]
        },
    ]
}


def opened(browser: Browser, demo: str, **context: Any) -> Page:
    """The builder, as the manager sees it."""
    page = browser.new_context(viewport={"width": 1360, "height": 1000}, **context).new_page()
    become(page, demo, "Ana Duarte")
    page.goto(f"{demo}/audiences/new/")
    return page


def button(page: Page, name: str, number: int = 0) -> Locator:
    return page.get_by_role("button", name=name, exact=True).nth(number)


def rule_of(page: Page) -> Any:
    return json.loads(page.locator("[name=json]").input_value())


def counted(page: Page) -> Locator:
    return page.locator("#count .stat")


def clean(page: Page) -> None:
    found = Axe().run(page, options={"iframes": False}).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def test_a_rule_is_built_by_mouse_and_a_part_is_dragged(browser: Browser, demo: str) -> None:
    page = opened(browser, demo)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    expect(counted(page)).to_have_text("200")
    button(page, "Condition").click()
    expect(page.locator("#n-0__what")).to_be_focused()
    page.locator("#n-0__what").select_option("field:name")
    page.locator("[name=n-0__op]").select_option("starts_with")
    expect(page.locator("#rule-words")).to_contain_text("Name 姓名 starts with")
    page.locator("[name=n-0__value]").fill("A")
    button(page, "Group").click()
    page.locator("#n-1-0__what").select_option("field:city")
    page.locator("[name=n-1-0__value]").select_option("Taipei")
    expect(page.locator("#rule-words")).to_contain_text("Taipei")
    button(page, "Group", 1).click()
    expect(page.locator("#rule-said")).to_have_text("Group added.")
    page.locator("#n-1-1__kind").select_option("none")
    page.locator("#n-1-1-0__what").select_option("field:is_test")
    expect(page.locator("[name=n-1-1-0__value]")).to_have_value("true")
    expect(page.locator("#rule-words")).to_contain_text("none of these")
    assert rule_of(page) == RULE
    clean(page)

    page.locator("[data-node=n-0] [data-handle]").drag_to(page.locator("[data-node=n-1-0] .rule-tools"))
    expect(page.locator("#rule-said")).to_contain_text("Moved to place")
    assert NAME in rule_of(page)["all"][0]["any"]
    page.get_by_label("Name", exact=True).fill("By mouse")
    button(page, "Save and publish").click()
    expect(page.locator("h1")).to_have_text("By mouse")
    assert problems == []


@pytest.mark.slow
def test_the_same_rule_is_built_by_keyboard_alone(browser: Browser, demo: str) -> None:
    page = opened(browser, demo)

    def choose(name: str, letters: str, value: str) -> None:
        """Types the first letters of an option into the list that has the focus."""
        expect(page.locator(f"[name={name}]")).to_be_focused()
        page.keyboard.type(letters)
        expect(page.locator(f"[name={name}]")).to_have_value(value)

    expect(counted(page)).to_have_text("200")
    button(page, "Group").press("Enter")
    choose("n-0__kind", "any", "any")
    page.locator("#n-0-0__what").focus()
    choose("n-0-0__what", "city", "field:city")
    expect(page.locator("[name=n-0-0__op]")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Taipei")
    button(page, "Group", 1).press("Enter")
    choose("n-0-1__kind", "none", "none")
    page.locator("#n-0-1-0__what").focus()
    choose("n-0-1-0__what", "test pro", "field:is_test")
    expect(page.locator("[name=n-0-1-0__op]")).to_be_visible()
    button(page, "Condition").press("Enter")
    choose("n-1__what", "name", "field:name")
    expect(page.locator("[name=n-1__op]")).to_be_visible()
    page.keyboard.press("Tab")
    choose("n-1__op", "starts", "starts_with")
    page.keyboard.press("Tab")
    page.keyboard.type("A")
    button(page, "Move condition 2 up").press("Enter")
    for place in ("1.3", "1.2.2", "1.2.1", "1.2", "1.1"):  # through the groups, and out at the top
        expect(button(page, f"Move condition {place} up")).to_be_focused()
        page.keyboard.press("Enter")
    expect(button(page, "Move condition 1 up")).to_be_focused()
    expect(page.locator("#rule-words")).to_contain_text(re.compile("^\\s*Name 姓名 starts"))
    assert rule_of(page) == RULE


@pytest.mark.slow
def test_the_same_rule_is_built_without_javascript_on_a_phone_in_the_dark(
    browser: Browser, demo: str
) -> None:
    page = opened(browser, demo, java_script_enabled=False)
    page.get_by_role("button", name="Dark theme").click()
    page.set_viewport_size({"width": 390, "height": 844})
    button(page, "Condition").click()
    page.locator("#n-0__what").select_option("field:name")
    button(page, "Show its inputs").click()
    page.locator("[name=n-0__op]").select_option("starts_with")
    page.locator("[name=n-0__value]").fill("A")
    button(page, "Group").click()
    page.locator("#n-1-0__what").select_option("field:city")
    button(page, "Group", 1).click()
    page.locator("[name=n-1-0__value]").select_option("Taipei")
    page.locator("#n-1-1__kind").select_option("none")
    page.locator("#n-1-1-0__what").select_option("field:is_test")
    button(page, "Count").click()
    expect(page.locator("#rule-words")).to_contain_text("none of these")
    assert rule_of(page) == RULE
    page.get_by_label("Name", exact=True).fill("Without scripts")
    button(page, "Save as draft").click()
    expect(page.locator("h1")).to_have_text("Without scripts")
    saved = f"{page.url}edit/"
    page.goto(saved)
    assert rule_of(page) == RULE

    # axe needs scripts of its own
    looked = opened(browser, demo)
    looked.get_by_role("button", name="Dark theme").click()
    expect(looked.get_by_role("button", name="Light theme")).to_be_visible()
    looked.set_viewport_size({"width": 390, "height": 844})
    looked.goto(saved)
    expect(counted(looked)).to_be_visible()
    assert looked.evaluate("document.documentElement.scrollWidth") <= 390
    clean(looked)
