"""A campaign is written, asked for and approved by keyboard alone; what has the focus shows it everywhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.steps import signed_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)
HAS_FOCUS = "one => one.contains(document.activeElement)"
IS_SHOWN = """() => [document.activeElement, document.activeElement.closest(".form-check, .CodeMirror")]
    .filter(Boolean).map((one) => getComputedStyle(one))
    .some((style) => style.outlineStyle !== "none" || style.boxShadow !== "none")"""


def reach(page: Page, target: Locator, *, most: int = 150) -> None:
    """Tabs on until the focus is there."""
    expect(target).to_be_visible()
    for _step in range(most):
        if target.evaluate(HAS_FOCUS):
            assert page.evaluate(IS_SHOWN), page.evaluate("document.activeElement.outerHTML")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {target}")


def press(page: Page, target: Locator) -> None:
    """By Enter, and waits for the page that it leads to."""
    reach(page, target)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True).first


def test_from_a_new_draft_to_the_approval_by_keyboard_alone(browser: Browser, demo: str) -> None:
    ana = signed_in(browser, demo, "Ana Duarte")
    ana.goto(f"{demo}/campaigns/")
    press(ana, ana.get_by_role("link", name="New campaign"))
    reach(ana, ana.locator("[name=type][value=scheduled]"))
    ana.keyboard.press("ArrowRight")
    expect(ana.locator("[name=type][value=api_triggered]")).to_be_checked()
    ana.keyboard.press("ArrowLeft")
    reach(ana, ana.locator("[name=name]"))
    ana.keyboard.type("Keys alone")
    press(ana, button(ana, "Create draft"))
    press(ana, button(ana, "Save and continue"))

    reach(ana, ana.locator("select[name=audience]"))
    ana.keyboard.type("All members")
    press(ana, button(ana, "Save and continue"))
    reach(ana, ana.locator("select[name=configuration_0]"))
    ana.keyboard.type("Fernhill main")
    press(ana, button(ana, "Save and continue"))

    if "view=code" not in ana.url:
        press(ana, ana.get_by_role("link", name="Code", exact=True))
    reach(ana, ana.locator("[name=subject]"))
    ana.keyboard.type("By keyboard")
    reach(ana, ana.locator(".CodeMirror").first)
    ana.keyboard.type('<p>Hello</p><p><a href="{{ unsubscribe_url }}">Out</a></p>')
    ana.keyboard.press("Escape")
    press(ana, button(ana, "Save and continue"))
    reach(ana, ana.locator("[name=starts_at]"))
    press(ana, button(ana, "Save and continue"))

    reach(ana, ana.locator("[name=comment]").first)
    ana.keyboard.type("Please look")
    press(ana, button(ana, "Request approval"))
    expect(ana.locator("h1 + .pill")).to_have_text("In review")

    lin = signed_in(browser, demo, "林怡君")
    lin.goto(f"{demo}/campaigns/approvals/")
    press(lin, lin.get_by_role("link", name="Review Keys alone"))
    expect(lin.get_by_text("Please look").first).to_be_visible()
    press(lin, button(lin, "Approve"))
    expect(lin.locator("h1 + .pill")).to_have_text("Approved")


def test_a_run_that_renews_itself_keeps_the_keyboards_place(browser: Browser, demo: str) -> None:
    page = signed_in(browser, demo, "林怡君")
    page.goto(f"{demo}/campaigns/2/review/")  # it takes calls, and goes on until it is stopped
    if page.locator("h1 + .pill").inner_text() != "Live":
        press(page, button(page, "Activate"))
    page.goto(f"{demo}/campaigns/2/")
    pause = button(page, "Pause")
    reach(page, pause)
    page.locator("#progress").evaluate("one => one.dataset.old = 'yes'")
    expect(page.locator("#progress[data-old]")).to_have_count(0)  # it was renewed
    expect(pause).to_be_focused()
    page.keyboard.press("Enter")
    expect(button(page, "Resume")).to_be_visible()
    press(page, button(page, "Resume"))
    expect(page.locator("h1 + .pill")).to_have_text("Sending")
