"""The provider that sends nothing answers by the recipient's address."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from channels.messages import Fact, Outcome, Rendered
from channels.providers import sandbox
from channels.providers.sandbox import SandboxLane


def message(recipient: str, key: str = "1-1") -> Rendered:
    return Rendered(
        key, recipient, "Fernhill", "hello@fernhill.example", "", "嗨", "<p>x</p>", "x", {"X-A": "b"}
    )


def send(directory: Path, *messages: Rendered) -> list[Outcome]:
    async def run() -> list[Outcome]:
        lane = SandboxLane(directory)
        outcomes = [await lane.send(one) for one in messages]
        await lane.close()
        return outcomes

    return asyncio.run(run())


def logged(directory: Path) -> list[dict[str, object]]:
    path = directory / "sandbox.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("recipient", "fact", "lines"),
    [
        ("ana@x.tw", Fact.ACCEPTED, 1),
        ("refuse+ana@x.tw", Fact.REFUSED, 0),
        ("drop+ana@x.tw", Fact.UNCERTAIN, 0),
        ("twice+ana@x.tw", Fact.ACCEPTED, 2),
        ("later+ana@x.tw", Fact.LATER, 0),
        ("delay+ana@x.tw", Fact.ACCEPTED, 1),
    ],
)
def test_the_address_decides(
    recipient: str, fact: Fact, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "DELAY", 0.01)
    (outcome,) = send(tmp_path, message(recipient))
    assert outcome.fact is fact
    assert [entry["recipient"] for entry in logged(tmp_path)] == [recipient] * lines


def test_later_means_the_third_try_whoever_makes_it(tmp_path: Path) -> None:
    tries = [send(tmp_path, message("later+ana@x.tw", key))[0].fact for key in ("1", "2", "1", "1", "2")]
    assert tries == [Fact.LATER, Fact.LATER, Fact.LATER, Fact.ACCEPTED, Fact.LATER]


def test_a_log_that_cannot_be_written_is_a_fact_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert send(tmp_path / "file", message("ana@x.tw"))[0].fact is Fact.UNREACHABLE
