"""The verbs of a channel configuration: create, change, update, submit, reactivate, duplicate, delete, test.

Its states stand in `lifecycle.py`, the checks in `versions.py`. Every change leaves an audit entry, which
names the fields that changed and never what they hold; a secret stands nowhere but sealed in its own row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, labels_held, require
from accounts.models import AccessLabel, User, Workspace
from channels import lifecycle, mailboxes, origins, sealing, sending, versions
from channels.access import MANAGE
from channels.kinds import clean_email
from channels.lifecycle import Status
from channels.models import (
    BounceMailbox,
    ChannelConfiguration,
    ConfigurationVersion,
    Credential,
)
from channels.providers import registry
from common.errors import IllegalTransition, Invalid, Problem

NAME, ACTION, ACTIONS = 100, 60, 20  # characters, characters, number


@dataclass(frozen=True)
class Values:
    """What a person enters. Secrets are stored sealed; when one is empty the stored one stays. `labels` None:
    those it has stay.
    """

    name: str
    kind: str
    provider: str
    settings: dict[str, Any]
    sender_name: str = ""
    sender_email: str = ""
    reply_to: str = ""
    secret: str = ""
    mailbox_secrets: Mapping[str, str] = field(default_factory=dict)  # of the mailbox that bounces come to
    description: str = ""
    marketing_actions: tuple[str, ...] = ()
    labels: tuple[AccessLabel, ...] | None = None
    channel: str = ""  # one of the provider's; empty: its first


def active_for(workspace: Workspace, channel: str, category: str) -> QuerySet[ChannelConfiguration]:
    """What a campaign of this category may use now; credentials are loaded with the rows."""
    rows = ChannelConfiguration.objects.filter(
        workspace=workspace, channel=channel, kind=category, status=Status.ACTIVE
    )
    return rows.select_related("credential").order_by("name")


def channel_of(values: Values) -> str:
    """Raises Invalid when the provider does not carry it."""
    known = registry.get(values.provider).channels
    channel = values.channel or known[0]
    if channel not in known:
        detail = _("This provider carries: %(known)s.") % {"known": ", ".join(known)}
        raise Invalid(Problem("bad_channel", detail, "channel"))
    return channel


# ---- writing ------------------------------------------------------------------------------------
@transaction.atomic
def create(*, workspace: Workspace, values: Values, actor: Actor, now: datetime) -> ChannelConfiguration:
    """A draft. Raises Invalid with every fault found."""
    require(actor, MANAGE, workspace)
    creator = actor if isinstance(actor, User) else None
    row = ChannelConfiguration(workspace=workspace, created_by=creator, created_at=now)
    return _write("create", row, values, actor, now)


@transaction.atomic
def change(
    configuration: ChannelConfiguration, *, values: Values, actor: Actor, now: datetime
) -> ChannelConfiguration:
    """Of one that does not serve: it becomes a draft that must be tested again."""
    row = lifecycle.locked_for(configuration, "change", actor=actor, now=now)
    return _write("change", row, values, actor, now)


def update(
    configuration: ChannelConfiguration, *, values: Values, actor: Actor, now: datetime
) -> ConfigurationVersion | None:
    """Of an active one. Description, type, marketing actions, labels and the rules for trying again apply at
    once; anything else becomes a version that serves once it has passed its check. Returns it, or None when
    there was nothing to check.
    """
    version = prepare(configuration, values=values, actor=actor, now=now)
    return versions.check(version, actor=actor, now=now) if version else None


@transaction.atomic
def prepare(
    configuration: ChannelConfiguration, *, values: Values, actor: Actor, now: datetime
) -> ConfigurationVersion | None:
    """The first half of an update: all but the check of the version, which asks the other side unlocked."""
    row = lifecycle.locked_for(configuration, "update", actor=actor, now=now)
    base = versions.base_of(row)
    values = _with_stored_secrets(values, base)
    _refuse(_problems(values, row, base))
    fixed = {"name": row.name, "provider": row.provider}
    if changed := [name for name, value in fixed.items() if getattr(values, name) != value]:
        detail = _("This stays as it is while the configuration is active. Duplicate it to change it.")
        raise Invalid(Problem("fixed_while_active", detail, name) for name in changed)
    fields = _describe(row, values, actor)
    setup = _setup(values, base.credential)
    fields += versions.apply_at_once(row, setup)
    row.changed_at = now
    row.save(update_fields=["description", "marketing_actions", "kind", "settings", "changed_at"])
    if values.secret:
        setup["credential"] = sealing.keep(
            values.secret, workspace=row.workspace, name=row.name, credential=None, now=now
        )
    if row.channel == "email":
        mailboxes.keep(row, values.settings, values.mailbox_secrets, now)
    version = None
    if setup != versions.setup_of(row):
        version = versions.begin(row, setup, actor=actor, now=now)
        fields += [change["field"] for change in version.changes]
    audit.record(actor=actor, verb="update", obj=row, workspace=row.workspace, now=now, fields=sorted(fields))
    return version


@transaction.atomic
def duplicate(configuration: ChannelConfiguration, *, actor: Actor, now: datetime) -> ChannelConfiguration:
    """A draft with the same settings, labels and secret (sealed anew, for its own row)."""
    require(actor, MANAGE, configuration.workspace)  # a share gives one configuration, not a second
    row = lifecycle.locked_for(configuration, "duplicate", actor=actor, now=now)
    copy = ChannelConfiguration(
        workspace=row.workspace,
        name=_free_name(row),
        description=row.description,
        channel=row.channel,
        marketing_actions=row.marketing_actions,
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
        changed_at=now,
        **{**versions.setup_of(row), "credential": None},
    )
    copy.credential = _copied(row.credential, copy, now)
    copy.save()
    copy.labels.set(row.labels.all())
    mailboxes.copy(row, copy, now)
    origins.copy(row, copy)
    _record("create", copy, actor, now, copied_from=row.pk)
    return copy


@transaction.atomic
def delete(configuration: ChannelConfiguration, *, actor: Actor, now: datetime) -> None:
    """Only one that never carried a message, and that nothing refers to."""
    row = lifecycle.locked_for(configuration, "delete", actor=actor, now=now)
    secrets = {row.credential_id, *row.versions.values_list("credential", flat=True)}
    secrets |= set(BounceMailbox.objects.filter(configuration=row).values_list("credential", flat=True))
    _record("delete", row, actor, now)
    try:
        with transaction.atomic():
            row.delete()
    except ProtectedError as error:
        detail = _("It is used. Take it out of the drafts that name it first.")
        raise IllegalTransition(detail, code="configuration_in_use", state=row.status) from error
    origins.forget(row.workspace_id, configuration.pk)
    Credential.objects.filter(pk__in=[pk for pk in secrets if pk]).delete()


# ---- checks -------------------------------------------------------------------------------------
def submit(configuration: ChannelConfiguration, *, actor: Actor, now: datetime) -> ConfigurationVersion:
    """Test the configuration and make it active, or failed. The version returned holds the dialogue."""
    return _submit("submit", configuration, actor, now)


def reactivate(configuration: ChannelConfiguration, *, actor: Actor, now: datetime) -> ConfigurationVersion:
    return _submit("reactivate", configuration, actor, now)


def _submit(
    verb: str, configuration: ChannelConfiguration, actor: Actor, now: datetime
) -> ConfigurationVersion:
    with transaction.atomic():
        row = lifecycle.locked_for(configuration, verb, actor=actor, now=now)
        version = versions.begin(row, versions.setup_of(row), actor=actor, now=now)
        _record(verb, row, actor, now, version=version.number)
    return versions.check(version, actor=actor, now=now)


def test(configuration: ChannelConfiguration, *, actor: Actor) -> list[dict[str, Any]]:
    """Hold the real dialogue of what stands in the row: its steps as a version keeps them. Keeps nothing."""
    require(actor, MANAGE, configuration)
    return versions.rehearse(configuration)


# ---- parts --------------------------------------------------------------------------------------
def _write(
    verb: str, row: ChannelConfiguration, values: Values, actor: Actor, now: datetime
) -> ChannelConfiguration:
    values = _with_stored_secrets(values, row)
    _refuse(_problems(values, row, row))
    row.name = values.name.strip()
    row.channel = channel_of(values)
    for name, value in _setup(values, row.credential).items():
        setattr(row, name, value)
    row.status, row.changed_at = Status.DRAFT, now
    if values.secret:
        row.credential = sealing.keep(
            values.secret, workspace=row.workspace, name=row.name, credential=row.credential, now=now
        )
    _save(row)
    if row.channel == "email":
        mailboxes.keep(row, values.settings, values.mailbox_secrets, now)
    _describe(row, values, actor)
    row.save(update_fields=["description", "marketing_actions"])
    _record(verb, row, actor, now, provider=row.provider, secret_changed=bool(values.secret))
    return row


def _setup(values: Values, credential: Credential | None) -> dict[str, Any]:
    return {
        "kind": values.kind,
        "provider": values.provider,
        "settings": values.settings,
        "credential": credential,
        "sender_name": values.sender_name,
        "sender_email": clean_email(values.sender_email) if values.sender_email else "",
        "reply_to": clean_email(values.reply_to) if values.reply_to else "",
    }


def _describe(row: ChannelConfiguration, values: Values, actor: Actor) -> list[str]:
    """Sets what needs no check. Returns the names of the fields that changed."""
    given = {"description": values.description, "marketing_actions": list(values.marketing_actions)}
    changed = [name for name, value in given.items() if getattr(row, name) != value]
    for name, value in given.items():
        setattr(row, name, value)
    if values.labels is not None:
        had, labels = set(row.labels.all()), set(values.labels)
        if labels - had - set(labels_held(actor, row.workspace)):
            detail = _("Give only labels that one of your roles holds; else you would not see it any more.")
            raise Invalid(Problem("label_not_held", detail, "labels"))
        if labels != had:
            row.labels.set(labels)
            changed.append("labels")
    return changed


def _save(row: ChannelConfiguration) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        if "configuration_name_once" not in str(error):
            raise
        detail = _("There is already a channel configuration with this name.")
        raise Invalid(Problem("name_taken", detail, "name")) from error


def _refuse(problems: Iterable[Problem]) -> None:
    if found := list(problems):
        raise Invalid(found)


def _problems(values: Values, row: ChannelConfiguration, base: Any) -> Iterable[Problem]:
    channel = channel_of(values)
    if row.pk and channel != row.channel:
        yield Problem("channel_fixed", _("A configuration stays with its channel."), "channel")
    if not 0 < len(values.name.strip()) <= NAME or not values.name.isprintable():
        yield Problem("bad_name", _("Give it a name of at most %(n)s letters.") % {"n": NAME}, "name")
    elif values.name.strip() != row.name and not values.name.strip()[0].isalpha():
        yield Problem("bad_name", _("Begin the name with a letter."), "name")
    if values.kind not in ChannelConfiguration.Kind.values:
        yield Problem("bad_kind", _("The type is marketing or transactional."), "kind")
    if len(values.description) > 500 or not _is_storable(values.description):
        yield Problem("bad_description", _("Describe it in at most 500 characters."), "description")
    if len(values.marketing_actions) > ACTIONS or not all(map(_is_action, values.marketing_actions)):
        detail = _("Give at most %(n)s marketing actions of at most %(letters)s letters each.")
        shown = {"n": ACTIONS, "letters": ACTION}
        yield Problem("bad_marketing_action", detail % shown, "marketing_actions")
    if not _is_json(values.settings) or not _is_json([values.secret, dict(values.mailbox_secrets)]):
        detail = _("A setting holds a character that cannot be stored.")
        yield Problem("bad_text", detail, "settings")
    yield from _sender_problems(values, is_needed=channel == "email")
    yield from _secret_problems(values, base)
    if channel == "email":
        yield from sending.problems(values.kind, values.settings, values.sender_email)
        yield from mailboxes.problems(row, values.settings, values.mailbox_secrets)


def _is_action(name: str) -> bool:
    return 0 < len(name) <= ACTION and name.isprintable()


def _is_storable(text: str) -> bool:
    return all(c.isprintable() or c in "\r\n\t" for c in text)


def _is_json(value: Any) -> bool:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return "\\u0000" not in text and bool(text.encode())
    except (ValueError, TypeError):
        return False


def _sender_problems(values: Values, *, is_needed: bool) -> Iterable[Problem]:
    is_plain = all(c.isprintable() and c not in "<>" for c in values.sender_name)
    if not is_plain or len(values.sender_name) > NAME:
        detail = _("A sender name cannot hold < or > or control characters.")
        yield Problem("bad_sender", detail, "sender_name")
    for name in ("sender_email", "reply_to"):
        try:
            address = getattr(values, name)
            if address or (name == "sender_email" and is_needed):
                clean_email(address)
        except Invalid as error:
            yield Problem("bad_sender", error.detail, name)


def _secret_problems(values: Values, base: Any) -> Iterable[Problem]:
    """A stored secret goes only where it was stored for: else whoever may edit could have it sent to them."""
    needed = registry.get(values.provider).Form.needed_secret(values.settings)
    if values.secret:
        if needed and not json.loads(values.secret).get(needed):
            yield Problem("together", _("Secrets are stored together. Enter this one as well."), "secret")
    elif base.credential is not None and not _goes_where_it_went(values, base):
        detail = _("Enter the password again: the stored one was given for another server.")
        yield Problem("secret_needed", detail, "secret")


def _with_stored_secrets(values: Values, base: Any) -> Values:
    """Of several secrets, one that is left empty keeps what is stored of it."""
    names = registry.get(values.provider).Form.secret_fields
    if not (names and values.secret and base.credential and _goes_where_it_went(values, base)):
        return values
    try:
        stored = json.loads(sealing.unseal(base.credential.sealed, row=base.credential.pk))
    except sealing.SealBroken:
        return values
    given = json.loads(values.secret)
    kept = {name: given.get(name) or stored.get(name, "") for name in names}
    return replace(values, secret=json.dumps(kept))


def _goes_where_it_went(values: Values, base: Any) -> bool:
    where = registry.get(values.provider).Form.secret_goes_to
    return base.provider == values.provider and all(
        base.settings.get(name) == values.settings.get(name) for name in where
    )


def _copied(credential: Credential | None, copy: ChannelConfiguration, now: datetime) -> Credential | None:
    if credential is None:
        return None
    try:
        secret = sealing.unseal(credential.sealed, row=credential.pk)
    except sealing.SealBroken:
        return None  # the copy is a draft; whoever tests it is asked for the secret
    return sealing.keep(secret, workspace=copy.workspace, name=copy.name, credential=None, now=now)


def _free_name(row: ChannelConfiguration) -> str:
    """“Copy of …”, numbered when there is one already."""
    taken = set(ChannelConfiguration.objects.filter(workspace=row.workspace).values_list("name", flat=True))
    name = (_("Copy of %(name)s") % {"name": row.name})[: NAME - 5]
    free, number = name, 2
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def _record(verb: str, row: ChannelConfiguration, actor: Actor, now: datetime, **details: Any) -> None:
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, **details)
