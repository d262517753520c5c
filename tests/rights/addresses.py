"""Every address of the product from Django's resolver, and which kind of object each of its numbers names.

An address with a number that stands in no row of NAMES fails the test: a new endpoint needs a row here and
rows in `matrix.json` (`make rights` writes those; read the difference before you commit it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.rights.world import World

# For the people who get messages and the providers who carry them: by a token or a signature, not by role.
PUBLIC = ("/t/", "/u/", "/p/", "/c/", "/subscribe/", "/hooks/", "/push/", "/inbox/", "/assets/")
NAMES = (
    (r"^/campaigns/runs/<int:pk>/", "run"),
    (r"^/campaigns/feedback/<int:pk>/", "feedback"),
    (r"^/api/feedback-webhooks/<int:pk>/", "feedback"),
    (r"^/campaigns/seed-lists/<int:pk>/", "seed_list"),
    (r"^/api/seed-lists/<int:pk>/", "seed_list"),
    (r"^/campaigns/templates/<int:pk>/", "template"),
    (r"^/api/content-templates/<int:pk>/", "template"),
    (r"^/campaigns/assets/<int:pk>/", "asset"),
    (r"^/api/assets/<int:pk>/", "asset"),
    (r"^/campaigns/fragments/<int:pk>/", "fragment"),
    (r"^/api/fragments/<int:pk>/", "fragment"),
    (r"^/campaigns/people/<int:pk>/", "profile"),
    (r"^/campaigns/audiences/<int:pk>/", "audience"),
    (r"^/campaigns/policies/<int:pk>/", "policy"),
    (r"^/campaigns/calendars/<int:pk>/", "calendar"),
    (r"^/campaigns/<int:pk>/api/<uuid:execution>/", "call"),
    (r"^/campaigns/<int:pk>/api/", "triggered"),
    (r"^/campaigns/messages/", "message"),
    (r"^/campaigns/<int:pk>/", "campaign"),
    (r"^/ajo/im/executions/audience/<uuid:pk>", "audience_call"),
    (r"^/ajo/im/executions/schedules/<uuid:pk>", "later_call"),
    (r"^/ajo/im/executions/<uuid:pk>", "execution"),
    (r"^/ajo/im/messages/<str:key>", "message"),
    (r"^/ajo/simulations/campaigns/<int:pk>/", "campaign"),
    (r"^/audiences/imports/<int:pk>/", "import"),
    (r"^/audiences/profiles/<int:pk>/", "profile"),
    (r"^/audiences/topics/<int:pk>/", "topic"),
    (r"^/audiences/suppression/<int:pk>/", "suppression"),
    (r"^/audiences/addresses/<int:pk>/", "configuration"),
    (r"^/audiences/<int:pk>/composition/", "composition"),
    (r"^/audiences/<int:pk>/", "audience"),
    (r"^/channels/domains/<int:pk>/", "domain"),
    (r"^/channels/allowed/<int:pk>/", "allowed"),
    (r"^/channels/rule-sets/<int:pk>/rules/<int:rule_pk>/", "rule"),
    (r"^/channels/rule-sets/<int:pk>/", "rule_set"),
    (r"^/channels/warm-up/<int:pk>/", "warmup"),
    (r"^/api/warm-up-plans/<int:pk>/", "warmup"),
    (r"^/api/allowed/<int:pk>/", "allowed"),
    (r"^/api/rule-sets/<int:pk>/rules/<int:rule>/", "rule"),
    (r"^/api/rule-sets/<int:pk>/", "rule_set"),
    (r"^/channels/<int:pk>/", "configuration"),
    (r"^/accounts/credentials/<int:pk>/", "credential"),
    (r"^/accounts/notices/<int:pk>/", "notice"),
    (r"^/accounts/roles/<int:pk>/", "role"),
    (r"^/api/profiles/<int:pk>/", "profile"),
    (r"^/api/topics/<int:pk>/", "topic"),
    (r"^/api/suppressions/<int:pk>/", "suppression"),
    (r"^/api/imports/<int:pk>/", "import"),
    (r"^/api/audiences/<int:pk>/", "audience"),
    (r"^/api/channel-configurations/<int:pk>/", "configuration"),
    (r"^/api/sending-domains/<int:pk>/", "domain"),
    (r"^/api/campaigns/<int:pk>/", "campaign"),
    (r"^/api/runs/<int:pk>/", "run"),
    (r"^/api/approval-policies/<int:pk>/", "policy"),
    (r"^/api/roles/<int:pk>/", "role"),
    (r"^/api/access-labels/<int:pk>/", "label"),
    (r"^/api/folders/<int:pk>/", "folder"),
    (r"^/api/credentials/<int:pk>/", "credential"),
    (r"^/api/calendars/<int:pk>/", "calendar"),
    (r"^/api/saved-views/<int:pk>/", "saved_view"),
)
# What the other parts of an address are filled with, and where it takes something else to reach the verb.
WORDS = {
    "tab": "properties",
    "verb": "duplicate",
    "channel": "email",
    "code": "050020",
    "slug": "here",
    "key": "name",
    "namespace": "email",
    "value": "nobody@example.com",
    "number": "1",
    "job": "987654321",
    "position": "0",
    "rule": "987654321",
    "rule_pk": "987654321",
    "order": "987654321",
    "holder": "user:1",
    "kind": "cap",
    "file": "987654321",
    "uidb64": "MQ",
    "token": "forged",
}
FITTING = {
    "/accounts/credentials/": {"verb": "revoke"},
    "/audiences/attributes/namespaces/": {"key": "card"},
    "/api/namespaces/": {"key": "card"},
    "/audiences/imports/": {"verb": "cancel"},
    "/campaigns/<int:pk>/edit/content/design/": {"key": "welcome"},
    "/campaigns/feedback/": {"verb": "switch_off"},
    "/api/feedback-webhooks/": {"verb": "switch_off"},
    "/campaigns/fragments/": {"verb": "archive"},
    "/campaigns/templates/": {"verb": "delete"},
    "/channels/rule-sets/": {"verb": "delete"},
    "/channels/warm-up/": {"verb": "delete"},
    "/api/approval-policies/": {"verb": "activate"},
}
PART = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True)
class Address:
    path: str
    view: Any
    thing: str  # empty: it names no object

    @property
    def is_api(self) -> bool:
        return self.path.startswith(("/api/", "/ajo/", "/oauth/"))

    def for_kind(self, world: World, kind: str) -> str:
        fitting = next((words for begins, words in FITTING.items() if self.path.startswith(begins)), {})
        parts = {**WORDS, **fitting, **(world.parts(self.thing, kind) if self.thing else {})}
        return PART.sub(lambda found: parts[found[2]], self.path)


def walk(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if path != "/admin/":  # Django's own; tests/accounts/test_admin.py holds it to the same rights
                yield from walk(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and not path.startswith(PUBLIC):
            yield path, pattern.callback


def every() -> list[Address]:
    found = []
    for path, view in walk(get_resolver().url_patterns):
        thing = next((name for pattern, name in NAMES if re.match(pattern, path)), "")
        if "pk>" in path and not thing:
            raise AssertionError(f"{path}: say in addresses.NAMES what its number names")
        named = {"pk", "execution", "run_id", "action", "ref"} if thing else set()
        unknown = {name for _kind, name in PART.findall(path)} - {*named, *WORDS}
        if unknown:
            raise AssertionError(f"{path}: say in addresses.WORDS what {unknown} is filled with")
        found.append(Address(path, view, thing))
    return found


def methods(address: Address) -> list[str]:
    """What it may be asked by; a page knows GET and POST."""
    view = getattr(address.view, "view_class", None)
    if address.is_api and view is not None:
        names = ("get", "post", "put", "patch", "delete")
        return [name.upper() for name in names if hasattr(view, name)]
    return ["GET", "POST"]
