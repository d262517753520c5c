"""The first hour in an empty workspace, as its people live it: the checklist leads from the first channel to
a first real send over SMTP, then a developer takes the call from the page and makes it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import become

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SCREENSHOTS", "")
PEOPLE = "email,name\nmei@example.com,林美\nann@example.com,Ann\n"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_context(viewport={"width": 1360, "height": 900}, locale="en-GB").new_page()


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"first-hour-{name}.png")


def enter(page: Page, demo: str, name: str) -> None:
    """As that person, in the workspace where nothing is set up."""
    become(page, demo, name)
    page.goto(demo)
    page.locator("summary.space").click()
    page.get_by_role("button", name="New workspace").click()
    expect(page.locator("summary.space")).to_contain_text("New workspace")


def arrives(page: Page, demo: str, subject: str) -> None:
    for _ in range(20):
        page.goto(f"{demo}/demo/mailbox/")
        if page.get_by_role("link", name=subject).count():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"no letter “{subject}” came")


def steps_done(page: Page, demo: str) -> int:
    page.goto(demo)
    return page.locator(".check4 .done").count()


def test_the_checklist_leads_from_nothing_to_a_first_send_over_smtp(
    page: Page, demo: str, mail_port: int, tmp_path: Path
) -> None:
    enter(page, demo, "Priya Nair")
    assert steps_done(page, demo) == 0
    shot(page, "empty")
    page.get_by_role("link", name="Channel configuration").click()
    page.get_by_role("link", name="New configuration").click()
    page.get_by_role("link", name="SMTP server").click()
    page.get_by_label("Name", exact=True).fill("Our mail server")
    page.get_by_label("Sender name").fill("Fernhill")
    page.get_by_label("Sender email").fill("hello@fernhill.example")
    page.get_by_label("Server", exact=True).fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(mail_port))
    page.get_by_label("Encryption").select_option("none")
    page.get_by_role("button", name="Save as draft").click()
    page.get_by_role("button", name="Test and activate").click()
    expect(page.locator("h1 + .pill")).to_have_text("Active", timeout=30_000)
    shot(page, "channel")
    assert steps_done(page, demo) == 1

    enter(page, demo, "Ana Duarte")
    page.get_by_role("link", name="Audience", exact=True).click()
    page.get_by_role("link", name="Import").first.click()
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, encoding="utf-8")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_label("A new audience called").fill("First readers")
    page.get_by_role("button", name="Check every row").click()
    page.get_by_role("button", name="Import 2 people").click(timeout=30_000)
    expect(page.get_by_text("Imported", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Open the audience").click()
    assert steps_done(page, demo) == 2

    page.get_by_role("link", name="Campaign", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Our first letter")
    page.get_by_role("radio", name=re.compile("^Scheduled")).check()
    page.get_by_role("radio", name=re.compile("^Marketing")).check()
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="Audience").last.click()
    page.get_by_label("Audience", exact=True).select_option("First readers")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("Channel configuration").select_option("Our mail server")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("link", name="Begin with a template").click()
    page.get_by_role("button", name="Begin with “Welcome”").click()
    page.get_by_label("Subject").fill("Hello {{ profile.name }}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    shot(page, "content")
    page.get_by_role("link", name="Review").first.click()
    page.get_by_role("button", name="Request approval").click()
    expect(page.locator("h1 + .pill").first).to_have_text("In review")
    review = page.url
    assert steps_done(page, demo) == 3

    enter(page, demo, "林怡君")
    page.goto(review)
    shot(page, "review")
    page.get_by_role("button", name="Approve and send to 2 people").click()
    expect(page.locator("h1 + .pill")).to_have_text("Completed", timeout=60_000)
    expect(page.locator(".proof")).to_have_text("Balances")
    page.goto(demo)
    expect(page.get_by_role("heading", name="Four steps to the first send")).to_have_count(0)
    arrives(page, demo, "Hello 林美")


@pytest.mark.skipif(not shutil.which("curl"), reason="The call is made by curl: apt-get install curl")
def test_a_developer_takes_the_call_from_the_page_and_makes_it(page: Page, demo: str) -> None:
    become(page, demo, "Priya Nair")
    page.goto(f"{demo}/campaigns/?type=api_triggered")
    page.get_by_role("link", name=re.compile("^Order shipped")).click()
    page.get_by_role("link", name="Review").first.click()
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("is now “Live”")).to_be_visible()
    ready = page.locator("main").get_by_role("link", name="API", exact=True).get_attribute("href")

    page.goto(f"{demo}/accounts/credentials/")
    page.get_by_label("Name", exact=True).fill("Shop")
    page.get_by_label("Acts as").select_option(label="Campaign approver")
    page.get_by_role("button", name="Create credential").click()
    token = page.locator("#token").inner_text().removeprefix("Authorization: Bearer ")

    page.goto(f"{demo}{ready}")
    shot(page, "api")
    # Somebody who is known: the other tests count on how many people there are.
    call = page.locator("#sample-1").inner_text().replace("ana@example.com", "member001@example.com")
    given = {**os.environ, "TOKEN": token}
    answer = subprocess.run(["bash", "-c", call], env=given, capture_output=True, text=True, timeout=30)
    assert '"executionId"' in answer.stdout, answer.stdout + answer.stderr
    arrives(page, demo, "is on its way")
