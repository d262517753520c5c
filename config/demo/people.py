"""The four people the demo is shown with: one for each built-in role of the Fernhill workspace.

The seed makes them, the supervisor prints them, and the one-click switcher signs in as them and as
nobody else.
"""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

ROLES = {
    "manager": _("Manager"),
    "approver": _("Approver"),
    "viewer": _("Viewer"),
    "administrator": _("Administrator"),
}


class Person(NamedTuple):
    email: str
    role: str
    name: str

    @property
    def title(self) -> str:
        return str(ROLES[self.role])


PEOPLE = (
    Person("ana@fernhill.example", "manager", "Ana Duarte"),
    Person("yijun@fernhill.example", "approver", "林怡君"),
    Person("marcus@fernhill.example", "viewer", "Marcus Webb"),
    Person("priya@fernhill.example", "administrator", "Priya Nair"),
)
EMAILS = frozenset(person.email for person in PEOPLE)
