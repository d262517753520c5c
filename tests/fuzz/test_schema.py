"""Every operation with bodies, parameters and headers made from the API's own description, right and wrong.

As each role: never a 5xx, nothing that the description forbids is accepted, nothing that it allows is refused
but for what no description can say, no answer that it does not know, no operation without a credential, and
405 for every other method. What a call did is taken back after it. `make test-rest` asks some operations once
as an administrator, `make fuzz` all of them, at their edges too, many times as each role.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.rights.addresses import NAMES
from tests.rights.world import ROLES, World, build

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SHORT = 1  # call of an operation each way, where every eighth operation is asked
PARTS = range(4) if EXAMPLES else range(8, 10)  # of all operations, for several processes
AS = ROLES if EXAMPLES else ("administrator",)
BOTH = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
# These three judge chains of calls, and a call's doings are taken back here after each.
CHAINED = {"use_after_free", "ensure_resource_availability", "object_level_authorization"}
schemathesis.checks.load_all_checks()
ALL = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in schemathesis.checks.CHECKS.get_all_names()
    if name not in CHAINED
]
HOW = settings(
    max_examples=EXAMPLES or SHORT,
    derandomize=not EXAMPLES,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# What is wrong with the form of a request; a description has to say all of it. Any other code is a rule of
# the house, such as a domain that is none or the last message of a campaign, which no description can tell.
FORM = {
    "bad_boolean",
    "bad_count",
    "bad_limit",
    "bad_moment",
    "bad_type",
    "blank",
    "empty",
    "if_match_missing",
    "invalid",
    "invalid_choice",
    "max_length",
    "max_value",
    "min_length",
    "min_value",
    "not_a_dict",
    "not_a_list",
    "not_a_text",
    "not_an_object",
    "null",
    "read_only_field",
    "recipient_count",
    "required",
    "unknown_choice",
    "unknown_field",
}
# A shape with none of these says nothing of what it takes.
SAYING = {"type", "enum", "const", "properties", "items", "oneOf", "anyOf", "allOf"}
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


@cache
def described() -> Any:
    out = io.StringIO()
    call_command("spectacular", "--fail-on-warn", stdout=out)
    # 404: what one may not see is not there, whatever the call lacks.
    refusals = ["400", "401", "403", "404", "415", "428"]
    # 412: what was made for another state of the thing is refused, whatever else is wrong with it.
    more = ["405", "406", "409", "412", "413", "422", "429"]
    checks = {
        "missing_required_header": {"expected-statuses": refusals},
        "negative_data_rejection": {"expected-statuses": [*refusals, *more]},
    }
    config = schemathesis.Config.from_dict({"checks": checks})
    found = schemathesis.openapi.from_dict(yaml.safe_load(out.getvalue()), config=config)
    found.app = get_wsgi_application()
    return found


def operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()


def number(world: World, path: str) -> int | None:
    """Of an object that is there, so that calls get past the 404."""
    plain = re.sub(r"\{id\}", "<int:pk>", path)
    thing = next((name for pattern, name in NAMES if re.match(pattern, plain)), "")
    parts = world.parts(thing, "own") if thing else {}
    return int(parts["pk"]) if parts.get("pk", "").isdigit() else None


def ask(world: World, operation: Any, role: str) -> list[str]:
    """The faults of an operation, each in words."""
    found: list[str] = []
    headers = {"Authorization": f"Bearer {world.tokens[role]}"}
    known = number(world, operation.path)

    def asked(case: Any) -> None:
        if known is not None and "id" in (case.path_parameters or {}) and not is_wrong_at(case, "PATH"):
            case.path_parameters["id"] = known
        try:
            with transaction.atomic():
                found.extend(faults_of(case, case.call(headers=headers), headers))
                raise Undo
        except Undo:
            pass

    for mode in BOTH:
        with contextlib.suppress(Unsatisfiable):  # nothing in it can be wrong
            HOW(given(case=operation.as_strategy(generation_mode=mode))(asked))()
    for case in edges(operation):
        asked(case)
    return found


def edges(operation: Any) -> Iterator[Any]:
    """What stands at the edge of the description: longest, shortest, left out, doubled, other methods."""
    cases = operation.schema.iter_coverage_cases(
        operation, generation_modes=BOTH, generation_config=operation.schema.config.generation_for()
    )
    return cases if EXAMPLES else iter(())


def is_wrong_at(case: Any, place: str) -> bool:
    part = case.meta.components.get(ParameterLocation[place]) if case.meta else None
    return part is not None and bool(part.mode.is_negative)


def is_put_right(case: Any) -> bool:
    """Whether all that was wrong was a header: the credential is ours whatever was made up for it."""
    return is_wrong_at(case, "HEADER") and not any(is_wrong_at(case, one) for one in ("BODY", "PATH"))


def faults_of(case: Any, answer: Any, headers: dict[str, str]) -> list[str]:
    if answer.status_code == 405 and is_wrong_at(case, "PATH"):
        return []  # its path was another operation's
    asked = [one for one in ALL if one is not negative_data_rejection or not is_put_right(case)]
    try:
        case.validate_response(answer, checks=asked, headers=headers)
    except FailureGroup as group:
        sent = f"{case.method} {case.formatted_path} {case.query} {case.headers} {case.body!r:.500}"
        return [
            f"{sent}: {one.title} {one.message:.500} {answer.status_code} {answer.text[:600]}"
            for one in group.exceptions
            if not is_beyond(one, answer, case.operation) and not is_told_by_item(one, answer)
        ]
    return []


def is_told_by_item(fault: Any, answer: Any) -> bool:
    """A bulk call is answered item by item: what is wrong with one is refused in the answer."""
    return isinstance(fault, AcceptedNegativeData) and bool((answer.json() or {}).get("rejected"))


def is_beyond(fault: Any, answer: Any, operation: Any) -> bool:
    """Whether a request was refused for what no description can say: a rule of the house, or something
    inside a part that the description leaves free, such as a content, which depends on what it is for.
    """
    if not isinstance(fault, RejectedPositiveData):
        return False
    told = answer.json()
    found = [(one["code"], one["pointer"]) for one in told.get("errors", [])] or [(told["code"], "")]
    return all(code not in FORM or is_inside_free(operation, pointer) for code, pointer in found)


def is_inside_free(operation: Any, pointer: str) -> bool:
    """Whether the pointer leads below a part of the body of which the description says no more."""
    parts = pointer.split("/")[1:]
    bodies = operation.definition.raw.get("requestBody", {}).get("content", {}).values()
    whole = operation.schema.raw_schema
    return len(parts) > 1 and any(_ends_free(whole, content["schema"], parts) for content in bodies)


def _ends_free(whole: dict[str, Any], shape: Any, parts: list[str]) -> bool:
    while isinstance(shape, dict) and "$ref" in shape:
        shape = whole["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    if not isinstance(shape, dict) or not shape.keys() & SAYING:
        return True
    chosen = [one for name in ("oneOf", "anyOf", "allOf") for one in shape.get(name, [])]
    if chosen:
        return any(_ends_free(whole, one, parts) for one in chosen)
    if not parts:
        return False
    first, *rest = parts
    if "items" in shape:
        return _ends_free(whole, shape["items"], rest)
    if first in shape.get("properties", {}):
        return _ends_free(whole, shape["properties"][first], rest)
    if "string" in str(shape.get("type")):
        return "contentMediaType" in shape  # a text that is JSON
    return shape.get("additionalProperties", True) is not False and _ends_free(
        whole, shape.get("additionalProperties", True), rest
    )


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("role", AS)
def test_no_call_breaks_the_api_or_its_description(world: World, role: str, part: int) -> None:
    mine = list(operations(described()))[part :: len(PARTS) if EXAMPLES else 16]
    faults = [fault for operation in mine for fault in ask(world, operation, role)]
    assert not faults, "\n".join(faults)


def test_only_what_is_left_free_is_beyond_the_description(world: World) -> None:
    found = {one.label: one for one in operations(described())}
    unitary, patch = found["POST /ajo/im/executions/unitary"], found["PATCH /api/campaigns/{id}/"]
    assert is_inside_free(unitary, "/recipients/0/context/order/id")
    assert is_inside_free(patch, "/schedule/times/0")
    assert is_inside_free(found["POST /api/imports/"], "/mapping/columns/0/to")
    for described_part in ("/recipients/0/userId", "/recipients/0/channelData/emailAddress", "/recipients/0"):
        assert not is_inside_free(unitary, described_part), described_part
    assert not is_inside_free(found["POST /api/profiles/bulk/"], "/profiles/0/email")


def test_an_answer_that_the_description_does_not_know_is_found(world: World) -> None:
    """The checks themselves."""
    operation = next(
        one for one in operations(described()) if one.label == "GET /api/campaigns/{id}/findings/"
    )
    case = operation.Case(path_parameters={"id": number(world, operation.path)})
    headers = {"Authorization": f"Bearer {world.tokens['administrator']}"}
    answer = case.call(headers=headers)
    assert (answer.status_code, faults_of(case, answer, headers)) == (200, [])
    answer.status_code = 418
    assert faults_of(case, answer, headers)
