"""How many people of a campaign's audience read what, and which of its languages each of them gets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from babel import Locale
from django.utils import translation

from audiences import evaluate
from campaigns.models import Campaign
from campaigns.variants import canonical, language_for
from common.errors import Invalid


@dataclass(frozen=True)
class Readers:
    """People of one locale. `gets` is None where they get nothing; `is_own` where it is their language."""

    locale: str
    people: int
    gets: str | None
    is_own: bool

    @property
    def gets_name(self) -> str:
        return language_name(self.gets) if self.gets else ""


def readers(campaign: Campaign) -> list[Readers]:
    """The locales of the audience, the most people first; none where nothing was chosen to count."""
    if campaign.audience is None or not campaign.languages.get("default"):
        return []
    try:
        counted = evaluate.locales(evaluate.definition(campaign.audience), campaign.workspace_id)
    except Invalid:
        return []
    return [_reader(campaign, locale, people) for locale, people in Counter(counted).most_common(30)]


def _reader(campaign: Campaign, locale: str, people: int) -> Readers:
    gets = language_for(campaign.languages, locale)
    of = canonical(locale).split("-")[0]
    return Readers(locale, people, gets, bool(gets) and canonical(str(gets)).split("-")[0] == of)


def language_name(code: str) -> str:
    """As the reader calls it; Chinese has brackets of its own."""
    locale = Locale.parse(code, sep="-")
    shown = translation.get_language() or "en"
    name = locale.get_display_name(Locale.parse(shown.replace("hant", "Hant"), sep="-")) or code
    if shown.startswith("zh"):
        name = name.replace(" (", "（").replace(")", "）")
    return f"{name[:1].upper()}{name[1:]}"
