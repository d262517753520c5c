"""What a reply asks for, in English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.keywords import WORDS, Asked, asked


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", " Stop. ", "“STOP”", "ＳＴＯＰ", "STOP!!!", "stop\u200b", "\ufeffSTOP", "Stop 🙏",
        "Stop\n", "OPT-OUT", "opt  out", "StopAll", "UNSUBSCRIBE", "cancel", "END", "quit", "No",
        "退訂", "取消訂閱", "【退訂】", "拒收。", "退订", "TD", "ｔｄ", "R",
    ],
)  # fmt: skip
def test_a_person_who_wants_it_to_stop_is_understood(text: str) -> None:
    assert asked(text) is Asked.STOP


@pytest.mark.parametrize("text", ["START", "Yes!", "unstop", "Resume", "恢復訂閱", "訂閱", "恢复", "opt-in"])
def test_a_person_who_wants_it_again_is_understood(text: str) -> None:
    assert asked(text) is Asked.START


@pytest.mark.parametrize("text", ["HELP", "help?", "Info", "說明", "幫助", "帮助", "客服"])
def test_a_person_who_asks_for_help_is_understood(text: str) -> None:
    assert asked(text) is Asked.HELP


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "🙏", "please don't stop", "stopping", "I will stop by", "helpful", "不要停止",
        "yes please", "no problem", "STOP " * 100, "\ud800", "\x00", "我想取消明天的訂位", "stop stop",
    ],
)  # fmt: skip
def test_what_only_contains_a_word_asks_for_nothing(text: str) -> None:
    assert asked(text) is None


def test_a_configurations_own_words_replace_the_usual_ones_of_their_kind() -> None:
    own = {Asked.STOP: ["Basta", ""]}
    assert asked("basta!", words=own) is Asked.STOP
    assert asked("stop", words=own) is None
    assert asked("help", words=own) is Asked.HELP
    assert asked("", words=own) is None


def test_no_word_asks_for_two_things() -> None:
    kinds = [word for words in WORDS.values() for word in words]
    assert len(kinds) == len(set(kinds))
    assert all(asked(word) is kind for kind, words in WORDS.items() for word in words)


@given(st.text())
def test_any_text_at_all_is_read_without_failing(text: str) -> None:
    assert asked(text) in {None, *Asked}
