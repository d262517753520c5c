"""Traditional Chinese is complete, and no translation loses or invents a placeholder."""

from __future__ import annotations

import re

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from config.env import ROOT

PLACE = re.compile(r"%\((\w+)\)[sd]")
OTHER_NAMES = (
    *(
        "受眾",
        "個人檔案",
        "測試輪廓",
        "抑制",
        "安靜時段",
        "點擊",
        "點選",
        "稽核記錄",
        "稽核中",
        "實體郵件",
        "通道",
    ),
    *("用户", "默認", "信息", "視頻", "軟件", "營銷", "郵箱", "短信", "模板", "賬"),
)
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


def test_every_translation_has_the_same_placeholders() -> None:
    wrong = [
        (one.id, text)
        for one in messages()
        for text in texts(one.string)
        if set(PLACE.findall(text)) != set(PLACE.findall(texts(one.id)[-1]))
    ]
    assert wrong == []


def test_one_thing_has_one_name() -> None:
    """By the product's glossary; the words above are other names of the same thing, or not Taiwan's."""
    told = [(one.id, text) for one in messages() for text in texts(one.string)]
    told += [(path.name, path.read_text()) for path in (ROOT / "docs" / "zh-Hant").glob("*.md")]
    assert [(where, word) for where, text in told for word in OTHER_NAMES if word in text] == []


def test_everybody_is_spoken_to_politely_by_django_as_well() -> None:
    from django.contrib.auth.password_validation import password_validators_help_texts
    from django.utils.translation import override

    assert [text for one in messages() for text in texts(one.string) if "你" in text] == []
    with override("zh-hant"):
        told = " ".join(map(str, password_validators_help_texts()))
    assert "您的密碼" in told and "你" not in told
