"""“Why is this person (not) in?” answers as the audience itself does, for every part, in one statement."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiences import evaluate
from audiences.explain import Explained
from audiences.models import AttributeDefinition, Audience, AudienceMember, Profile
from tests import builders

pytestmark = pytest.mark.django_db


def told(part: Explained) -> Any:
    line = f"{'+' if part.met else '-'} {part.sentence}"
    return [line, *[told(child) for child in part.children]] if part.children else line


def points(op: str, value: int) -> dict[str, Any]:
    return {"field": "points", "op": op, "value": value}


def test_each_condition_and_group_is_told_with_its_answer() -> None:
    where = builders.workspace()
    AttributeDefinition.objects.create(workspace=where, key="points", type="number")
    ana, bo = builders.profiles(where, 2)
    Profile.objects.filter(pk=ana.pk).update(attributes={"points": 5})
    listed = builders.audience(where, name="List", kind="upload")
    AudienceMember.objects.create(audience=listed, profile=ana)
    rule = {
        "all": [
            points("greater_than", 3),
            {"none": [points("is", 7), {"event": "bought", "op": "at_least"}]},
            {"any": [{"audience": listed.pk, "op": "in"}, points("is", 1)]},
        ]
    }
    inner = builders.audience(where, name="Inner", rule=rule)
    tree = {
        "exclusion": {
            "from": {"audience": inner.pk},
            "remove": [{"split": {"of": {"rule": {}}, "percent": [0, 100], "seed": "s"}}],
        }
    }
    outer = builders.audience(where, name="Outer", kind=Audience.Kind.COMPOSITION, composition=tree)
    definition = evaluate.definition(outer)
    with CaptureQueriesContext(connection) as queries:
        answer = evaluate.explain(definition, ana)
    assert len([one for one in queries if "audiences_profile p" in one["sql"]]) == 1
    assert told(answer) == [
        "- All of these:",
        [
            "+ the audience “Inner”",
            [
                "+ All of these:",
                "+ points is greater than 3",
                [
                    "+ None of these:",
                    "- points is 7",
                    "- did “bought” at least 1 time ever",
                ],
                [
                    "+ At least one of these:",
                    [
                        "+ is in the audience “List”",
                        "+ The people of the uploaded list “List”",
                    ],
                    "- points is 1",
                ],
            ],
        ],
        [
            "- None of these:",
            [
                "+ All of these:",
                "+ Everybody in the workspace",
                "+ 100 % by lot (from 0 to 100 of the draw “s”)",
            ],
        ],
    ]
    assert not evaluate.explain(evaluate.definition(inner), bo).met


def test_everybody_needs_no_statement_and_a_stranger_is_in_nothing() -> None:
    where = builders.workspace()
    (ana,) = builders.profiles(where, 1)
    everybody = {"id": None, "kind": "rule", "name": "", "rule": {}}
    assert evaluate.explain(everybody, ana) == Explained("Everybody in the workspace", True)
    rank = {"rank": {"of": {"rule": {}}, "by": "name", "order": "asc", "limit": 1}}
    ranked = {"id": None, "kind": "composition", "name": "", "rule": {}, "composition": rank}
    assert evaluate.explain(ranked, ana).met
    ana.pk += 1000
    assert not evaluate.explain(ranked, ana).met
