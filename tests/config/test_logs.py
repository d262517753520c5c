"""The log names nobody: not by an address, not by a signed link."""

import json
import logging
import sys

import pytest

from config import logs


def written(path: str) -> str:
    options = dict(logs.configuration(pretty=False)["formatters"]["structured"])
    formatter = options.pop("()")(**options)
    record = logging.LogRecord("django.request", logging.WARNING, "", 1, "Not Found: %s", (path,), None)
    return str(formatter.format(record))


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/api/profiles/email/ana@example.com/", "/api/profiles/email/…"),
        ("/api/profiles/7/identities/push_token/ana@example.com/", "/api/profiles/7/identities/push_token/…"),
        ("/p/ana@example.com", "/p/…"),
        ("/t/c/ana@example.com/3", "/t/c/…"),
        ("/u/ana@example.com", "/u/…"),
        ("/audiences/profiles/?search=ana@example.com&page=2", "?search=…&page=2"),
    ],
)
def test_an_address_in_the_log_names_no_person(path: str, kept: str) -> None:
    line = written(path)
    assert kept in json.loads(line)["event"]
    assert "ana@" not in line


@pytest.mark.parametrize("path", ["/campaigns/7/review/", "/api/profiles/7/", "/api/audiences/7/members/"])
def test_other_addresses_stay_readable(path: str) -> None:
    assert path in written(path)


@pytest.mark.parametrize("pretty", [True, False])
def test_a_traceback_tells_where_it_broke_and_nothing_of_what_was_in_hand(pretty: bool) -> None:
    options = dict(logs.configuration(pretty=pretty)["formatters"]["structured"])
    formatter = options.pop("()")(**options)
    try:
        _break("@".join(("ana", "example.com")))
    except ZeroDivisionError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "broke", (), sys.exc_info())
    line = str(formatter.format(record))
    assert "ZeroDivisionError" in line and "_break" in line
    assert "ana@" not in line


def _break(whoever: str) -> float:
    return len(whoever) / 0
