"""The whole way of a manager and an approver, in both languages and without scripts: create, write, look,
ask, change, edit, approve, activate, live, report. One message to 200 people each time.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import Say, in_language, new_draft, press, signed_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)
WAYS = [("en", True), ("zh-hant", True), ("en", False)]


def state(page: Page, name: str) -> None:
    """As the page shows it once it is loaded anew: without scripts nothing moves by itself."""
    for _try in range(60):
        pill = page.locator("h1 + .pill")
        if pill.inner_text().strip() == name:
            return
        page.wait_for_timeout(500)
        page.reload()
    expect(pill).to_have_text(name)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "has_scripts"), WAYS)
def test_a_manager_and_an_approver_bring_a_campaign_from_nothing_to_its_report(
    browser: Browser, demo: str, language: str, has_scripts: bool
) -> None:
    say = in_language(language)
    faults: list[str] = []
    ana = signed_in(browser, demo, "Ana Duarte", language, has_scripts=has_scripts)
    ana.on("pageerror", lambda error: faults.append(str(error)))
    name = f"Way {language} {'with' if has_scripts else 'without'} scripts"
    draft = written(ana, demo, name, say)

    ana.goto(f"{draft}review/")  # what the approver will see, with the forecast
    expect(ana.locator(".r-mid")).to_contain_text("200")
    press(ana, say("Look at every message"))
    for _try in range(60):
        if not ana.locator("#preflight progress").count():
            break
        ana.wait_for_timeout(500)
        ana.goto(f"{draft}preflight/")
    expect(ana.locator("#preflight")).to_contain_text(say("Nothing is missing."))

    ana.goto(f"{draft}review/")
    ana.locator("[name=comment]").first.fill("Please look 請看")
    press(ana, say("Request approval"))
    state(ana, say("In review"))

    lin = signed_in(browser, demo, "林怡君", language, has_scripts=has_scripts)
    lin.on("pageerror", lambda error: faults.append(str(error)))
    lin.goto(f"{demo}/campaigns/approvals/")
    lin.get_by_role("link", name=name).first.click()
    lin.wait_for_load_state()
    expect(lin.get_by_text("Please look 請看").first).to_be_visible()
    lin.locator("form[action$='/act/request_changes/'] [name=comment]").fill("Warmer, please 更溫暖")
    press(lin, say("Request changes"))
    state(lin, say("Draft"))

    ana.goto(f"{draft}review/")
    expect(ana.get_by_text("Warmer, please 更溫暖").first).to_be_visible()
    ana.goto(f"{draft}edit/content/?view=text")
    ana.locator("[name=subject]").fill(f"{name}: 更溫暖的一層")
    press(ana, say("Save"))
    ana.goto(f"{draft}review/")
    press(ana, say("Request approval"))
    state(ana, say("In review"))

    lin.goto(f"{draft}review/")
    press(lin, say("Approve"))
    state(lin, say("Approved"))
    press(lin, say("Activate"))
    lin.wait_for_load_state()
    lin.goto(draft)
    state(lin, say("Completed"))
    expect(lin.locator(".proof")).to_have_text(say("Balances"))
    lin.goto(f"{lin.url}report/")
    expect(lin.locator(".funnel tr").nth(1).locator(".end")).to_have_text("200")
    assert faults == []


def written(page: Page, demo: str, name: str, say: Say) -> str:
    """The address of a new draft with audience, channel and a message begun with a template."""
    draft = new_draft(page, demo, name, say)
    page.goto(f"{draft}edit/channels/")
    page.locator("[name=configuration_0]").select_option(label="Fernhill main")
    press(page, say("Save"))
    page.goto(f"{draft}edit/content/begin/")
    page.locator("button[name=design]").first.click()
    page.wait_for_load_state()
    page.goto(f"{draft}edit/content/?view=code")
    page.locator("[name=subject]").fill(name)
    press(page, say("Save"))
    return draft
