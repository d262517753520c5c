"""The guide to the rule language: every example in it is understood and finds people."""

import json
import re

import pytest

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import attributes, audiences, evaluate
from audiences.models import AttributeDefinition, Audience
from audiences.rules.fields import OPERATORS
from config.env import ROOT
from tests import builders

GUIDE = (ROOT / "docs" / "rules.md").read_text()
EXAMPLES = re.findall(r"```json( composition)?\n(.*?)```", GUIDE, re.DOTALL)
TYPES = {"city": "text", "tier": "text", "points": "number", "birthday": "date", "interests": "list"}


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    for key, kind in {**TYPES, "last_visit": AttributeDefinition.Type.DATE_TIME}.items():
        attributes.define(made, key=key, type=kind, actor=SYSTEM, now=builders.NOW)
    return made


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_an_example_of_the_guide_works(where: Workspace, kind: str, text: str) -> None:
    definition = {"kind": Audience.Kind.COMPOSITION, "composition": json.loads(text)}
    if not kind:
        definition = {"kind": Audience.Kind.RULE, "rule": json.loads(text)}
    made = audiences.create(where, name="From the guide", actor=SYSTEM, now=builders.NOW, **definition)
    assert evaluate.count(evaluate.definition(made), where.pk) == 0


def test_the_guide_names_every_operator_of_every_type() -> None:
    for kind, operators in OPERATORS.items():
        row = re.search(rf"^\| {kind} \| (.*) \|$", GUIDE, re.MULTILINE)
        assert row and re.findall(r"`(\w+)`", row[1]) == list(operators)
