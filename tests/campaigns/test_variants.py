"""Whom which content is for: the SQL of a whole fan-out and the Python for one person say the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from audiences.models import Profile
from campaigns import variants
from tests import builders

LOCALES = [
    *("", "en", "en-GB", "EN", "zh", "zh-TW", "zh_HK", "zh-MO", "zh-Hant", "zh-Hant-TW", "zh-hant-hk"),
    *("zh-CN", "zh-SG", "zh-Hans", "zh-Hans-CN", "zh-TW-x-a", "pt", "pt-BR", "pt-PT", "ptt", "de-CH", "yue"),
]
EXPERIMENT = {
    "treatments": [
        {"key": "A", "title": "As it was", "percent": 33.33},
        {"key": "B", "title": "Shorter", "percent": 33.33},
        {"key": "C", "title": "With price", "percent": 33.34},
    ],
    "holdout": 10,
    "metric": "click",
    "salt": "s",
}
TEST = {**EXPERIMENT, "mode": "winner", "winner": {"test_percent": 20}}


def action(*contents: tuple[str, str]) -> dict[str, Any]:
    written = [{"treatment": one, "language": language, "content": {}} for one, language in contents]
    return {"position": 0, "contents": [{"treatment": "", "language": "", "content": {}}, *written]}


def languages(default: str, *others: str, when_missing: str = "default") -> dict[str, Any]:
    return {"default": default, "others": list(others), "when_missing": when_missing}


FULL = action(("", "zh-Hant"), ("B", ""), ("B", "zh-Hant"), ("C", ""), ("", "pt"), ("", "pt-BR"))
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing chosen": ({}, action()),
    "two languages": ({"languages": languages("en", "zh-Hant")}, action(("", "zh-Hant"))),
    "both Chinese": ({"languages": languages("en", "zh-Hans", "zh-Hant", "pt", "pt-BR")}, FULL),
    "excluded": ({"languages": languages("zh-Hant", "pt", when_missing="exclude")}, action(("", "pt"))),
    "not written": ({"languages": languages("en", "zh-Hant", "de", when_missing="exclude")}, action()),
    "three treatments": ({"experiment": EXPERIMENT}, FULL),
    "a treatment lacks": ({"experiment": EXPERIMENT}, action(("B", ""))),
    "both": ({"experiment": EXPERIMENT, "languages": languages("en", "zh-Hant", "pt-BR")}, FULL),
    "test, then winner": ({"experiment": TEST, "languages": languages("en", "zh-Hant")}, FULL),
}


def asked(definition: dict[str, Any], one: dict[str, Any]) -> dict[int, variants.Choice]:
    variant, code = variants.variant_of(definition, one), variants.exclusion_of(definition, one)
    sql = f"SELECT p.id, {variant.sql}, {code.sql} FROM audiences_profile p"
    with connection.cursor() as cursor:
        cursor.execute(sql, (*variant.params, *code.params))
        return {pk: variants.Choice(None if why else at, why) for pk, at, why in cursor.fetchall()}


@pytest.mark.sampled(3)
@pytest.mark.django_db
@pytest.mark.parametrize("name", CASES)
def test_the_database_and_python_choose_the_same_content_for_everybody(name: str) -> None:
    where = builders.workspace()
    people = [Profile(workspace=where, external_id=f"{n}", locale=LOCALES[n % 22]) for n in range(440)]
    Profile.objects.bulk_create(people)
    definition, one = CASES[name]
    expected = {p.pk: variants.choose(definition, one, p.pk, p.locale) for p in people}
    assert asked(definition, one) == expected


@pytest.mark.parametrize(
    ("locale", "gets"),
    [
        *(("zh-TW", "zh-Hant"), ("zh-HK", "zh-Hant"), ("zh_MO", "zh-Hant"), ("zh-Hant-TW", "zh-Hant")),
        *(("zh-CN", "zh-Hans"), ("zh", "zh-Hans"), ("pt-BR", "pt"), ("de", "en"), ("", "en"), ("ptx", "en")),
    ],
)
def test_a_person_gets_the_nearest_language_that_is_offered(locale: str, gets: str) -> None:
    assert variants.language_for(languages("en", "zh-Hans", "zh-Hant", "pt"), locale) == gets


@pytest.mark.parametrize("locale", ["zh-TW", "zh-HK", "zh-MO", "zh-Hant", "zh-Hant-HK", "zh_TW"])
def test_who_reads_traditional_chinese_never_gets_simplified(locale: str) -> None:
    assert variants.language_for(languages("en", "zh-Hans"), locale) == "en"
    assert variants.language_for(languages("en", "zh-Hans", when_missing="exclude"), locale) is None
    assert variants.language_for(languages("en", "zh"), locale) == "en"


def test_treatments_get_their_shares_and_the_hold_out_cuts_through_all_of_them() -> None:
    people = range(1, 40_001)
    given = {n: variants.treatment_of(EXPERIMENT, n) for n in people}
    held = {n for n in people if variants.is_held_out(EXPERIMENT, n)}
    for name in ("", "B", "C"):
        mine = {n for n in people if given[n] == name}
        assert abs(len(mine) / 40_000 - 1 / 3) < 0.01
        assert abs(len(mine & held) / len(mine) - 0.1) < 0.01


def test_a_person_keeps_a_treatment_whatever_else_changes() -> None:
    assert [variants.bucket_of("s", n) for n in (1, 2, 3, 10**12)] == [1060, 3589, 8170, 8839]
    assert variants.treatment_of(TEST, 5) in (None, variants.treatment_of(EXPERIMENT, 5))
