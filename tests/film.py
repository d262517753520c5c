"""The film of a first campaign, made from the real product: `make video`.

A demo of its own runs, Chromium goes the way of a manager and an approver, and at each step one picture is
taken with what is pressed next framed. ffmpeg (Debian's) strings the pictures together; the captions are
written beside them in both languages, with the times the pictures have. All of it goes to `static/film/`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

from config.env import ROOT
from tests.browser.conftest import CHROMIUM, FLAGS, running_demo
from tests.browser.steps import become

FILM = ROOT / "static" / "film"
SIZE = ViewportSize(width=1280, height=800)
LANGUAGES = ("en", "zh-Hant")
SECONDS = 5.5  # for a caption of two lines
FRAMED = "element => { element.style.outline = '3px solid #d9480f'; element.style.outlineOffset = '3px' }"
BARE = "element => { element.style.outline = ''; element.style.outlineOffset = '' }"


@dataclass
class Reel:
    """The pictures taken so far, each with its captions."""

    page: Page
    folder: Path
    shots: list[tuple[Path, str, str]] = field(default_factory=list)

    def shoot(self, english: str, chinese: str, framed: Locator | None = None) -> None:
        if framed is not None:
            framed.scroll_into_view_if_needed()
            framed.evaluate(FRAMED)
        path = self.folder / f"{len(self.shots):02}.png"
        self.page.screenshot(path=path, animations="disabled")
        self.shots.append((path, english, chinese))
        if framed is not None:
            framed.evaluate(BARE)


def play(reel: Reel, demo: str) -> None:
    page = reel.page
    become(page, demo, "Ana Duarte")
    page.goto(demo)
    while page.get_by_text("All parts running").count() == 0:
        page.wait_for_timeout(1000)
        page.reload()
    new = page.get_by_role("link", name="New campaign")
    reel.shoot(
        "Ana is a marketer. Home shows what waits for her. She begins a campaign.",
        "Ana 是行銷人員。首頁列出等待她處理的事。她要建立一個行銷活動。",
        new,
    )
    new.click()
    page.get_by_label("Name", exact=True).fill("Spring trails 春季步道")
    page.get_by_role("radio", name=re.compile("^Scheduled")).check()
    page.get_by_role("radio", name=re.compile("^Marketing")).check()
    create = page.get_by_role("button", name="Create")
    reel.shoot(
        "Type and category come first: this one goes to an audience, and only to people who agreed.",
        "先選類型與類別：這一個傳給客群，而且只傳給同意的人。",
        create,
    )
    create.click()
    page.locator(".tabs").get_by_role("link", name="Audience").click()
    page.get_by_label("Audience", exact=True).select_option(label="All members 全部會員")
    page.get_by_role("button", name="Save", exact=True).click()
    reel.shoot(
        "She chooses the audience. The panel beside it counts whom the campaign can reach.",
        "她選擇客群，旁邊的面板會計算能送達多少人。",
        page.get_by_label("Audience", exact=True),
    )
    page.locator(".tabs").get_by_role("link", name="Channels").click()
    page.get_by_label("Channel configuration").select_option(label="Fernhill main")
    onward = page.get_by_role("button", name="Save and continue")
    reel.shoot(
        "An administrator has set up the channels; she says which one carries it.",
        "管道已由管理員設定好，她只要選擇由哪一個送出。",
        page.get_by_label("Channel configuration"),
    )
    onward.click()
    page.get_by_role("link", name="Begin with a template").click()
    begin = page.get_by_role("button", name="Begin with “Newsletter”")
    reel.shoot("The letter begins with one of the templates.", "信件從其中一個範本開始。", begin)
    begin.click()
    page.get_by_label("Subject").fill("{{ profile.name }}，spring trails are open 春季步道開放了")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    reel.shoot(
        "She writes the subject with the reader’s name in it. The preview shows a real person’s letter.",
        "主旨帶入收件者的姓名，預覽顯示某位真實收件者會收到的信。",
        page.get_by_label("Subject"),
    )
    page.locator(".tabs").get_by_role("link", name="Schedule").click()
    reel.shoot(
        "Without a start it leaves as soon as it is activated. Waves and repeated sends are set here too.",
        "沒有設定開始時間，啟動後就會送出；波段與重複傳送也在這裡設定。",
    )
    page.locator(".tabs").get_by_role("link", name="Review").click()
    page.wait_for_timeout(1500)
    reel.shoot(
        "Review shows everything on one page, as an approver will see it.",
        "檢閱頁面把一切集中在一頁，和核准者看到的一樣。",
    )
    ask = page.get_by_role("button", name="Request approval")
    reel.shoot(
        "She asks for approval. Nobody may approve their own campaign.",
        "她請求核准。任何人都不能核准自己的行銷活動。",
        ask,
    )
    ask.click()
    review = page.url
    become(page, demo, "林怡君")
    page.goto(f"{demo}/campaigns/approvals/")
    reel.shoot(
        "林怡君 is an approver. The request waits in her queue.", "林怡君是核准者，請求已在她的佇列中。"
    )
    page.goto(review)
    approve = page.get_by_role("button", name=re.compile("^Approve and send to"))
    reel.shoot(
        "The button says to how many people it will go. What she approves is exactly what is sent.",
        "按鈕寫明會傳給多少人。她核准的內容就是實際送出的內容。",
        approve,
    )
    approve.click()
    expect(page.locator("h1 + .pill")).to_have_text("Completed", timeout=60_000)
    run = page.url
    reel.shoot(
        "The run is followed live. It is completed only when everybody is accounted for.",
        "執行過程即時顯示。每個人都有交代，才算完成。",
        page.locator(".proof"),
    )
    page.goto(f"{demo}/demo/mailbox/")
    letter = page.get_by_role("link", name="spring trails are open").first
    reel.shoot("In the demo, the letters land in this mailbox.", "在示範環境中，信件會送到這個信箱。", letter)
    letter.click()
    page.wait_for_timeout(1500)
    reel.shoot("This is what one of the members reads.", "這是其中一位會員讀到的信。")
    page.goto(f"{run}report/")
    page.wait_for_timeout(1500)
    reel.shoot(
        "The report tells what became of each message. Every number leads to the people behind it.",
        "報告說明每則訊息的結果，每個數字都能點進背後的人。",
    )


def captions(texts: list[str]) -> str:
    """WebVTT: each text as long as its picture."""
    cues = [f"{clock(n * SECONDS)} --> {clock((n + 1) * SECONDS)}\n{text}\n" for n, text in enumerate(texts)]
    return "\n".join(["WEBVTT\n", *cues])


def clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):02}:{rest:06.3f}"


def cut(reel: Reel, film: Path) -> None:
    """The pictures, one after the other, each as long as its caption."""
    made = ["-framerate", f"1/{SECONDS}", "-i", str(reel.folder / "%02d.png"), "-vf", "fps=4"]
    coded = ["-c:v", "libvpx-vp9", "-crf", "34", "-b:v", "0", "-g", "240", "-pix_fmt", "yuv420p"]
    quiet = ["-y", "-loglevel", "error", "-bitexact", "-map_metadata", "-1"]
    subprocess.run([needed("ffmpeg"), *made, *coded, *quiet, str(film / "first-campaign.webm")], check=True)
    first = reel.shots[0][0]
    subprocess.run([needed("ffmpeg"), "-i", str(first), *quiet, str(film / "first-campaign.jpg")], check=True)


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        sys.exit(f"{program} is missing. On Debian: apt-get install {program}")
    return found


def main() -> None:
    needed("ffmpeg")
    if CHROMIUM is None:
        needed("chromium")
    FILM.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (data := Path(folder) / "demo").mkdir()
        with running_demo(data) as demo:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()
            reel = Reel(page, Path(folder))
            play(reel, demo)
            browser.close()
        cut(reel, FILM)
        for place, language in enumerate(LANGUAGES, 1):
            text = captions([str(shot[place]) for shot in reel.shots])
            (FILM / f"first-campaign.{language}.vtt").write_text(text, encoding="utf-8")
    print(f"{len(reel.shots)} pictures, {len(reel.shots) * SECONDS:.0f} seconds: {FILM.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
