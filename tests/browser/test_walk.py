"""The main job as its people do it: a manager drafts, an approver sends, a reader opens and clicks, the
report tells. Then every page is looked at by axe-core, in light, dark and Traditional Chinese.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import become

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SCREENSHOTS", "")
# A person's program: what a headless one opens and clicks is told apart as a machine's.
READER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_context(viewport={"width": 1360, "height": 900}, user_agent=READER).new_page()


def sent(page: Page, demo: str) -> str:
    """The campaign of the demo, whose review its manager looks at, is asked for, approved and sent; the
    address of its run.
    """
    page.get_by_role("button", name="Request approval").click()
    expect(page.locator(".pill").first).to_have_text("In review")
    review = page.url
    become(page, demo, "林怡君")
    page.goto(review)
    page.get_by_role("button", name="Approve and send to 200 people").click()
    expect(page.locator("h1 + .pill")).to_have_text("Completed", timeout=60_000)
    return page.url


def test_a_campaign_goes_from_draft_to_a_click_in_the_report(page: Page, demo: str) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    become(page, demo, "Ana Duarte")
    page.goto(f"{demo}/campaigns/")
    page.get_by_role("link", name="Winter layers").click()
    page.get_by_role("link", name="Content", exact=True).click()
    page.get_by_label("Subject").fill("Hello {{ profile.name }}, 冬季早鳥")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Review").first.click()
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_text("Winter layers are here")).to_be_visible()
    run = sent(page, demo)
    expect(page.locator(".proof")).to_have_text("Balances")

    page.goto(f"{demo}/demo/mailbox/")
    # Above it lies what the approver and the author were told.
    page.get_by_role("link", name="冬季早鳥").first.click()
    letter = page.frame_locator("iframe")
    # By keyboard: Chromium drops mouse clicks into a foreign frame that has just moved.
    with page.expect_request(re.compile(r"/t/c/")):
        letter.get_by_role("link", name="Shop winter layers").press("Enter", no_wait_after=True)
    expect(page).to_have_url(re.compile(r"^chrome-error:"))  # nobody answers for the shop

    page.goto(f"{demo}/audiences/profiles/1/")
    expect(page.get_by_role("cell", name="Winter layers")).to_be_visible()

    page.goto(f"{run}report/")
    rows = page.locator(".funnel tr")
    expect(rows.nth(1).locator(".end")).to_have_text("200")
    expect(rows.nth(4).locator(".end")).to_have_text("1")
    expect(rows.nth(5).locator(".end")).to_have_text("1")
    assert problems == []


PAGES = {
    "home": "/",
    "own": "/accounts/own/",
    "two-steps": "/accounts/own/two-steps/",
    "campaigns": "/campaigns/?status=all",
    "start": "/campaigns/start/",
    "guide": "/guide/",
    "new-campaign": "/campaigns/new/",
    "calendar": "/campaigns/calendar/?span=month",
    "approvals": "/campaigns/approvals/",
    "new-policy": "/campaigns/policies/new/",
    "review": "/campaigns/1/review/",
    "versions": "/campaigns/1/versions/",
    "manage": "/campaigns/1/manage/",
    "proofs": "/campaigns/1/proofs/",
    "main-switch": "/campaigns/sending/",
    "files": "/campaigns/assets/",
    "templates": "/campaigns/templates/",
    "new-fragment": "/campaigns/fragments/new/",
    "new-feedback": "/campaigns/feedback/new/",
    "why": "/campaigns/why/?who=member001@example.com",
    "reports": "/campaigns/reports/",
    "run": "/campaigns/runs/1/",
    "report": "/campaigns/runs/1/report/",
    "messages": "/campaigns/runs/1/messages/?outcome=accepted",
    "audiences": "/audiences/",
    "audience": "/audiences/1/",
    "new-audience": "/audiences/new/",
    "import": "/audiences/import/",
    "profiles": "/audiences/profiles/",
    "profile": "/audiences/profiles/1/",
    "edit-audience": "/audiences/1/edit/",
    "audience-settings": "/audiences/1/settings/",
    "delete-audience": "/audiences/1/delete/",
    "why-in-audience": "/audiences/1/why/?who=member001@example.com",
    "unreached": "/audiences/1/unreached/email/050101/",
    "new-composition": "/audiences/new/composition/",
    "new-subscription": "/audiences/new/subscription/",
    "channels": "/channels/",
    "channel": "/channels/1/",
    "channel-form": "/channels/1/edit/",
    "choose-provider": "/channels/new/",
    "set-up-line": "/channels/new/?provider=line",
    "set-up-gateway": "/channels/new/?provider=sms_http",
    "set-up-web-push": "/channels/new/?provider=webpush",
    "set-up-direct-mail": "/channels/new/?provider=direct_mail",
    "limits": "/channels/1/limits/",
    "allowed": "/channels/allowed/",
    "addresses": "/audiences/addresses/",
    "rule-sets": "/channels/rule-sets/",
    "new-rule-set": "/channels/rule-sets/new/",
    "warm-up": "/channels/warm-up/",
    "new-warm-up": "/channels/warm-up/new/",
    "sending-domains": "/channels/domains/",
    "new-sending-domain": "/channels/domains/new/",
    "credentials": "/accounts/credentials/",
    "doctor": "/doctor/",
    "manual": "/guide/concepts/",
    "manual-tables": "/guide/deploy/",
    "mailbox": "/demo/mailbox/",
    "missing": "/nowhere/",
}


@pytest.fixture(scope="module")
def _run_is_there(page: Page, demo: str) -> None:
    """However few of these tests are asked."""
    become(page, demo, "Ana Duarte")
    answer = page.goto(f"{demo}/campaigns/runs/1/")
    if answer and answer.status == 404:
        page.goto(f"{demo}/campaigns/1/review/")
        sent(page, demo)


@pytest.mark.slow
@pytest.mark.usefixtures("_run_is_there")
@pytest.mark.parametrize(
    ("look", "who"), [("light", "Priya Nair"), ("dark", "Priya Nair"), ("zh", "Priya Nair")]
)
def test_every_page_is_clean_for_everybody(page: Page, demo: str, look: str, who: str) -> None:
    become(page, demo, who, "zh-hant" if look == "zh" else "en")
    page.goto(demo)
    if look == "dark":
        page.get_by_role("button", name="Dark theme").click()
    faults = {}
    for name, address in PAGES.items():
        answer = page.goto(demo + address)
        assert answer and answer.status == (404 if name == "missing" else 200), address
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}-{look}.png", full_page=True)
        result = Axe().run(page, options={"iframes": False})
        for violation in result.response["violations"]:
            places = [node["target"] for node in violation["nodes"]][:3]
            faults.setdefault(name, []).append((violation["id"], places))
    assert faults == {}
