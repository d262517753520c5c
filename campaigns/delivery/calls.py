"""What a version asks of each call: its values by name, over all actions, languages and treatments.

Found once per version and process: a version never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from audiences.context import audience_fields
from campaigns.models import Version
from channels.messages import Content
from channels.needs import LIST, Need, merged, needs_of
from common.errors import Problem, pointer_to


@lru_cache(maxsize=256)
def needs(version_id: int) -> tuple[Need, ...]:
    return tuple(needs_of_definition(definition(version_id)))


@lru_cache(maxsize=256)
def definition(version_id: int) -> dict[str, Any]:
    """Shared by all who ask: to be read only."""
    found: dict[str, Any] = Version.objects.get(pk=version_id).definition
    return found


def needs_of_definition(definition: dict[str, Any]) -> list[Need]:
    contents = (one["content"] for action in definition["actions"] for one in action["contents"])
    return merged(need for content in contents for need in needs_of(Content(**content)))


def unkept(version_id: int, audience: dict[str, Any] | None, pointer: str) -> Iterator[Problem]:
    """What the contents have to know of a member, and the call's audience, or else the version's, does not
    keep of its people.
    """
    asked = [need for need in needs(version_id) if need.root == "audience" and need.is_required]
    if not asked:
        return
    chosen = audience or definition(version_id)["audience"]
    kept = audience_fields(chosen["id"] if chosen else None)
    for need in asked:
        if need.name.partition(".")[0] not in kept:
            detail = _("The message reads “%(name)s”; call it for an audience that keeps this of its people.")
            yield Problem("audience_field_missing", detail % {"name": f"audience.{need.name}"}, pointer)


def unused(wanted: Iterable[Need], context: dict[str, Any]) -> list[str]:
    """What a context brings and no content reads: misspelt, or for a message to come. It is accepted."""
    return sorted(context.keys() - {need.name.partition(".")[0] for need in wanted if need.root == "context"})


def missing(wanted: Iterable[Need], given: dict[str, dict[str, Any]], pointer: str) -> Iterator[Problem]:
    """What a recipient lacks of the roots given, or brings in another shape than the content reads."""
    for need in wanted:
        if need.root not in given:
            continue
        path = [need.root, *need.name.split(".")]
        named = {"name": ".".join(path)}
        value: Any = given
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and need.is_required:
            detail = _("The message reads “%(name)s”; give it a value.") % named
            yield Problem("context_missing", detail, pointer + pointer_to(*path))
        elif value is not None and need.kind == LIST and not isinstance(value, list):
            detail = _("The message goes through “%(name)s”; give a list.") % named
            yield Problem("context_not_a_list", detail, pointer + pointer_to(*path))
