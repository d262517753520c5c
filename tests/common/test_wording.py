"""A sentence that is kept is read in each reader's language; what others said stays as it was said."""

from __future__ import annotations

import json

import pytest
from django.utils.translation import override

from common.wording import joined, kept, rewritten, spoken
from common.wording import worded as _


def read(text: str, language: str) -> str:
    told = json.loads(json.dumps(kept(text)))
    with override(language):
        return spoken(told)


def test_a_sentence_is_read_in_another_language_than_it_was_written_in() -> None:
    with override("zh-hant"):
        text = _("Connect to %(host)s, port %(port)s") % {"host": "mx.example", "port": 25}
    assert text.startswith("連線")
    assert read(text, "en") == "Connect to mx.example, port 25"
    assert read(text, "zh-hant") == text


def test_a_sentence_within_one_is_read_too() -> None:
    text = joined("535", joined(_("Signed in."), "so long", by=": "))
    assert text == "535 Signed in.: so long"
    assert read(text, "zh-hant") not in (text, "") and read(text, "zh-hant").endswith(": so long")


@pytest.mark.parametrize("said", ["", "550 5.7.1 100 % no", "%(host)s", "拒收"])
def test_words_of_others_stay_as_they_were_said(said: str) -> None:
    assert read(said, "zh-hant") == said
    assert read(joined(said, ""), "en") == said
    assert read(joined("1", said), "en") == f"1 {said}".strip()


def test_what_is_struck_from_a_sentence_stays_struck_when_it_is_kept() -> None:
    text = _("The answer cannot be read: %(words)s") % {"words": "key s3cret"}
    safe = rewritten(text, lambda words: words.replace("s3cret", "•••"))
    assert "s3cret" not in json.dumps(kept(safe))
    assert read(safe, "en") == "The answer cannot be read: key •••"
