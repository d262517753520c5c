"""What the apps' admin pages have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


def column(name: str, title: Any) -> Callable[[Any], Any]:
    """A field in a list of the admin site, under a title in the reader's language."""

    @admin.display(description=title, ordering=name)
    def shown(row: Any) -> Any:
        return getattr(row, name)

    return shown


class WorkspaceFilter(admin.RelatedOnlyFieldListFilter):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.title = _("Workspace")


class ReadOnly:
    """Nothing is added, changed or removed here, whatever Django's own permissions say."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
