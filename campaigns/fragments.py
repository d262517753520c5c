"""The verbs of fragments: write, publish, archive, delete; and where each is used.

What is published is never changed and never goes: frozen campaigns name it. A fragment that is archived is
offered no more; drafts that name it are told, and what was frozen keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, System, require, visible_to
from accounts.models import User, Workspace
from audiences.models import Profile
from campaigns import access, contents, designs, samples, taken
from campaigns.access import MANAGE
from campaigns.models import Action, Campaign, ContentTemplate, Fragment, FragmentVersion
from campaigns.saving import require_unchanged
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import compile_template
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.names import clean_name
from common.text import is_storable

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}\Z")
LONGEST = 100_000
WHOLE = re.compile(r"\s*<mj-(?:section|wrapper|hero|raw)\b")  # what stands in a design's body itself


# ---- the gate -----------------------------------------------------------------------------------


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[Fragment]:
    require(actor, access.VIEW, workspace)
    rows = visible_to(actor, Fragment.objects.filter(workspace=workspace), access.VIEW)
    return rows.select_related("published", "edited_by")


def fragment_for(actor: Actor, pk: int, permission: str = access.VIEW) -> Fragment:
    """Raises NotFound for what the actor may not see, PermissionMissing for what they may only see."""
    rows = visible_to(actor, Fragment.objects.filter(pk=pk), access.VIEW)
    found = rows.select_related("workspace", "published", "edited_by").first()
    if found is None:
        raise NotFound(_("There is no such fragment, or you may not see it."))
    if permission != access.VIEW:
        require(actor, permission, found)
    return found


def offered(actor: Actor, workspace: Workspace, channel: str = "email") -> list[Fragment]:
    """What a message over the channel can take in, by name."""
    kinds = list(Fragment.Kind) if channel == "email" else [Fragment.Kind.TEXT]
    rows = list_for(actor, workspace).filter(archived_at=None, kind__in=kinds).exclude(published=None)
    return list(rows[:500])


def require_known(
    workspace: Workspace, before: Mapping[str, Any], after: Mapping[str, Any], actor: Actor
) -> None:
    """Whoever writes names only fragments they may see: one behind a label is as unknown as a missing one.
    What stood there already stays. Raises Invalid with the part as pointer.
    """
    there = taken.keys_in(dict(before))
    named = {name: taken.keys_in(value) - there for name, value in after.items() if name != "links"}
    wanted = {key for keys in named.values() for key in keys}
    if not wanted or isinstance(actor, System):
        return
    rows = visible_to(actor, Fragment.objects.filter(workspace=workspace, key__in=wanted), access.VIEW)
    missing = wanted - set(rows.values_list("key", flat=True))
    problems = [
        Problem("fragment_unknown", taken.unknown(key), f"/{name}")
        for name, keys in named.items()
        for key in sorted(keys & missing)
    ]
    if problems:
        raise Invalid(problems)


# ---- writing ------------------------------------------------------------------------------------


@transaction.atomic
def create(
    workspace: Workspace, *, key: str, name: str, kind: str, source: str = "", actor: Actor, now: datetime
) -> Fragment:
    """A draft. Raises Invalid with the field as pointer."""
    require(actor, MANAGE, workspace)
    if not KEY.match(key):
        detail = _("Small letters, digits, - and _, at most 50, beginning with a letter or digit.")
        raise Invalid(Problem("bad_key", detail, "key"))
    if kind not in Fragment.Kind.values:
        raise Invalid(Problem("unknown_kind", _("Choose from the list."), "kind"))
    author = actor if isinstance(actor, User) else None
    row = Fragment(workspace=workspace, key=key, kind=kind, created_by=author, created_at=now)
    _write(row, name, source, actor, now)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        detail = _("There is a fragment with the key “%(key)s” already.") % {"key": key}
        raise Invalid(Problem("key_taken", detail, "key")) from error
    audit.record(actor=actor, verb="create", obj=row, workspace=workspace, now=now, key=key, kind=kind)
    return row


@transaction.atomic
def save(
    fragment: Fragment, *, name: str, source: str, revision: int, actor: Actor, now: datetime
) -> Fragment:
    """Changes the draft; what is published stays as it is. Raises Conflict when somebody was faster."""
    row = _locked(fragment, actor)
    if row.archived_at:
        raise IllegalTransition(_("It is archived. Take it out of the archive first."), state="archived")
    require_unchanged(row, revision)
    _write(row, name, source, actor, now)
    row.revision += 1
    row.save()
    audit.record(actor=actor, verb="save", obj=row, workspace=row.workspace, now=now)
    return row


def _write(row: Fragment, name: str, source: str, actor: Actor, now: datetime) -> None:
    if len(source) > LONGEST or not is_storable(source):
        detail = _("A text of at most %(most)s characters, without control characters.") % {"most": LONGEST}
        raise Invalid(Problem("bad_source", detail, "source"))
    try:
        require_known(row.workspace, {"source": row.source}, {"source": source}, actor)
    except Invalid as error:
        raise Invalid(Problem(one.code, one.detail, "source") for one in error.problems) from error
    _require_no_ring(row, source)
    row.name, row.source, row.changed_at = clean_name(name), source, now
    row.edited_by = actor if isinstance(actor, User) else None


def _require_no_ring(row: Fragment, source: str) -> None:
    """Two that are written at once could make a ring together: they wait for each other at the workspace."""
    Workspace.objects.select_for_update(no_key=True).get(pk=row.workspace_id)
    graph = dict(taken.edges(row.workspace))
    published = row.published.source if row.published else ""
    graph[row.key] = taken.keys_in([source, published])
    if trail := _ring(graph, row.key):
        raise Invalid(Problem("fragment_cycle", taken.cycle(trail), "source"))
    if any(_depth(graph, key) > taken.DEEPEST for key in graph):  # also of those that hold this one
        raise Invalid(Problem("fragment_too_deep", taken.too_deep(), "source"))


def _ring(graph: dict[str, set[str]], start: str) -> list[str]:
    """The way from the key back to itself; empty when there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for key in sorted(graph.get(here, ())):
            if key == start:
                trail = [start]
                while here != start:
                    trail.append(here)
                    here = came_from[here]
                return [start, *reversed(trail)]
            if key not in came_from:
                came_from[key] = here
                waiting.append(key)
    return []


def _depth(graph: dict[str, set[str]], start: str) -> int:
    level, depth = {start}, 0
    while level and depth <= taken.DEEPEST:
        level, depth = {key for one in level for key in graph.get(one, ())}, depth + 1
    return depth


@transaction.atomic
def publish(fragment: Fragment, *, actor: Actor, now: datetime) -> Fragment:
    """What the draft says is taken in from now on: by drafts at once, by what is frozen never.

    Raises Invalid with what is wrong, IllegalTransition where nothing is new.
    """
    row = _locked(fragment, actor)
    if row.archived_at:
        raise IllegalTransition(_("It is archived. Take it out of the archive first."), state="archived")
    if not row.has_changes:
        raise IllegalTransition(_("What it says is published already."), state="published")
    if problems := faults(row):
        raise Invalid(problems)
    last = row.versions.first()
    row.published = FragmentVersion.objects.create(
        fragment=row,
        number=last.number + 1 if last else 1,
        source=row.source,
        saved_by=actor if isinstance(actor, User) else None,
        saved_at=now,
    )
    row.save(update_fields=["published"])
    version = row.published.number
    audit.record(actor=actor, verb="publish", obj=row, workspace=row.workspace, now=now, version=version)
    return row


@transaction.atomic
def archive(fragment: Fragment, *, actor: Actor, now: datetime, back: bool = False) -> Fragment:
    """Out of the pickers, or `back` into them; pressing twice changes nothing more."""
    row = _locked(fragment, actor)
    if bool(row.archived_at) != back:
        return row
    row.archived_at = None if back else now
    row.save(update_fields=["archived_at"])
    verb = "unarchive" if back else "archive"
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now)
    return row


@transaction.atomic
def delete(fragment: Fragment, *, actor: Actor, now: datetime) -> None:
    """Only one that was never published; else it is archived, as frozen campaigns name it."""
    row = _locked(fragment, actor)
    if row.published_id:
        raise IllegalTransition(_("It was published, so its versions are kept. Archive it instead."))
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


def _locked(fragment: Fragment, actor: Actor) -> Fragment:
    rows = Fragment.objects.select_for_update(of=("self",)).select_related("workspace", "published")
    row = rows.filter(pk=fragment.pk).first()
    if row is None:
        raise NotFound(_("There is no such fragment, or you may not see it."))
    require(actor, MANAGE, row)
    return row


# ---- judging and showing ------------------------------------------------------------------------


def faults(fragment: Fragment) -> list[Problem]:
    """Why the draft cannot be published; every pointer is `source`."""
    if not fragment.source.strip():
        return [Problem("source_empty", _("It says nothing yet."), "source")]
    part, is_page = fragment.kind, fragment.kind != "text"
    source = _in_a_design(fragment.source) if part == "mjml" else fragment.source
    filled, taking = taken.take({part: source}, fragment.workspace)
    problems = list(taking.problems)
    try:
        # Alone, so that every block it opens is closed in it; then whole.
        compile_template(taken.TAG.sub("", fragment.source), html=is_page)
        if not problems:
            whole = designs.compiled(filled[part]) if part == "mjml" else filled[part]
            compile_template(whole, html=is_page)
    except Invalid as error:
        problems += error.problems
    return [Problem(one.code, one.detail, "source") for one in problems]


def _in_a_design(source: str) -> str:
    inside = source if WHOLE.match(source) else f"<mj-section><mj-column>{source}</mj-column></mj-section>"
    return f"<mjml><mj-body>{inside}</mj-body></mjml>"


def shown(fragment: Fragment, source: str, *, person: Profile | None) -> tuple[str, Rendered]:
    """The channel it is shown as, and how it looks for one person. Raises Invalid or RenderError."""
    kept = {"subject": fragment.name.replace("{", "("), "html": source}
    channel = "email"
    if fragment.kind == "text":
        kept, channel = {"text": source}, "sms"
    elif fragment.kind == "mjml":
        kept["mjml"] = _in_a_design(source)
        whole = contents.whole({"mjml": kept["mjml"]}, fragment.workspace)
        designs.compiled(whole["mjml"])  # says what is wrong
    action = Action(channel=channel, configuration=ChannelConfiguration(channel=channel))
    return channel, samples.rendered(action, kept, person=person, workspace=fragment.workspace)


# ---- where it is used ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Uses:
    """`hidden_count` are campaigns, fragments and templates that the reader may not see."""

    campaigns: list[Campaign]
    fragments: list[Fragment]
    templates: list[ContentTemplate]
    hidden_count: int

    @property
    def count(self) -> int:
        return len(self.campaigns) + len(self.fragments) + len(self.templates) + self.hidden_count


def uses(fragment: Fragment, actor: Actor) -> Uses:
    """What names it in its draft or as it runs; up to 200 of each are listed."""
    workspace, key = fragment.workspace, re.escape(fragment.key)
    named = rf"""fragment\(\s*\\*["']{key}\\*["']\s*\)"""
    actions = Action.objects.filter(campaign__workspace=workspace, campaign__purged_at=None).annotate(
        said=Cast("content", TextField()), others=Cast("variants", TextField())
    )
    using = actions.filter(Q(said__regex=named) | Q(others__regex=named)).values("campaign")
    running = Q(version__definition__fragments__has_key=fragment.key) | Q(
        live_version__definition__fragments__has_key=fragment.key
    )
    campaigns = Campaign.objects.filter(Q(pk__in=using) | running, workspace=workspace, purged_at=None)
    holding = Fragment.objects.filter(workspace=workspace).exclude(pk=fragment.pk)
    holding = holding.filter(Q(source__regex=named) | Q(published__source__regex=named))
    kept = ContentTemplate.objects.filter(workspace=workspace).annotate(said=Cast("content", TextField()))
    return used(campaigns, holding, kept.filter(said__regex=named), actor)


def used(
    campaigns: QuerySet[Campaign],
    fragments: QuerySet[Fragment],
    templates: QuerySet[ContentTemplate],
    actor: Actor,
) -> Uses:
    """What of it the actor may see, up to 200 of each, and how many there are beside."""
    seen = (
        visible_to(actor, campaigns, access.VIEW),
        visible_to(actor, fragments, access.VIEW),
        visible_to(actor, templates, access.VIEW),
    )
    hidden = sum(rows.count() for rows in (campaigns, fragments, templates)) - sum(
        rows.count() for rows in seen
    )
    return Uses(
        list(seen[0].order_by("-changed_at")[:200]),
        list(seen[1].order_by("name")[:200]),
        list(seen[2].order_by("name")[:200]),
        hidden,
    )
