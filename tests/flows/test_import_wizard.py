"""A marketer brings 100,000 people in a Big5 file through the wizard; the demo's own workers do the work."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SCREENSHOTS", "")
PATIENCE = 180_000  # milliseconds for the workers to read or to import the whole file, on a busy machine
ROWS = 100_000
HEADER = ["信箱", "姓名", "手機", "生日", "點數餘額", "標籤", "訂閱電子報", "店別"]
COLUMNS = {  # what each column becomes; for a new attribute its key and type too
    "信箱": ("email",),
    "姓名": ("attribute:name",),
    "手機": ("phone",),
    "生日": ("new", "birthday", "date"),
    "點數餘額": ("new", "points", "number"),
    "標籤": ("new", "tags", "list"),
    "訂閱電子報": ("consent:email:",),
    "店別": ("new", "store", "choice"),
}
WRONG = {  # by number of the person: the column, what stands there, and the reason that is told
    11: ("信箱", "no address", "This is not an email address. Write it like ana@example.com."),
    22: ("信箱", "", "The cell that names the person is empty."),
    33: ("手機", "12", "This is not a phone number. Write it with its country, like +886 912 345 678."),
    44: ("生日", "2026/02/30", "This is no date in the chosen format, or no day that exists."),
    55_555: ("點數餘額", "很多", "This is not a number, or not one of ordinary size."),
    66_666: ("信箱", "guest000001@example.com", "The same person stands in row 2 already."),
    77_777: ("訂閱電子報", "也許", "This is neither yes nor no (yes, y, true, 1, 是; no, n, false, 0, 否)."),
}
GOOD = ROWS - len(WRONG)


def row_of(number: int) -> list[str]:
    row = [
        f"guest{number:06}@example.com",
        "林陳張黃李王"[number % 6] + "怡志雅俊"[number % 4] + "君明婷豪"[number % 3],
        f"+8869{number:08}",
        f"{1960 + number % 40}/{1 + number % 12}/{1 + number % 28}",
        f"{number}",
        "會員;電子報" if number % 2 else "會員",
        "是",
        ("台北", "台中", "高雄")[number % 3],
    ]
    if number in WRONG:
        column, cell, _reason = WRONG[number]
        row[HEADER.index(column)] = cell
    return row


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "會員.csv"
    with path.open("w", encoding="big5", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(HEADER)
        writer.writerows(row_of(number) for number in range(1, ROWS + 1))
    return path


def press(page: Page, name: str, role: str = "button") -> None:
    """By keyboard: a part that renews itself may move away from under a mouse."""
    page.get_by_role(role, name=name).press("Enter")  # type: ignore[arg-type]


DRESS = """theme => {
  document.documentElement.dataset.bsTheme = theme;
  for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
}"""


def clean(page: Page, name: str) -> None:
    found = Axe().run(page, options={"iframes": False}).response["violations"]
    assert [(name, one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def look(page: Page, name: str) -> None:
    """The page is clean for axe in light on a desk and in dark on a phone, and not wider than that."""
    size = page.viewport_size
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(DRESS, "light")
    clean(page, name)
    page.evaluate(DRESS, "dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    clean(page, f"{name} on a phone")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"wizard-{name}-phone-dark.png", full_page=True)
    assert size
    page.set_viewport_size(size)
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"wizard-{name}-dark.png", full_page=True)
    page.evaluate(DRESS, "light")


def choose_file(page: Page, demo: str, file: Path) -> None:
    page.goto(f"{demo}/audiences/import/")
    page.get_by_label("File").set_input_files(file)
    press(page, "Upload")
    expect(page.locator("h1")).to_have_text(file.name, timeout=PATIENCE)


def counts(page: Page) -> dict[str, str]:
    terms = page.locator(".facts dt").all_inner_texts()
    return dict(zip(terms, page.locator(".facts dd").all_inner_texts(), strict=True))


def told(new: int, unchanged: int) -> dict[str, str]:
    """The table of counts as it must read."""
    return {
        "New people": f"{new:,}",
        "Changed people": "0",
        "Known and unchanged": f"{unchanged:,}",
        "Rejected rows": f"{len(WRONG)}",
        "Rows in the file": f"{ROWS:,}",
    }


def reasons(page: Page) -> Locator:
    return page.get_by_role("region", name="By reason")


def match_columns(page: Page) -> None:
    for name, (to, *new) in COLUMNS.items():
        group = page.get_by_role("group", name=name, exact=True)
        group.get_by_role("combobox").first.select_option(to)
        if new:
            group.get_by_label("Key of the new attribute").fill(new[0])
            group.get_by_label("Type of the new attribute").select_option(new[1])


@pytest.mark.slow
def test_a_hundred_thousand_people_come_in_from_a_big5_file(
    browser: Browser, own_demo: str, file: Path
) -> None:
    page = browser.new_context(viewport={"width": 1360, "height": 1000}).new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{own_demo}/demo/")
    page.locator("header").get_by_role("button", name="Ana Duarte").press("Enter")
    expect(page.locator("header").get_by_text("Ana Duarte").first).to_be_visible()

    # The encoding is guessed, and the first rows follow when it is changed.
    choose_file(page, own_demo, file)
    first = page.get_by_role("group", name="First rows").locator("tbody tr").first
    encoding = page.get_by_label("Encoding")
    expect(encoding).to_have_value("big5hkscs")
    expect(first).to_contain_text("陳志明"[0])
    readable = first.inner_text()
    encoding.select_option("cp1252")
    expect(first).not_to_contain_text("陳")
    encoding.select_option("big5hkscs")
    expect(first).to_have_text(readable, use_inner_text=True)
    match_columns(page)
    page.get_by_label("A new audience called").fill("門市會員")
    look(page, "columns")

    # The dry run changes nobody and says what would happen.
    press(page, "Check every row")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("h1 + span")).to_have_text("Checked; nothing is imported yet", timeout=PATIENCE)
    assert counts(page) == told(new=GOOD, unchanged=0)
    for _column, _cell, reason in WRONG.values():
        expect(reasons(page)).to_contain_text(reason.replace("row 2", "row …"))
    look(page, "dry-run")

    # It goes on while the marketer is elsewhere.
    press(page, f"Import {GOOD:,} people")
    on_its_way = re.compile(r"^\s*(Importing|Imported)\s*$")  # a quick machine may be done already
    expect(page.locator("h1 + span")).to_have_text(on_its_way)
    page.goto(f"{own_demo}/audiences/import/")
    press(page, file.name, "link")
    expect(page.locator("h1 + span")).to_have_text(on_its_way)
    look(page, "progress")
    expect(page.locator("h1 + span")).to_have_text("Imported", timeout=PATIENCE)
    assert counts(page) == told(new=GOOD, unchanged=0)
    look(page, "done")

    with page.expect_download() as download:
        press(page, "All as CSV", "link")
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as source:
        rejected = list(csv.reader(source))[1:]
    assert rejected == [[str(number + 1), *wrong] for number, wrong in WRONG.items()]

    press(page, "Open the audience", "link")
    expect(page.locator("h1")).to_contain_text("門市會員")
    expect(page.locator("main")).to_contain_text(f"{GOOD:,}")

    # The same file again has nothing to bring, and its columns are remembered.
    choose_file(page, own_demo, file)
    press(page, "Check every row")
    expect(page.locator("h1 + span")).to_have_text("Checked; nothing is imported yet", timeout=PATIENCE)
    assert counts(page) == told(new=0, unchanged=GOOD)
    assert problems == []
