"""Which of an action's contents each person gets: by the language they read, and by their treatment.

Receives a version's definition and one of its actions. Answers twice, and always the same: as SQL over `p`,
the profiles table, for a whole fan-out, and in Python for one person. A person's treatment comes from a hash
of the experiment's salt and their lot alone, so it stays theirs in every run and on every machine: the lot is
the id of their profile, and for who has none their address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audiences.query import Query

# Reasons of exclusion, by the codes of the reference catalogue (9.7).
HELD_OUT, NO_LANGUAGE, NO_CONTENT = "050018", "050026", "050027"
WHOLE = 10_000  # shares count in hundredths of a percent
TRADITIONAL, SIMPLIFIED = "tw|hk|mo", "cn|sg|my"
PLAIN = "lower(replace(p.locale, '_', '-'))"
CANONICAL = f"""CASE WHEN {PLAIN} ~ '^zh-({TRADITIONAL})(-|$)' THEN 'zh-hant' || substr({PLAIN}, 3)
    WHEN {PLAIN} ~ '^zh-({SIMPLIFIED})(-|$)' THEN 'zh-hans' || substr({PLAIN}, 3) ELSE {PLAIN} END"""
BUCKET = f"""((('x' || left(encode(sha256(convert_to(%s || ':' || p.id::text, 'UTF8')), 'hex'), 8))
    ::bit(32)::bigint * {WHOLE}) >> 32)::int"""


@dataclass(frozen=True)
class Choice:
    """What a person gets: a place in the action's contents, or the code that says why they get nothing.

    Both are empty for who waits until an experiment has its winner.
    """

    variant: int | None = None
    exclusion: str | None = None


# ---- languages --------------------------------------------------------------------------------


def canonical(locale: str) -> str:
    """In lower case; a region that decides how Chinese is written becomes that script: zh-TW, zh-hant-tw."""
    plain = locale.replace("_", "-").lower()
    for regions, script in ((TRADITIONAL, "zh-hant"), (SIMPLIFIED, "zh-hans")):
        if re.match(rf"zh-({regions})(-|$)", plain):
            return script + plain[2:]
    return plain


def offered(languages: dict[str, Any]) -> list[str]:
    """The campaign's languages, the default first; none where it has only one content."""
    return [languages["default"], *languages.get("others", [])] if languages.get("default") else []


def language_for(languages: dict[str, Any], locale: str) -> str | None:
    """The language a person of this locale gets, None when none fits and the campaign excludes them then.

    The longest beginning wins: pt-BR gets pt-BR, else pt. Taiwan, Hong Kong and Macau get zh-Hant, never
    zh-Hans; who says no more than “zh” gets the first Chinese there is.
    """
    known = canonical(locale)
    for language in _longest_first(languages):
        word = canonical(language)
        if known in _exactly(language, languages) or (word != "zh" and known.startswith(f"{word}-")):
            return language
    return None if languages.get("when_missing") == "exclude" else languages.get("default", "")


def _longest_first(languages: dict[str, Any]) -> list[str]:
    return sorted(offered(languages), key=lambda one: -len(canonical(one).split("-")))


def _exactly(language: str, languages: dict[str, Any]) -> list[str]:
    """The locales that are this language word for word."""
    chinese = next((one for one in offered(languages) if canonical(one).startswith("zh")), None)
    return [canonical(language), *(["zh"] if language == chinese else [])]


# ---- treatments -------------------------------------------------------------------------------


def treatments(experiment: dict[str, Any]) -> list[str]:
    """The names contents bear: the first treatment is the campaign's own content and has the empty one."""
    return ["", *(str(one["key"]) for one in experiment.get("treatments", [])[1:])]


def weighted(definition: dict[str, Any], weights: dict[str, Any] | None) -> dict[str, Any]:
    """The definition with a run's own parts in the place of the planned ones."""
    if not weights:
        return definition
    experiment, percents = definition["experiment"], weights["percents"]
    rows = zip(treatments(experiment), experiment["treatments"], strict=False)
    moved = [{**one, "percent": percents.get(name, one["percent"])} for name, one in rows]
    return {**definition, "experiment": {**experiment, "treatments": moved}}


def lot_of(definition: dict[str, Any], addresses: dict[str, str]) -> str:
    """Of somebody without a profile: their address by channel over the first action that has one, so that
    all their messages are of one treatment.
    """
    channels = (str(action["channel"]) for action in definition["actions"])
    return next((addresses[channel] for channel in channels if channel in addresses), "")


def bucket_of(salt: str, lot: int | str) -> int:
    """From 0 to 9999, the same for the same salt and person for ever."""
    digest = hashlib.sha256(f"{salt}:{lot}".encode()).digest()
    return (int.from_bytes(digest[:4], "big") * WHOLE) >> 32


def treatment_of(experiment: dict[str, Any], lot: int | str) -> str | None:
    """The treatment's name, whoever is held out; None for who waits for the winner of a test."""
    salt = str(experiment.get("salt", ""))
    if bucket_of(f"{salt}/test", lot) >= _tested(experiment):
        return None
    bucket = bucket_of(salt, lot)
    return next(
        (name for name, end in zip(treatments(experiment), _ends(experiment), strict=False) if bucket < end),
        treatments(experiment)[-1],
    )


def is_held_out(experiment: dict[str, Any], lot: int | str) -> bool:
    return bucket_of(f"{experiment.get('salt', '')}/holdout", lot) < _shares(experiment, "holdout")


def _shares(part: dict[str, Any], name: str) -> int:
    return round(float(part.get(name) or 0) * WHOLE / 100)


def _tested(experiment: dict[str, Any]) -> int:
    """How many buckets take part in the test; all of them where nobody waits for a winner."""
    waits = experiment.get("mode") == "winner"
    return _shares(experiment.get("winner") or {}, "test_percent") if waits else WHOLE


def _ends(experiment: dict[str, Any]) -> list[int]:
    """Where each treatment's buckets end, but for the last, which takes the rest."""
    shares = [_shares(one, "percent") for one in experiment.get("treatments", [])]
    return [sum(shares[: at + 1]) for at in range(len(shares) - 1)]


# ---- one person -------------------------------------------------------------------------------


def choose(definition: dict[str, Any], action: dict[str, Any], lot: int | str, locale: str) -> Choice:
    """What one person gets of the action."""
    experiment = definition.get("experiment") or {}
    if is_held_out(experiment, lot):
        return Choice(exclusion=HELD_OUT)
    treatment = treatment_of(experiment, lot)
    if treatment is None:
        return Choice()
    return _find(definition, action, treatment, language_for(definition.get("languages") or {}, locale))


def place(action: dict[str, Any], treatment: str, language: str) -> int | None:
    """The place of a content in the action, None when nobody wrote it."""
    for at, one in enumerate(action["contents"]):
        if (one["treatment"], one["language"]) == (treatment, language):
            return at
    return None


def _find(definition: dict[str, Any], action: dict[str, Any], treatment: str, language: str | None) -> Choice:
    if language is None:
        return Choice(exclusion=NO_LANGUAGE)
    languages = definition.get("languages") or {}
    default = place(action, treatment, "")
    if language == languages.get("default", ""):
        return Choice(default) if default is not None else Choice(exclusion=NO_CONTENT)
    found = place(action, treatment, language)
    if found is None and languages.get("when_missing") == "exclude":
        return Choice(exclusion=NO_LANGUAGE)
    found = default if found is None else found
    return Choice(found) if found is not None else Choice(exclusion=NO_CONTENT)


def of_treatment(definition: dict[str, Any], action: dict[str, Any], treatment: str) -> tuple[Query, Query]:
    """`variant_of` and `exclusion_of` for those who all get one treatment, whatever their own would be."""
    place = _over_languages(definition, action, treatment, lambda choice: (choice.variant, "smallint"))
    return place, _over_languages(definition, action, treatment, lambda choice: (choice.exclusion, "text"))


# ---- everybody --------------------------------------------------------------------------------


def variant_of(definition: dict[str, Any], action: dict[str, Any]) -> Query:
    """An expression over `p`: the place of the content, NULL for who gets none (yet)."""
    return _over_treatments(definition, action, lambda choice: (choice.variant, "smallint"))


def exclusion_of(definition: dict[str, Any], action: dict[str, Any]) -> Query:
    """An expression over `p`: the code of what keeps the action from them, NULL for those it is meant for."""
    experiment = definition.get("experiment") or {}
    rest = _over_treatments(definition, action, lambda choice: (choice.exclusion, "text"))
    if not _shares(experiment, "holdout"):
        return rest
    held_out = _bucket(experiment, "/holdout") + Query(f" < {_shares(experiment, 'holdout')} ")
    return Query("CASE WHEN ") + held_out + Query(f"THEN '{HELD_OUT}' ELSE ") + rest + Query(" END")


Answer = Callable[[Choice], tuple[int | str | None, str]]


def _over_treatments(definition: dict[str, Any], action: dict[str, Any], answer: Answer) -> Query:
    experiment = definition.get("experiment") or {}
    *firsts, last = [_over_languages(definition, action, one, answer) for one in treatments(experiment)]
    found = last
    if firsts:
        found = Query("CASE width_bucket(") + _bucket(experiment, "")
        found += Query(", %s::int[])", (_ends(experiment),))
        for at, one in enumerate(firsts):
            found += Query(f" WHEN {at} THEN ") + one
        found += Query(" ELSE ") + last + Query(" END")
    if _tested(experiment) == WHOLE:
        return found
    taken = _bucket(experiment, "/test") + Query(f" < {_tested(experiment)} ")
    return Query("CASE WHEN ") + taken + Query("THEN ") + found + Query(" END")


def _bucket(experiment: dict[str, Any], which: str) -> Query:
    return Query(BUCKET, (f"{experiment.get('salt', '')}{which}",))


def _over_languages(
    definition: dict[str, Any], action: dict[str, Any], treatment: str, answer: Answer
) -> Query:
    """The locale is brought to one form once per person, whatever the number of languages."""
    languages = definition.get("languages") or {}
    otherwise = None if languages.get("when_missing") == "exclude" else languages.get("default", "")
    last = _literal(answer(_find(definition, action, treatment, otherwise)))
    cases = Query("")
    for language in _longest_first(languages):
        word = canonical(language)
        longer = Query(" OR starts_with(x.l, %s)", (f"{word}-",)) if word != "zh" else Query("")
        cases += Query(" WHEN x.l = ANY(%s)", (_exactly(language, languages),)) + longer
        cases += Query(" THEN ") + _literal(answer(_find(definition, action, treatment, language)))
    if not cases.sql:
        return last
    found = Query("(SELECT CASE") + cases + Query(" ELSE ") + last
    return found + Query(f" END FROM (SELECT {CANONICAL} AS l OFFSET 0) x)")


def _literal(value: tuple[int | str | None, str]) -> Query:
    """Our own numbers and codes: never a text somebody wrote."""
    written, kind = value
    return Query("NULL" if written is None else f"'{written}'") + Query(f"::{kind}")
