"""Sessions in the database of which a request writes only what it changed.

Django writes a session back whole, so that of two requests at once the slower one takes the other's changes
back: the note that somebody was here would undo the workspace they chose in another tab.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from django.contrib.sessions.backends import db
from django.db import transaction
from django.utils import timezone


class SessionStore(db.SessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._read: dict[str, Any] = {}  # as it stood when this request read or wrote it

    def load(self) -> dict[str, Any]:
        found: dict[str, Any] = super().load()
        self._read = deepcopy(found)
        return found

    def save(self, must_create: bool = False) -> None:
        """Raises UpdateError, as Django does, where the session was ended meanwhile."""
        with transaction.atomic():
            if not must_create and self.session_key is not None:
                self._take_in_what_others_wrote()
            super().save(must_create)
        self._read = deepcopy(self._session_cache)

    def _take_in_what_others_wrote(self) -> None:
        rows = self.model.objects.select_for_update().filter(
            session_key=self.session_key, expire_date__gt=timezone.now()
        )
        if (row := rows.first()) is None:
            return
        own = self._get_session()  # type: ignore[attr-defined]
        stored = {name: value for name, value in row.get_decoded().items() if self._stays(name, own)}
        self._session_cache = stored | {
            name: value for name, value in own.items() if name not in self._read or self._read[name] != value
        }

    def _stays(self, name: str, own: dict[str, Any]) -> bool:
        """Whatever this request did not take out of it."""
        return name in own or name not in self._read
