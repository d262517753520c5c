"""The errors a verb may raise. Doors never catch them: `config/errors.py` turns them into pages and
`config/api.py` into `application/problem+json`, each in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext as _


class CarillonError(Exception):
    """Something a person or a calling system did that cannot be done, with what to do about it."""

    status: ClassVar[int] = 400
    code: str = "bad_request"

    def __init__(self, detail: str, *, code: str = "", **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.extra = extra


@dataclass(frozen=True)
class Problem:
    """One fault in what was given. `pointer` is a JSON pointer (`/rule/all/0`), a field or a CSV place."""

    code: str
    detail: str
    pointer: str = ""


def pointer_to(*parts: object) -> str:
    """A JSON pointer (RFC 6901) to a place in a body, each part at most 80 characters of it."""
    return "".join("/" + str(part)[:80].replace("~", "~0").replace("/", "~1") for part in parts)


class Invalid(CarillonError):
    """The input is wrong; the faults are listed with their places, as far as anybody would read them."""

    code = "invalid"
    MOST: ClassVar[int] = 50

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        found = [problems] if isinstance(problems, Problem) else list(problems)
        self.problems, more = found[: self.MOST], len(found) - self.MOST
        told = dict.fromkeys(str(problem.detail) for problem in self.problems)
        rest = [_("And %(count)s more.") % {"count": more}] if more > 0 else []
        super().__init__(" ".join([*told, *rest]))
        if len(self.problems) == 1:
            self.code = self.problems[0].code


class NotFound(CarillonError):
    """Missing, or not visible to the one who asks: the two are never told apart."""

    status = 404
    code = "not_found"


class NotSignedIn(CarillonError):
    """Who calls is not known: without a credential, or with one that works no more."""

    status = 401
    code = "not_authenticated"


class PermissionMissing(CarillonError):
    """The object is visible, but the right to do this is missing; the right is named."""

    status = 403
    code = "permission_missing"

    def __init__(self, permission: str, detail: str = "") -> None:
        self.permission = permission
        super().__init__(detail or f"Permission needed: {permission}", permission=permission)


class IllegalTransition(CarillonError):
    """It cannot be done in the present state; the state and what is possible are named."""

    status = 409
    code = "illegal_transition"


class TooMany(CarillonError):
    """Asked too often; the detail says when to come back, `retryAfter` in seconds."""

    status = 429
    code = "too_many"


class Conflict(CarillonError):
    """Somebody else was faster, or the same key came with other content."""

    status = 409
    code = "conflict"


class ChangedSince(CarillonError):
    """`If-Match` names another state of the thing than the present one; the present one is in `etag`."""

    status = 412
    code = "changed_since"


class UnconditionalChange(CarillonError):
    """A change that must say which state of the thing it was made for, and does not."""

    status = 428
    code = "if_match_missing"
