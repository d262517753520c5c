"""Plain functions that make rows for tests, with sensible defaults; every one goes through the real verb."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import Role, User, Workspace
from audiences.models import AttributeDefinition, Audience, Profile
from campaigns import actions, drafts, lifecycle
from campaigns.models import Campaign
from channels.models import ChannelConfiguration

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HTML = (
    '<html><body><p>Hello {{ profile.name }}</p><a href="https://shop.example/a?x=1&amp;y=2">Shop</a>'
    '<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>'
)
CONTENT = {"subject": "News for {{ profile.name }}", "preheader": "", "html": HTML, "text": ""}


def workspace(name: str = "fernhill", **fields: Any) -> Workspace:
    made = roles.create_workspace(name=name.title(), slug=name, actor=SYSTEM, now=NOW)
    AttributeDefinition.objects.create(workspace=made, key="name")
    Workspace.objects.filter(pk=made.pk).update(**fields)
    made.refresh_from_db()
    return made


def person(where: Workspace, role: str, name: str = "") -> User:
    name = name or role
    user = User.objects.create_user(f"{name}@{where.slug}.example", "a long password", name=name.title())
    user.groups.add(Role.objects.get(workspace=where, builtin=role).group_ptr)
    return user


def staffed(people: int, **roles_of: str) -> Workspace:
    """A workspace with so many people, and the staff by name and role: `staffed(2, mia="manager")`."""
    made = workspace()
    profiles(made, people)
    for name, role in roles_of.items():
        person(made, role, name)
    return made


def who(name: str) -> User:
    return User.objects.get(name=name.title())


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def as_(name: str) -> Client:
    return signed_in(who(name))


def profiles(where: Workspace, count: int, *, domain: str = "example.com") -> list[Profile]:
    return Profile.objects.bulk_create(
        Profile(
            workspace=where, email=f"p{n}@{domain}", attributes={"name": f"林{n}" if n % 2 else f"Ann {n}"}
        )
        for n in range(count)
    )


def audience(where: Workspace, **fields: Any) -> Audience:
    return Audience.objects.create(workspace=where, **{"name": "Everybody", **fields})


def configuration(where: Workspace, **fields: Any) -> ChannelConfiguration:
    """An active one; over the sandbox provider unless told otherwise."""
    defaults = {
        "name": "Main",
        "provider": "sandbox",
        "kind": "marketing",
        "status": ChannelConfiguration.Status.ACTIVE,
        "sender_name": "Fernhill",
        "sender_email": "hello@fernhill.example",
    }
    return ChannelConfiguration.objects.create(workspace=where, **{**defaults, **fields})


def smtp(where: Workspace, port: int, **fields: Any) -> ChannelConfiguration:
    settings = {"host": "127.0.0.1", "port": port, "tls": "none", "username": ""}
    return configuration(where, provider="smtp", settings=settings, **fields)


def draft(where: Workspace, author: User, **changes: Any) -> Campaign:
    """A draft that could be activated as it is."""
    category = changes.pop("category", "marketing")
    kind = changes.pop("type", "scheduled")
    made = drafts.create(where, name="Winter layers", type=kind, category=category, actor=author, now=NOW)
    if kind == "scheduled" and "audience" not in changes:
        changes["audience"] = Audience.objects.filter(workspace=where).first() or audience(where)
    if "configuration" not in changes:
        found = ChannelConfiguration.objects.filter(workspace=where, kind=category).first()
        changes["configuration"] = found or configuration(where, kind=category, name=f"For {category}")
    return drafts.save(made, revision=made.revision, actor=author, now=NOW, **{**CONTENT, **changes})


def draft_over(configuration: ChannelConfiguration, author: User, **content: Any) -> Campaign:
    """A draft with one message over the configuration's channel."""
    made = draft(configuration.workspace, author, category=configuration.kind)

    def told() -> dict[str, Any]:
        made.refresh_from_db()
        return {"revision": made.revision, "actor": author, "now": NOW}

    actions.add(made, configuration.channel, **told())
    actions.remove(made, 0, **told())
    actions.configure(made, {0: configuration}, **told())
    return actions.write(made, 0, content, **told())


def live(where: Workspace, *, now: datetime = NOW, **changes: Any) -> Campaign:
    """Drafted by a manager and activated by an approver."""
    made = draft(where, person(where, "manager"), **changes)
    return lifecycle.apply(made, "activate", actor=person(where, "approver"), now=now)
