"""A content as one person would get it, before anything is sent: for previews, proofs and the pre-flight."""

from __future__ import annotations

from typing import Any

from accounts.models import Workspace
from audiences import context
from audiences.models import Profile
from campaigns import contents
from campaigns.models import Action
from channels import rendering
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from common.errors import Invalid, Problem

MAX_SAMPLE = 20_000


def context_sample(content: Content, channel: str) -> dict[str, Any]:
    """Each `context.` name the message uses, filled with the name itself until a call brings the value."""
    sample: dict[str, Any] = {}
    for name in rendering.context_names(content, channel):
        inner = sample
        *branches, leaf = name.split(".")[1:]
        for branch in branches:
            inner = inner.setdefault(branch, {})
        inner[leaf] = f"[{leaf}]"
    return sample


def profile_values(person: Profile | None, workspace: Workspace) -> dict[str, Any]:
    if person is not None:
        return context.contexts([person.pk], workspace.pk).get(person.pk, {})
    return dict.fromkeys(context.names(workspace), "")


def rendered(
    action: Action,
    kept: dict[str, Any],
    *,
    person: Profile | None,
    sample: dict[str, Any] | None = None,
    workspace: Workspace,
    pinned: dict[str, int] | None = None,
) -> Rendered:
    """`sample` may hold values under `profile` and `context` that go before the person's; `pinned` says
    which versions of fragments are shown (`versions.pins`). Raises Invalid or RenderError.
    """
    content = contents.content_of(contents.frozen(kept, workspace, pinned))
    given = sample or {}
    values = {
        "profile": {**profile_values(person, workspace), **_of(given, "profile")},
        "context": {**context_sample(content, action.channel), **_of(given, "context")},
        "unsubscribe_url": "#",
        "preferences_url": "#",
    }
    return rendering.sample(
        content,
        context=values,
        recipient=person.email or "" if person else "",
        configuration=action.configuration or ChannelConfiguration(channel=action.channel),
    )


def _of(sample: dict[str, Any], part: str) -> dict[str, Any]:
    found = sample.get(part, {})
    if not isinstance(found, dict):
        raise Invalid(Problem("bad_sample", f"“{part}” must be an object.", part))
    return found
