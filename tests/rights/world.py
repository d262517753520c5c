"""Two workspaces with one of everything, so that every address can be asked with every kind of object.

`own` is an ordinary object of the workspace, `shared` one that is shared with the asking person (to see it),
`labelled` one behind a label that none of them holds, `other` one of the other workspace, `missing` a number
that no object has. Names of what must stay hidden carry CANARY or HIDDEN.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts import access, credentials, notices
from accounts.access import SYSTEM
from accounts.models import AccessLabel, ApiCredential, Role, User, Workspace
from audiences.models import AttributeDefinition, Audience, IdentityNamespace, Profile, Suppression, Topic
from campaigns import assets, fragments, lifecycle, preflight, seedlists, templates
from campaigns.delivery import audiencecalls, triggered
from campaigns.delivery.audiencecalls import Order
from campaigns.delivery.triggered import Call, Recipient
from campaigns.models import (
    Action,
    ApprovalPolicy,
    Campaign,
    ExternalCalendar,
    FeedbackEndpoint,
    Folder,
    Run,
    SavedView,
)
from channels.models import AllowedEntry, Rule, RuleSet, SeedList, SendingDomain, WarmupPlan
from tests import builders
from tests.audiences.imported import uploaded

CANARY, HIDDEN = "Zqcanary", "Zqhidden"
ROLES = ("administrator", "approver", "manager", "viewer")
KINDS = ("own", "shared", "labelled", "other", "missing")
MISSING = 987_654_321
NO_CALL = "00000000-0000-4000-8000-000000000000"
GATED = ("campaign", "audience", "composition", "configuration")  # these can be shared, and carry labels


@dataclass
class World:
    here: Workspace
    there: Workspace
    people: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def parts(self, thing: str, kind: str) -> dict[str, str]:
        """What names the object in an address; what has no sharing or labels is asked as an ordinary one."""
        found = self.objects[thing]
        named = found["missing"] if kind == "missing" else found.get(kind, found["own"])
        return {part: str(value) for part, value in named.items()}


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
    AttributeDefinition.objects.create(workspace=here, key="work_email", type="email")
    label = AccessLabel.objects.create(workspace=here, name="Board")
    for where, kinds in ((here, ("own", "shared", "labelled")), (there, ("other",))):
        for kind in kinds:
            mark = {"labelled": HIDDEN, "other": CANARY}.get(kind, "Plain")
            for thing, made in _of(where, f"{mark} {kind}", kind).items():
                world.objects.setdefault(thing, {"missing": {"pk": MISSING}})[kind] = {"pk": made.pk}
                if kind == "labelled":
                    made.labels.add(label)
                if thing in GATED and kind == "shared":
                    right = f"view_{made._meta.model_name}"
                    access.share(made, world.people["viewer"], [right])
    _use_what_is_hidden(world)
    for kind in KINDS[:-1]:
        _run(world, kind)
        _rule(world, kind)
        _call(world, kind, label)
    world.objects["notice"] = _notices(world)
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
    composition = builders.audience(
        where, name=f"{name} put together", kind="composition", composition={"audience": audience.pk}
    )
    gated = {
        "campaign": campaign,
        "audience": audience,
        "composition": composition,
        "configuration": configuration,
    }
    if kind == "shared":
        return gated
    kept = _kept(where, name)
    return {**gated, **kept} if kind == "labelled" else {**gated, **kept, **_rest(where, name, author)}


def _kept(where: Workspace, name: str) -> dict[str, Any]:
    """What is kept to be used in campaigns."""
    by: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    slug = name.lower().replace(" ", "-")
    return {
        "asset": assets.upload(where, name=f"{slug}.txt", octets=name.encode(), **by),
        "template": templates.create(where, name=name, channel="sms", content={"text": name}, **by),
        "fragment": fragments.create(where, key=slug, name=name, kind="text", source=name, **by),
    }


def _rest(where: Workspace, name: str, author: User) -> dict[str, Any]:
    now, word, slug = timezone.now(), name.split()[0].lower(), name.lower().replace(" ", "-")
    IdentityNamespace.objects.create(workspace=where, key="card", label=f"{name} card")
    seeds = {"workspace": where, "name": name, "addresses": [f"{slug}@seed.example"], "test_profile": None}
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
        "saved_view": SavedView.objects.create(workspace=where, owner=author, name=name, is_shared=True),
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
        "seed_list": seedlists.save(None, **seeds, configurations=[], actor=SYSTEM, now=now),
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


def _use_what_is_hidden(world: World) -> None:
    """The ordinary campaign leaves out an audience, and it and a seed list use a configuration, behind the
    label.
    """
    campaign = Campaign.objects.get(pk=world.objects["campaign"]["own"]["pk"])
    campaign.exclusions.add(world.objects["audience"]["labelled"]["pk"])
    campaign.actions.update(configuration=world.objects["configuration"]["labelled"]["pk"])
    Action.objects.create(
        campaign=campaign, position=1, channel="email", configuration=campaign.actions.get().configuration
    )
    seeds = SeedList.objects.get(pk=world.objects["seed_list"]["own"]["pk"])
    seeds.uses.create(configuration_id=world.objects["configuration"]["labelled"]["pk"])


def _run(world: World, kind: str) -> None:
    """A run of each campaign, made as the activate verb makes it, a week ahead; and a proof and a look."""
    campaign = Campaign.objects.get(pk=world.objects["campaign"][kind]["pk"])
    version = lifecycle.transitions.versions.freeze(campaign, actor=SYSTEM, now=timezone.now())
    due = timezone.now() + timedelta(days=7)
    run = Run.objects.create(campaign=campaign, version=version, due_at=due)
    preflight.begin(campaign, actor=SYSTEM, now=timezone.now())
    world.objects.setdefault("run", {"missing": {"pk": MISSING}})[kind] = {"pk": run.pk}


def _rule(world: World, kind: str) -> None:
    found = world.objects["rule_set"].get(kind)
    if found is None:
        return
    rule = Rule.objects.create(rule_set_id=found["pk"], name="Often", kind="cap", channels=["email"])
    missing = {"pk": MISSING, "rule": MISSING, "rule_pk": MISSING}
    named = {**found, "rule": rule.pk, "rule_pk": rule.pk}
    world.objects.setdefault("rule", {"missing": missing})[kind] = named


def _call(world: World, kind: str, label: AccessLabel) -> None:
    """A campaign that takes calls, and calls it took: for one person, for an audience, for later."""
    where = world.there if kind == "other" else world.here
    role = "outsider" if kind == "other" else "administrator"
    mark = {"labelled": HIDDEN, "other": CANARY}.get(kind, "Plain")
    fields = {"type": "api_triggered", "category": "transactional", "create_profiles": True}
    campaign = builders.draft(where, world.people[role], name=f"{mark} calls {kind}", **fields)
    campaign = lifecycle.apply(campaign, "activate", actor=world.people[role], now=timezone.now())
    credential = ApiCredential.objects.get(workspace=where, role__builtin="administrator")
    # A person is behind no label: only who is elsewhere is named by their address.
    person = f"{CANARY if kind == 'other' else kind}@call.example"
    call = triggered.Call(credential, kind, kind, "", timezone.now())
    made = triggered.accept(campaign.pk, [Recipient("email", person)], call).execution
    made.refresh_from_db()  # the database has numbered its first recipient
    audience = Audience.objects.get(pk=world.objects["audience"][kind]["pk"])
    due = timezone.now() + timedelta(days=7)
    now_call, later = (
        audiencecalls.accept(campaign.pk, Order(audience, {}, at), _named(call, name)).execution
        for name, at in (("now", None), ("later", due))
    )
    if kind == "labelled":
        campaign.labels.add(label)
    if kind == "shared":
        access.share(campaign, world.people["viewer"], ["view_campaign"])
    message = {"run_id": made.run_id, "action": 0, "ref": made.first_ref}
    named = {
        "triggered": {"pk": campaign.pk},
        "call": {"pk": campaign.pk, "execution": made.pk},
        "execution": {"pk": made.pk},
        "audience_call": {"pk": now_call.pk},
        "later_call": {"pk": later.pk},
        "message": {**message, "key": f"{made.run_id}.0.{made.first_ref}"},
    }
    for thing, parts in named.items():
        numbers = {"key": f"{MISSING}.0.1", "action": 0}
        missing = {part: numbers.get(part, MISSING) for part in parts}
        if thing not in ("triggered", "message"):
            missing |= {"pk": NO_CALL}
        if thing == "call":
            missing = {"pk": MISSING, "execution": NO_CALL}
        world.objects.setdefault(thing, {"missing": missing})[kind] = parts


def _named(call: Call, name: str) -> Call:
    return replace(call, request_id=f"{call.key} {name}", key=f"{call.key} {name}", kind="audience")


def _notices(world: World) -> dict[str, dict[str, Any]]:
    """A notice belongs to one person: the administrator's own, and the stranger's."""
    made: dict[str, dict[str, Any]] = {"missing": {"pk": MISSING}}
    for kind, role in (("own", "administrator"), ("other", "outsider")):
        campaign = Campaign.objects.get(pk=world.objects["campaign"][kind]["pk"])
        told = {"who": "x", "campaign": campaign.name, "comment": ""}
        person, now = [world.people[role]], timezone.now()
        (row,) = notices.tell("mention", person, obj=campaign, address="/", actor=SYSTEM, now=now, **told)
        made[kind] = {"pk": row.pk}
    return made
