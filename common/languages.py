"""Which of our languages a person outside reads: from their locale, such as zh-TW, or what they chose."""

from __future__ import annotations

from django.conf import settings


def language_of(locale: str) -> str:
    """One of settings.LANGUAGES, or the empty text when the locale says nothing about them."""
    text = locale.lower().replace("_", "-")
    known = [code for code, _name in settings.LANGUAGES]
    if text in known:
        return text
    # Any Chinese is read more easily than English.
    return next((code for code in known if text and code.partition("-")[0] == text.partition("-")[0]), "")
