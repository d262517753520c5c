"""Email designs to begin with: MJML of our own, each in both languages of the product.

A design is put together from a few blocks in one of four palettes. What comes out is an ordinary draft's
`mjml`: from there on it is the author's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from django.utils.translation import gettext_lazy as _

FONTS = "-apple-system, 'Segoe UI', Helvetica, 'PingFang TC', 'Microsoft JhengHei', Arial, sans-serif"
# page, card, ink, accent, on the accent, soft
Palette = tuple[str, str, str, str, str, str]
VERDIGRIS: Palette = ("#eef3f3", "#ffffff", "#172126", "#0b6b74", "#ffffff", "#e2f1f2")
BRICK: Palette = ("#f6f0e8", "#fffdf9", "#2b1d18", "#8c3b2e", "#ffffff", "#f3e3d6")
NIGHT: Palette = ("#e9ebf3", "#ffffff", "#1b2140", "#3346a8", "#ffffff", "#e4e8fa")
MOSS: Palette = ("#eff2ea", "#ffffff", "#1f2a1c", "#4b6b2f", "#ffffff", "#e7eeda")
LEAVE = {
    "en": ("You get this because you agreed to hear from us.", "Unsubscribe", "Preferences"),
    "zh": ("您會收到這封信，是因為您同意接收我們的消息。", "取消訂閱", "偏好設定"),
}


@dataclass(frozen=True)
class Design:
    key: str
    title: Any
    what: Any
    palette: Palette
    parts: Callable[[Palette, bool], str]  # the palette, and whether in Chinese

    def source(self, language: str) -> str:
        """The MJML. `language` is a code such as en or zh-Hant; whatever is not Chinese gets English."""
        in_chinese = language.lower().startswith("zh")
        return _document(self.palette, self.parts(self.palette, in_chinese), in_chinese)


def _document(palette: Palette, body: str, in_chinese: bool) -> str:
    page, _card, ink, accent, on_accent, _soft = palette
    why, leave, choose = LEAVE["zh" if in_chinese else "en"]
    return f"""<mjml lang="{"zh-Hant" if in_chinese else "en"}">
  <mj-head>
    <mj-attributes>
      <mj-all font-family="{FONTS}" />
      <mj-text font-size="16px" line-height="1.6" color="{ink}" />
      <mj-button background-color="{accent}" color="{on_accent}" border-radius="6px" font-size="16px" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="{page}">
{body}
    <mj-section padding="16px 24px 32px">
      <mj-column>
        <mj-text align="center" font-size="12px" color="#5b6970">{why}<br />
          <a href="{{{{ unsubscribe_url }}}}" style="color:#5b6970">{leave}</a> &nbsp;
          <a href="{{{{ preferences_url }}}}" style="color:#5b6970">{choose}</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""


# ---- blocks -----------------------------------------------------------------------------------


def _banner(palette: Palette, small: str, big: str) -> str:
    _page, _card, _ink, accent, on_accent, _soft = palette
    return f"""    <mj-section background-color="{accent}" padding="36px 24px" border-radius="10px 10px 0 0">
      <mj-column>
        <mj-text color="{on_accent}" font-size="13px" padding-bottom="4px">{escape(small)}</mj-text>
        <mj-text color="{on_accent}" font-size="30px" line-height="1.25" font-weight="700">
          {escape(big)}</mj-text>
      </mj-column>
    </mj-section>
"""


def _words(palette: Palette, *paragraphs: str, button: str = "") -> str:
    """Paragraphs may hold template tags; they are our own texts, so nothing is escaped."""
    texts = "".join(f"        <mj-text>{text}</mj-text>\n" for text in paragraphs)
    if button:
        href = "https://www.example.com/"
        texts += f'        <mj-button align="left" href="{href}">{button}</mj-button>\n'
    return f"""    <mj-section background-color="{palette[1]}" padding="20px 24px">
      <mj-column>
{texts}      </mj-column>
    </mj-section>
"""


def _cards(palette: Palette, *cards: tuple[str, str]) -> str:
    columns = "".join(
        f"""      <mj-column background-color="{palette[5]}" border-radius="8px" padding="6px">
        <mj-text font-weight="700">{title}</mj-text>
        <mj-text font-size="14px" padding-top="0">{text}</mj-text>
      </mj-column>
"""
        for title, text in cards
    )
    return f"""    <mj-section background-color="{palette[1]}" padding="8px 24px 20px">
{columns}    </mj-section>
"""


def _rows(palette: Palette, *rows: tuple[str, str]) -> str:
    lines = "".join(
        f'<tr style="border-bottom:1px solid {palette[5]}"><td style="padding:9px 0">{name}</td>'
        f'<td style="padding:9px 0;text-align:right;font-weight:700">{value}</td></tr>'
        for name, value in rows
    )
    return f"""    <mj-section background-color="{palette[1]}" padding="0 24px 20px">
      <mj-column><mj-table color="{palette[2]}" font-size="15px">{lines}</mj-table></mj-column>
    </mj-section>
"""


def _line(palette: Palette) -> str:
    return f"""    <mj-section background-color="{palette[1]}" padding="0 24px"><mj-column>
      <mj-divider border-width="1px" border-color="{palette[5]}" /></mj-column></mj-section>
"""


# ---- designs ----------------------------------------------------------------------------------


def _newsletter(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "本月消息", "這個月值得知道的三件事")
            + _words(palette, "您好，", "用一兩句話說明這封信要談什麼，讓讀者決定是否往下看。")
            + _cards(palette, *((name, "一句話的摘要。") for name in ("第一則", "第二則", "第三則")))
            + _words(palette, "最後一段：接下來會發生什麼。", button="閱讀全部")
        )
    return (
        _banner(palette, "This month", "Three things worth knowing")
        + _words(palette, "Hello,", "Say in a sentence or two what this letter is about.")
        + _cards(palette, *((name, "One sentence.") for name in ("First", "Second", "Third")))
        + _words(palette, "And last: what happens next.", button="Read it all")
    )


def _welcome(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "歡迎", "很高興認識您")
            + _words(palette, "謝謝您加入我們。接下來您會收到這些：")
            + _cards(palette, ("每月一封", "我們不會多寄。"), ("隨時可退", "頁尾就有連結。"))
            + _words(palette, "想先看看嗎？", button="開始逛逛")
        )
    return (
        _banner(palette, "Welcome", "Good to have you here")
        + _words(palette, "Thank you for joining. This is what you will get:")
        + _cards(palette, ("Once a month", "Never more often."), ("Leave any time", "The link is below."))
        + _words(palette, "Would you like to look around?", button="Start here")
    )


def _offer(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "只到週日", "全館八折")
            + _words(palette, "結帳時輸入下方代碼即可使用。", button="立即選購")
            + _rows(palette, ("折扣代碼", "SPRING20"), ("期限", "週日 23:59"), ("適用", "全部商品"))
        )
    return (
        _banner(palette, "Until Sunday", "A fifth off everything")
        + _words(palette, "Give the code below when you pay.", button="Shop now")
        + _rows(palette, ("Code", "SPRING20"), ("Until", "Sunday 23:59"), ("For", "Everything"))
    )


def _product(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "新品上市", "為下雨天而做")
            + _words(palette, "一段話介紹它：給誰用、解決什麼問題。")
            + _cards(palette, ("輕巧", "只有 380 公克。"), ("防水", "接縫全面貼合。"), ("耐用", "保固五年。"))
            + _words(palette, "數量有限。", button="看看它")
        )
    return (
        _banner(palette, "New", "Made for rainy days")
        + _words(palette, "A paragraph about it: whom it is for and what it solves.")
        + _cards(palette, ("Light", "380 grams."), ("Dry", "Taped seams."), ("Lasting", "Five years."))
        + _words(palette, "There are not many.", button="Have a look")
    )


def _event(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "邀請函", "與我們共度一個晚上")
            + _rows(palette, ("日期", "12 月 2 日（三）"), ("時間", "19:00"), ("地點", "台北市"))
            + _words(palette, "座位有限，請先報名。", button="我要參加")
        )
    return (
        _banner(palette, "Invitation", "An evening with us")
        + _rows(palette, ("Day", "Wednesday, 2 December"), ("Time", "19:00"), ("Place", "Taipei"))
        + _words(palette, "Seats are few; please sign up.", button="I will come")
    )


def _survey(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "兩分鐘", "您覺得如何？")
            + _words(palette, "您的意見會直接交給負責的人，問卷只有三題。", button="回答問卷")
            + _line(palette)
            + _words(palette, "謝謝您抽空。")
        )
    return (
        _banner(palette, "Two minutes", "How was it?")
        + _words(palette, "What you say goes to the people in charge. Three questions.", button="Answer")
        + _line(palette)
        + _words(palette, "Thank you for your time.")
    )


def _notice(palette: Palette, zh: bool) -> str:
    if zh:
        return (
            _banner(palette, "服務通知", "週六凌晨暫停服務")
            + _words(palette, "為了升級系統，下列時間無法使用服務。您不需要做任何事。")
            + _rows(palette, ("開始", "週六 01:00"), ("結束", "週六 04:00"))
        )
    return (
        _banner(palette, "Service notice", "A pause on Saturday night")
        + _words(palette, "We renew our systems; the service rests meanwhile. You need not do anything.")
        + _rows(palette, ("From", "Saturday 01:00"), ("Until", "Saturday 04:00"))
    )


def _receipt(palette: Palette, zh: bool) -> str:
    order = '{{ context.order|default("A-1001") }}'
    total = '{{ context.total|default("0") }}'
    if zh:
        return (
            _banner(palette, "訂單確認", "我們收到您的訂單了")
            + _rows(palette, ("訂單編號", order), ("金額", total))
            + _words(palette, "出貨時會再通知您。", button="查看訂單")
        )
    return (
        _banner(palette, "Order confirmed", "We have your order")
        + _rows(palette, ("Order", order), ("Total", total))
        + _words(palette, "We write again when it leaves.", button="See the order")
    )


DESIGNS = {
    one.key: one
    for one in (
        Design(
            "newsletter", _("Newsletter"), _("A greeting and three short pieces."), VERDIGRIS, _newsletter
        ),
        Design("welcome", _("Welcome"), _("The first letter: what will come."), MOSS, _welcome),
        Design("offer", _("Offer"), _("A discount with its code and its end."), BRICK, _offer),
        Design("product", _("New product"), _("One thing and three reasons."), NIGHT, _product),
        Design("event", _("Invitation"), _("Day, time, place, and a way to say yes."), BRICK, _event),
        Design("survey", _("Survey"), _("One request and one button."), MOSS, _survey),
        Design("notice", _("Service notice"), _("What happens, from when until when."), NIGHT, _notice),
        Design("receipt", _("Order confirmation"), _("Order and total from the call."), VERDIGRIS, _receipt),
    )
}


def blank(language: str) -> str:
    """A design with nothing in it but the way out."""
    in_chinese = language.lower().startswith("zh")
    greeting = "您好，" if in_chinese else "Hello,"
    return _document(VERDIGRIS, _words(VERDIGRIS, greeting), in_chinese)
