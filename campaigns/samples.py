"""A content as one person would get it, before anything is sent: for previews, proofs and the pre-flight."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences import context
from audiences.models import Audience, Profile
from campaigns import contents
from campaigns.models import Action
from channels import rendering
from channels.contents import SHAPES
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from common.errors import Invalid, Problem
from common.text import is_storable

MAX_SAMPLE = 20_000


def read(text: str) -> dict[str, Any]:
    """Values for one showing, as somebody wrote them in JSON. Raises Invalid."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text[:MAX_SAMPLE])
    except (ValueError, RecursionError) as error:
        detail = _("The sample is not JSON: %(error)s") % {"error": str(error)[:120]}
        raise Invalid(Problem("bad_sample", detail, "sample")) from error
    if not isinstance(found, dict) or not is_storable(found):
        raise Invalid(Problem("bad_sample", _("The sample must be a JSON object."), "sample"))
    return found


def placeholders(root: str, content: Content, channel: str) -> dict[str, Any]:
    """Each name the message uses under `root`, filled with the name itself until there is a value: one that a
    call brings, or that a member of the audience has.
    """
    sample: dict[str, Any] = {}
    for name in rendering.names_under(root, content, channel):
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


def membership_values(person: Profile | None, audience: Audience | None) -> dict[str, Any]:
    if person is None or audience is None:
        return {}
    return context.memberships([person.pk], audience.pk).get(person.pk, {})


def values_of(
    channel: str,
    written: Iterable[Content],
    *,
    person: Profile | None,
    audience: Audience | None,
    sample: dict[str, Any] | None,
    workspace: Workspace,
) -> dict[str, dict[str, Any]]:
    """What the contents may read under `profile`, `audience` and `context`."""
    given, called, kept = sample or {}, dict[str, Any](), dict[str, Any]()
    for content in written:
        called |= placeholders("context", content, channel)
        kept |= placeholders("audience", content, channel)
    return {
        "profile": {**profile_values(person, workspace), **_of(given, "profile")},
        "audience": {**kept, **membership_values(person, audience), **_of(given, "audience")},
        "context": {**called, **_of(given, "context")},
    }


def titled(kept: dict[str, Any], channel: str, title: str) -> dict[str, Any]:
    """With a title where one is needed and none is written yet: what else is written can be shown already."""
    if "subject" in SHAPES[channel].names and not str(kept.get("subject", "")).strip():
        return {**kept, "subject": title.replace("{", "(")}
    return kept


def rendered(
    action: Action,
    kept: dict[str, Any],
    *,
    person: Profile | None,
    audience: Audience | None = None,
    sample: dict[str, Any] | None = None,
    workspace: Workspace,
    pinned: dict[str, int] | None = None,
) -> Rendered:
    """`sample` may hold values under `profile`, `audience` and `context`, before the person's; `pinned`
    says which versions of fragments are shown (`versions.pins`). Raises Invalid or RenderError.
    """
    content = contents.content_of(contents.frozen(kept, workspace, pinned))
    values = {
        **values_of(
            action.channel, [content], person=person, audience=audience, sample=sample, workspace=workspace
        ),
        "unsubscribe_url": "#",
        "preferences_url": "#",
        "mirror_url": "#",
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
