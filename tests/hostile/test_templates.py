"""Every hostile template of `templates.yaml` gets its own clear error, with its line, and quickly."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from channels.sandbox import RenderError, TemplateProblem, compile_template
from common.errors import Invalid

ROWS = yaml.safe_load((Path(__file__).parent / "templates.yaml").read_text())


class Model:
    """Stands for a database row that somebody put into the context by mistake."""

    workspace = "secret"

    def __str__(self) -> str:
        return "secret"


CONTEXT = {
    "profile": {"name": "Ana", "tags": ["a", "b"]},
    "contact": {"name": "Ana"},
    "hundred": list(range(100)),
    "large": "x" * 50_000,
    "model": Model(),
    "_private": "secret",
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_hostile_template_gets_its_error(row: dict[str, Any], html: bool) -> None:
    source = row.get("source") or "".join(text * times for text, times in row["repeat"])
    tracemalloc.start()
    try:
        if row["when"] == "compile":
            with pytest.raises(Invalid) as refused:
                compile_template(source, html=html)
            (problem,) = refused.value.problems
            assert isinstance(problem, TemplateProblem)
            assert (problem.code, problem.line) == (row["code"], row["line"])
            assert problem.column >= 1
            detail = problem.detail
        else:
            template = compile_template(source, html=html)
            with pytest.raises(RenderError) as failed:
                template.render(CONTEXT)
            assert (failed.value.code, failed.value.line) == (row["code"], row["line"])
            detail = failed.value.detail
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
    assert "secret" not in detail
    assert 5 < len(detail) < 500
