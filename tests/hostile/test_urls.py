"""Every hostile address of `urls.yaml` is refused as written, clearly, and nobody is asked."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from channels.destinations import check_url
from common.errors import Invalid

ROWS = yaml.safe_load((Path(__file__).parent / "urls.yaml").read_text())


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_hostile_address_is_refused(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("the network was asked"))
    with pytest.raises(Invalid) as refused:
        check_url(row["url"], pointer="url")
    (problem,) = refused.value.problems
    assert (problem.code, problem.pointer) == ("url_not_allowed", "url")
    assert 10 < len(problem.detail) < 200


def test_a_lone_surrogate_and_a_very_long_address_are_refused() -> None:
    for url in ("https://x.tw/\ud800", "https://x.tw/" + "a" * 2000):
        with pytest.raises(Invalid):
            check_url(url)
