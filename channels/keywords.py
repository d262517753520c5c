"""What a person who writes back asks for: to stop, to start again, or help. A pure function over their text.

The words are those that carriers and the CTIA's principles require, and what people in Taiwan, Hong Kong and
China write. Only a text that consists of the word counts, not one that contains it: “do not stop” is no stop.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum


class Asked(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"


WORDS: Mapping[Asked, tuple[str, ...]] = {
    Asked.STOP: (
        *("stop", "stopall", "stop all", "quit", "cancel", "end", "unsubscribe", "no", "optout", "opt out"),
        *("revoke", "退訂", "取消訂閱", "取消", "停止", "拒收", "不要", "退订", "取消订阅"),
        *("td", "t", "n", "r"),  # 「回覆 TD 退訂」 and its like; carriers in China and Taiwan use them
    ),
    Asked.START: (
        *("start", "subscribe", "yes", "unstop", "continue", "resume", "begin", "optin", "opt in"),
        *("訂閱", "恢復", "恢復訂閱", "重新訂閱", "開始", "繼續", "订阅", "恢复", "恢复订阅", "开始", "继续"),
    ),
    Asked.HELP: ("help", "info", "information", "幫助", "說明", "協助", "客服", "帮助", "说明", "协助"),
}
MOST = 160  # a longer text is a letter and no keyword


def asked(text: str, *, words: Mapping[Asked, Iterable[str]] = WORDS) -> Asked | None:
    """What the text asks for. `words` of a configuration replace the usual ones, kind by kind.

    Letter case, width, punctuation around the words and invisible characters do not matter.
    """
    if len(text) > MOST:
        return None
    given = _plain(text)
    for kind in Asked:  # stop is looked for first: in doubt, nobody is written to
        if given in {_plain(word) for word in words.get(kind, WORDS[kind])} - {""}:
            return kind
    return None


def _plain(text: str) -> str:
    """Letters and digits in one spelling, with single spaces between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(_kept(character) for character in folded)
    return " ".join(kept.split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return "" if character in "\ufe0e\ufe0f" else character
    return "" if category == "Cf" or character in "-'’" else " "
