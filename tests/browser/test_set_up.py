"""Every channel is set up by an administrator in Chromium, tested against a server of ours, and active.

One mail server and one service are set up; with SCREENSHOTS=folder all of them, and each page is kept
as a picture in light and dark, English and Traditional Chinese, and on a phone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import running_demo
from tests.browser.steps import become
from tests.channels.providers import BENCHES, Bench
from tests.fakes.apps import BROWSER
from tests.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHOTS = os.environ.get("SCREENSHOTS", "")
ALL = ("smtp", "amazon_ses", "sendgrid", "twilio", "vonage", "infobip", "sms_http", "line", "whatsapp", "fcm",
       "apns", "webpush", "webhook", "inapp", "direct_mail")  # fmt: skip
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, monkeypatch_module: pytest.MonkeyPatch) -> Any:
    """One whose requests may reach our servers."""
    monkeypatch_module.setenv("OUTBOUND_ALLOWED_NETWORKS", "127.0.0.1/32")
    with running_demo(tmp_path_factory.mktemp("set-up")) as address:
        yield address


@pytest.fixture(scope="module")
def monkeypatch_module() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def page(browser: Browser, demo: str) -> Page:
    made = browser.new_context(viewport=WIDE).new_page()
    become(made, demo, "Priya Nair")
    return made


def values_of(bench: Bench, server: Any) -> dict[str, Any]:
    secrets = {"password": bench.secrets} if isinstance(bench.secrets, str) else bench.secrets
    return {**bench.set_for(server), **{name: text for name, text in secrets.items() if text}}


def enter(field: Locator, value: Any) -> None:
    """As a person does: what is folded is opened first, and what the page made by itself is left."""
    if field.get_attribute("readonly") is not None:
        return
    folded = field.locator("xpath=ancestor::details[not(@open)]")
    if folded.count():
        folded.locator("summary").click()
    if field.evaluate("one => one.type") == "checkbox":
        field.set_checked(bool(value))
    elif field.evaluate("one => one.tagName") == "SELECT":
        field.select_option(str(value))
    else:
        field.fill(str(value))


def look(page: Page, name: str) -> list[Any]:
    """What axe finds; and pictures in every look, when they are wanted. The page is as before afterwards."""
    found = [(one["id"], one["nodes"][0]["target"]) for one in Axe().run(page).response["violations"]]
    if not SHOTS:
        return found
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=f"{SHOTS}/{name}-light-en.png", full_page=True)
    page.get_by_role("button", name="Dark theme").click()
    page.screenshot(path=f"{SHOTS}/{name}-dark-en.png", full_page=True)
    page.get_by_role("button", name="繁體中文").click()
    page.screenshot(path=f"{SHOTS}/{name}-dark-zh.png", full_page=True)
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name=re.compile("Light theme|淺色主題")).first.click(force=True)
    page.screenshot(path=f"{SHOTS}/{name}-phone-zh.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size(WIDE)
    page.get_by_role("button", name="English").click()
    return [*found, *(["wider than a phone"] if wide else [])]


def active_web_push(page: Page, demo: str) -> str:
    """Its keys are made by the page. The address of the page that asks browsers."""
    page.goto(f"{demo}/channels/new/?provider=webpush")
    page.locator("#id_name").fill("Browsers of the shop")
    page.get_by_label("Contact").fill("mailto:push@fernhill.example")
    page.get_by_label("Name on the page that asks").fill("蕨丘 Fernhill")
    page.get_by_role("button", name="Save as draft").click()
    page.get_by_role("button", name="Test and activate").click()
    expect(page.locator("h1 + .pill")).to_have_text("Active")
    address = page.locator("code", has_text="/push/").first.text_content()
    assert address
    return address


# A push service stands outside of the browser and of us; Chromium's own cannot be reached here.
SERVICE = """PushManager.prototype.subscribe = async (wish) => {
  if (!wish.userVisibleOnly || wish.applicationServerKey.length !== 65) throw new TypeError("no key");
  return { toJSON: () => (%s) };
}"""


def test_the_page_that_asks_a_browser_is_clean_on_a_phone_in_both_languages_and_subscribes_it(
    page: Page, demo: str, browser: Browser
) -> None:
    address = active_web_push(page, demo)
    for language, words in (("en-GB", "Done. Notifications will come"), ("zh-TW", "完成")):
        context = browser.new_context(viewport=PHONE, locale=language)
        context.grant_permissions(["notifications"], origin=demo)
        context.add_init_script(SERVICE % BROWSER.subscription("https://push.example.com/" + language))
        asked = context.new_page()
        asked.goto(address)
        faults = [one["id"] for one in Axe().run(asked).response["violations"]]
        assert faults == []
        assert not asked.evaluate("document.documentElement.scrollWidth > innerWidth")
        if SHOTS:
            asked.screenshot(path=f"{SHOTS}/push-page-{language}.png")
        asked.get_by_role("button").last.click()
        expect(asked.locator("#push-said")).to_contain_text(words)
        context.close()


@pytest.mark.parametrize("key", ALL if SHOTS else ("smtp", "line"))
def test_a_channel_is_set_up_until_it_is_active(page: Page, demo: str, key: str) -> None:
    bench = BENCHES[key]
    server = FakeSmtp(password="right") if key == "smtp" else bench.server()
    with server as running:
        page.goto(f"{demo}/channels/new/")
        page.locator(f"a.tile[href*='provider={key}&']").first.click()
        faults = {"form": look(page, f"{key}-form")}
        page.locator("#id_name").fill(f"Shop {key.replace('_', ' ')}")
        if bench.provider.channels == ("email",):
            page.get_by_label("Sender name").fill("Fernhill")
            page.get_by_label("Sender email").fill("hello@fernhill.example")
        for name, value in values_of(bench, running).items():
            enter(page.locator(f"[name='provider-{name}']"), value)
        page.get_by_role("button", name="Save as draft").click()
        expect(page.get_by_text("Saved. Test it now")).to_be_visible()
        faults["draft"] = look(page, f"{key}-draft")
        page.get_by_role("button", name="Test and activate").click()
        expect(page.locator("h1 + .pill")).to_have_text("Active")
        faults["active"] = look(page, f"{key}-active")
    assert {where: found for where, found in faults.items() if found} == {}
