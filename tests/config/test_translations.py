"""Traditional Chinese is complete, and no translation loses or invents a placeholder."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from config.env import ROOT

PLACE = re.compile(r"%\((\w+)\)[sd]")
PATH = ROOT / "config" / "locale" / "zh_Hant" / "LC_MESSAGES" / "django.po"


def texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, tuple | list) else [str(value)]


def messages() -> list[Message]:
    with PATH.open("rb") as file:
        return [message for message in read_po(file, locale="zh_Hant") if message.id]


def test_every_text_is_translated_and_none_is_a_guess() -> None:
    missing = [message.id for message in messages() if not all(texts(message.string)) or message.fuzzy]
    assert missing == []


def test_the_compiled_catalogue_is_not_older_than_the_texts() -> None:
    from django.utils.translation import gettext, override

    with override("zh-hant"):
        plain = [one for one in messages() if isinstance(one.id, str) and one.context is None]
        stale = [one.id for one in plain if gettext(one.id) != one.string and "%%" not in one.id]
    assert stale == []


@pytest.mark.parametrize("message", messages(), ids=lambda one: str(one.id)[:40])
def test_a_translation_has_the_same_placeholders(message: Message) -> None:
    wanted = set(PLACE.findall(texts(message.id)[-1]))
    for text in texts(message.string):
        assert set(PLACE.findall(text)) == wanted
