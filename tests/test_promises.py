"""Every promise has a test that breaks it on purpose, or stands among the open ones with its reason."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.promises import ALL, KEPT, OPEN

HERE = Path(__file__).parent


def test_every_promise_has_a_test_that_exists_or_a_reason() -> None:
    rows = [line.split() for line in KEPT.split("\n") if line]
    assert sorted({promise for promise, _ in rows} | set(OPEN)) == sorted(ALL)
    assert {promise for promise, _ in rows} & set(OPEN) == set()
    assert [node for _, node in rows if not exists(node)] == []


def exists(node: str) -> bool:
    path, name = node.split("::")
    return name in names_in(HERE / path)


@cache
def names_in(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {one.name for one in ast.parse(file.read_text()).body if isinstance(one, ast.FunctionDef)}
