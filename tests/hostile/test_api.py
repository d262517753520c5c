"""Bodies made to break the API: each is refused shortly and clearly, and nothing is kept of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts.models import AccessLabel, Workspace
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
MOST_OCTETS = 30_000


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "x" * 200_000},
        {"kind": ["x" * 200_000]},
        {"kind": "Z" + "\u0301" * 20_000},
        {"n" * 70_000: 1},
        {f"n{number}": 1 for number in range(5_000)},
        {"labels": [""] * 5_000},
        {"labels": [{"a": number} for number in range(5_000)]},
    ],
    ids=["value", "list", "tower", "name", "names", "blanks", "objects"],
)
def test_a_refusal_is_short_however_long_what_was_given_is(where: Workspace, body: dict[str, Any]) -> None:
    answer = Caller(where, "administrator").post("/api/channel-configurations/", {"name": "A", **body})
    assert answer.status_code == 400 and len(answer.content) < MOST_OCTETS
    told = answer.json()
    assert told["errors"] and all(one["detail"] and one["code"] for one in told["errors"])
    assert len(told["detail"]) < 10_000 and not ChannelConfiguration.objects.exists()


def test_what_is_cut_from_a_refusal_is_counted(where: Workspace) -> None:
    body = {"name": "A", "roles": [{"a": number} for number in range(300)]}
    answer = Caller(where, "administrator").post("/api/access-labels/", body)
    told = answer.json()
    assert answer.status_code == 400 and len(told["errors"]) == 50
    assert told["detail"].endswith("And 250 more.") and not AccessLabel.objects.exists()


def test_a_form_in_place_of_json_is_refused_to_who_is_signed_in_as_well(where: Workspace) -> None:
    """The page's middleware has read the form before; the door asks for the body no more."""
    caller = Caller(where, "administrator")
    caller.client.force_login(builders.person(where, "administrator"))
    form = b'--x\r\nContent-Disposition: form-data; name="requestId"\r\n\r\nr-1\r\n--x--\r\n'
    for address in ("unitary", "highthroughput", "audience"):
        answer = caller.post(
            f"/ajo/im/executions/{address}", form, content_type="multipart/form-data; boundary=x"
        )
        assert answer.status_code == 415 and json.loads(answer.content)["code"] == "unsupported_media_type"


class Broken:
    """A body that ends before it said, as gunicorn tells it."""

    def read(self, *_most: int) -> bytes:
        raise OSError("Invalid chunk size")

    readline = read


@pytest.mark.parametrize(
    "address",
    [
        "/ajo/im/executions/unitary",
        "/ajo/im/executions/audience",
        "/api/channel-configurations/",
        "/api/profiles/",
    ],
)
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_breaks_off_is_the_callers_fault(where: Workspace, address: str, kind: str) -> None:
    caller = Caller(where, "administrator")
    broken: dict[str, Any] = {"wsgi.input": Broken(), "CONTENT_LENGTH": "100"}
    answer = caller.post(address, b"", content_type=kind, **broken)
    assert answer.status_code in (400, 415), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["detail"]
