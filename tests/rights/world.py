"""Two workspaces with one of everything, so that every address can be asked with every kind of object.

`own` is an ordinary object of the workspace, `shared` one that is shared with the asking person (to see it),
`labelled` one behind a label that none of them holds, `other` one of the other workspace, `missing` a number
that no object has. Names of what must stay hidden carry CANARY or HIDDEN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts import access, credentials
from accounts.access import SYSTEM
from accounts.models import AccessLabel, Role, User, Workspace
from audiences.models import Profile, Suppression, Topic
from campaigns import assets, fragments, lifecycle, templates
from campaigns.models import ApprovalPolicy, Campaign, ExternalCalendar, FeedbackEndpoint, Folder, Run
from channels.models import AllowedEntry, RuleSet, SendingDomain, WarmupPlan
from tests import builders
from tests.audiences.imported import uploaded

CANARY, HIDDEN = "Zqcanary", "Zqhidden"
ROLES = ("administrator", "approver", "manager", "viewer")
KINDS = ("own", "shared", "labelled", "other", "missing")
MISSING = 987_654_321
GATED = ("campaign", "audience", "configuration")  # these can be shared, and carry labels


@dataclass
class World:
    here: Workspace
    there: Workspace
    people: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def number(self, thing: str, kind: str) -> Any:
        """The number of an object; what has no sharing or labels is asked as an ordinary one."""
        found = self.objects.get(thing)
        if found is None:  # a kind of thing that nobody has here, such as a notice
            return MISSING
        return MISSING if kind == "missing" else found.get(kind, found["own"])


def build() -> World:
    here, there = builders.workspace("here"), builders.workspace(f"{CANARY}space".lower())
    Workspace.objects.filter(pk=there.pk).update(name=f"{CANARY} space")
    world = World(here, there)
    for role in ROLES:
        world.people[role] = builders.person(here, role)
        world.tokens[role] = _token(here, role)
    world.people["outsider"] = builders.person(there, "administrator", f"{CANARY}admin".lower())
    User.objects.filter(pk=world.people["outsider"].pk).update(name=f"{CANARY} admin")
    world.tokens["outsider"] = _token(there, "administrator")
    label = AccessLabel.objects.create(workspace=here, name="Board")
    for where, kinds in ((here, ("own", "shared", "labelled")), (there, ("other",))):
        for kind in kinds:
            mark = {"labelled": HIDDEN, "other": CANARY}.get(kind, "Plain")
            for thing, made in _of(where, f"{mark} {kind}", kind).items():
                is_first = kind in ("own", "other")
                if is_first or thing in GATED:
                    world.objects.setdefault(thing, {})[kind] = made.pk
                if thing in GATED and kind == "labelled":
                    made.labels.add(label)
                if thing in GATED and kind == "shared":
                    right = f"view_{made._meta.model_name}"
                    access.share(made, world.people["viewer"], [right])
    for kind in KINDS:
        _runs(world, kind)
    return world


def _token(where: Workspace, role: str) -> str:
    holder = Role.objects.get(workspace=where, builtin=role)
    made = credentials.issue(workspace=where, role=holder, name=role, actor=SYSTEM, now=timezone.now())
    return made[1]


def _of(where: Workspace, name: str, kind: str) -> dict[str, Any]:
    """One of everything in the workspace; again only what can be shared or labelled."""
    author = User.objects.filter(groups__role__workspace=where).order_by("pk")[0]
    audience = builders.audience(where, name=name)
    configuration = builders.configuration(where, name=name)
    campaign = builders.draft(where, author, name=name, audience=audience, configuration=configuration)
    Campaign.objects.filter(pk=campaign.pk).update(tags=[f"{name.split()[0].lower()}tag"])
    gated = {"campaign": campaign, "audience": audience, "configuration": configuration}
    return gated if kind in ("shared", "labelled") else {**gated, **_rest(where, name, author)}


def _rest(where: Workspace, name: str, author: User) -> dict[str, Any]:
    now, word, slug = timezone.now(), name.split()[0].lower(), name.lower().replace(" ", "-")
    manager = Role.objects.get(workspace=where, builtin="manager")
    return {
        "profile": Profile.objects.create(
            workspace=where, email=f"{slug}@{word}.example", attributes={"name": name}, is_test=True
        ),
        "credential": credentials.issue(workspace=where, role=manager, name=name, actor=SYSTEM, now=now)[0],
        "topic": Topic.objects.create(workspace=where, key=word, name=name),
        "suppression": Suppression.objects.create(
            workspace=where, channel="email", address=f"{slug}@gone.example", reason="manual", at=now
        ),
        "domain": SendingDomain.objects.create(workspace=where, name=f"{slug}.example"),
        "label": AccessLabel.objects.create(workspace=where, name=name),
        "role": Role.objects.create(workspace=where, title=name, name=f"{where.slug} {name}"),
        "calendar": ExternalCalendar.objects.create(workspace=where, name=name),
        "asset": assets.upload(where, name=f"{slug}.txt", octets=name.encode(), actor=SYSTEM, now=now),
        "template": templates.create(
            where, name=name, channel="sms", content={"text": name}, actor=SYSTEM, now=now
        ),
        "fragment": fragments.create(
            where, key=word, name=name, kind="text", source=name, actor=SYSTEM, now=now
        ),
        "folder": Folder.objects.create(workspace=where, name=name),
        "feedback": FeedbackEndpoint.objects.create(
            workspace=where,
            name=name,
            url=f"https://{slug}.example/",
            kinds=["run.changed"],
            on_since=now,
            resume_at=now,
        ),
        "rule_set": RuleSet.objects.create(workspace=where, name=name),
        "warmup": WarmupPlan.objects.create(
            workspace=where,
            name=name,
            days=[{"others": 1}],
            configuration=builders.configuration(where, name=f"{name} warm"),
        ),
        "allowed": AllowedEntry.objects.create(workspace=where, address=f"{slug}@may.example"),
        "import": uploaded(f"email\n{slug}@x.example\n".encode(), where, name=f"{name}.csv"),
        "policy": ApprovalPolicy.objects.create(
            workspace=where, name=name, approvers={"match": "any", "of": [{"user": author.pk}]}
        ),
    }


def _runs(world: World, kind: str) -> None:
    """A run for each campaign, made as the activate verb makes it, a week ahead."""
    number = world.number("campaign", kind)
    campaign = Campaign.objects.filter(pk=number).first()
    if campaign is None:
        world.objects.setdefault("run", {})[kind] = MISSING
        return
    version = lifecycle.transitions.versions.freeze(campaign, actor=SYSTEM, now=timezone.now())
    due = timezone.now() + timedelta(days=7)
    run = Run.objects.create(campaign=campaign, version=version, due_at=due)
    world.objects.setdefault("run", {})[kind] = run.pk
