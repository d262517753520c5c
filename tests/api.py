"""The REST API as another system calls it: a real credential, real bodies, nothing raised through."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role, Workspace


class Caller:
    """Calls with the rights of a built-in role; every answer must be no 500. A change names any state."""

    def __init__(self, where: Workspace | None, role: str = "manager") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if where is not None:
            holder = Role.objects.get(workspace=where, builtin=role)
            _row, token = credentials.issue(
                workspace=where, role=holder, name=role, actor=SYSTEM, now=timezone.now()
            )
            self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, address: str, body: Any = None, **extra: Any) -> Any:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.headers, "If-Match": "*"} if method in ("PUT", "PATCH") else self.headers
        options = {"content_type": "application/json", "headers": headers, **extra}
        answer = self.client.generic(method, address, content, **options)
        assert answer.status_code < 500, answer.content
        return answer

    def get(self, address: str, **extra: Any) -> Any:
        return self("GET", address, **extra)

    def post(self, address: str, body: Any, **extra: Any) -> Any:
        return self("POST", address, body, **extra)

    def put(self, address: str, body: Any) -> Any:
        return self("PUT", address, body)

    def patch(self, address: str, body: Any) -> Any:
        return self("PATCH", address, body)

    def delete(self, address: str) -> Any:
        return self("DELETE", address)


def pointers(answer: Any) -> list[tuple[str, str]]:
    """The code and the pointer of each fault in a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [(one["code"], one["pointer"]) for one in answer.json()["errors"]]
