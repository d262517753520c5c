"""Every operation of the API with bodies and parameters made from its own description, right ones and wrong.

As each role: never a 5xx, no body that the description forbids is accepted, and no answer that it does not
know. What a call did is taken back after it. `make test` asks a few times as an administrator, `make fuzz`
many times as everybody.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from tests.rights.addresses import NAMES
from tests.rights.world import ROLES, World, build

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SHORT, PARTS = 2, 4  # calls of an operation; parts of all operations, for several processes
AS = ROLES if EXAMPLES else ("administrator",)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
HOW = settings(
    max_examples=EXAMPLES or SHORT,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
pytestmark = [pytest.mark.django_db, pytest.mark.slow]


class Undo(Exception):
    """Ends a call's savepoint."""


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """A request would close the connection that holds the test's transaction; Django's own client knows."""
    heard = ((request_started, close_old_connections), (request_finished, close_old_connections))
    for signal, listener in heard:
        signal.disconnect(listener)
    yield
    for signal, listener in heard:
        signal.connect(listener)


@pytest.fixture
def world() -> World:
    return build()


def described() -> Any:
    out = io.StringIO()
    call_command("spectacular", "--fail-on-warn", stdout=out)
    found = schemathesis.openapi.from_dict(yaml.safe_load(out.getvalue()))
    found.app = get_wsgi_application()
    return found


def operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()


def number(world: World, path: str) -> int | None:
    """Of an object that is there, so that calls get past the 404."""
    plain = re.sub(r"\{id\}", "<int:pk>", path)
    thing = next((name for pattern, name in NAMES if re.match(pattern, plain)), "")
    return world.number(thing, "own") if thing else None


def ask(world: World, operation: Any, role: str) -> list[str]:
    """The faults of an operation, each in words."""
    found: list[str] = []
    headers = {"Authorization": f"Bearer {world.tokens[role]}"}
    known = number(world, operation.path)
    modes = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @HOW
    @given(case=st.one_of(modes), is_known=st.integers(0, 3))
    def asked(case: Any, is_known: int) -> None:
        if known is not None and is_known and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = known
        try:
            with transaction.atomic():
                found.extend(faults_of(case, case.call(headers=headers)))
                raise Undo
        except Undo:
            pass

    asked()
    return found


def faults_of(case: Any, answer: Any) -> list[str]:
    body = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
    is_wrong = body is not None and body.mode == schemathesis.GenerationMode.NEGATIVE
    # A wrong id or header may have been put right by `ask`; a wrong body never is.
    asked = [*CHECKS, checks.negative_data_rejection] if is_wrong else CHECKS
    try:
        case.validate_response(answer, checks=asked)
    except FailureGroup as group:
        sent = f"{case.method} {case.formatted_path} {case.query} {case.body!r:.500}"
        return [f"{sent}: {one.title} {one.message:.500}" for one in group.exceptions]
    return []


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("role", AS)
def test_no_call_breaks_the_api_or_its_description(world: World, role: str, part: int) -> None:
    mine = list(operations(described()))[part::PARTS]
    faults = [fault for operation in mine for fault in ask(world, operation, role)]
    assert not faults, "\n".join(faults)


def test_an_answer_that_the_description_does_not_know_is_found(world: World) -> None:
    """The checks themselves."""
    operation = next(
        one for one in operations(described()) if one.label == "GET /api/campaigns/{id}/findings/"
    )
    case = operation.Case(path_parameters={"id": number(world, operation.path)})
    answer = case.call(headers={"Authorization": f"Bearer {world.tokens['administrator']}"})
    assert (answer.status_code, faults_of(case, answer)) == (200, [])
    answer.status_code = 418
    assert faults_of(case, answer)
