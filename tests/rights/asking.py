"""Asks an address as somebody, judges the answer in one letter, and undoes what the request did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from http.cookies import SimpleCookie
from typing import Any

from django.db import transaction
from django.test import Client

from tests.rights.addresses import Address, methods
from tests.rights.world import KINDS, World

# Who is asked about which objects: the two ends in full; between them only what tells the roles apart.
ASKING = {
    "administrator": KINDS,
    "approver": ("own",),
    "manager": ("own", "other"),
    "viewer": KINDS,
    "outsider": ("own", "missing"),
    "nobody": ("own",),
}
# What a verdict stands for: o open, f forbidden, m missing, w wrong method, s sign in first.
VERDICTS = {403: "f", 404: "m", 405: "w", 401: "s"}


class Undo(Exception):
    """Ends a request's savepoint."""


class Asker:
    """One role's session and token; `nobody` has neither."""

    def __init__(self, world: World, role: str) -> None:
        self.role, self.client = role, Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {world.tokens[role]}"} if role in world.tokens else {}
        if role in world.people:
            self.client.force_login(world.people[role])
        self.session = self.client.cookies.output()

    def ask(self, address: Address, method: str, path: str, body: Any = None) -> Any:
        answers: list[Any] = []
        try:
            with transaction.atomic():
                answers.append(self.send(address, method, path, body))
                raise Undo
        except Undo:
            return answers[0]

    def send(self, address: Address, method: str, path: str, body: Any = None) -> Any:
        """The answer, with all of its `body` read. Whoever signed out before is in again."""
        self.client.cookies = SimpleCookie(self.session.replace("Set-Cookie: ", ""))
        options: dict[str, Any] = {"headers": self.headers} if address.is_api else {}
        if method != "GET":
            kind = "application/json" if address.is_api else "application/x-www-form-urlencoded"
            options["content_type"] = kind
            options["data"] = json.dumps(body or {}) if address.is_api else ""
        answer = self.client.generic(method, path, **options)
        answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer


def verdict(answer: Any) -> str:
    assert answer.status_code < 500, (answer.request["PATH_INFO"], answer.body[:300])
    if answer.status_code == 302 and "/sign-in/" in answer.headers["Location"]:
        return "s"
    return VERDICTS.get(answer.status_code, "o")


def rows(addresses: Iterable[Address]) -> Iterator[tuple[str, Address, str]]:
    """Each row of the matrix by its name, with what it asks."""
    for address in addresses:
        for method in methods(address):
            yield f"{method} {address.path}", address, method
