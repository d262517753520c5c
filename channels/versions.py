"""A configuration's versions: what was entered, the check of it, and how it comes to serve.

`begin` writes the version in the caller's transaction, `check` asks the other side with no lock held, and
what it said settles the version once. Until a version passes, the one that passed before keeps serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from accounts import audit
from accounts.access import Actor
from accounts.models import User
from channels import domains, mailboxes, sending
from channels.lifecycle import Status
from channels.models import ChannelConfiguration, ConfigurationVersion, Credential, Setup
from channels.providers import registry
from channels.providers.base import Step
from common.errors import Conflict
from common.wording import kept, rewritten
from common.wording import worded as _

State = ConfigurationVersion.State
SETUP = tuple(field.name for field in Setup._meta.local_fields)
PLAIN = tuple(name for name in SETUP if name not in ("settings", "credential"))
LONGEST = 25  # seconds a rehearsal may take: somebody is waiting for the page


def setup_of(row: Setup) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SETUP}


def base_of(configuration: ChannelConfiguration) -> Setup:
    """What an update begins with: what serves, or the newer version that failed and is to be mended."""
    newest = configuration.versions.select_related("credential").first()
    if newest and newest.state == State.FAILED and configuration.status == Status.ACTIVE:
        apply_at_once(newest, setup_of(configuration))
        return newest
    return configuration


def apply_at_once(row: Setup, setup: dict[str, Any]) -> list[str]:
    """Takes over into `row`, unsaved, what no other side has to be asked about. Returns what changed."""
    given = {name: value for name, value in setup["settings"].items() if name in sending.AT_ONCE}
    changed = [f"settings.{name}" for name, value in given.items() if row.settings.get(name) != value]
    if row.kind != setup["kind"]:
        changed.append("kind")
    row.kind, row.settings = setup["kind"], {**row.settings, **given}
    return changed


def begin(
    configuration: ChannelConfiguration, setup: dict[str, Any], *, actor: Actor, now: datetime
) -> ConfigurationVersion:
    """A version to be checked. The configuration is locked, and no check of it runs."""
    left = configuration.versions.filter(state=State.PROCESSING)
    left.update(state=State.FAILED, steps=[_step(_("Ended"), "failed", _("The check was cut off."))])
    last = configuration.versions.aggregate(last=Max("number"))["last"] or 0
    version = ConfigurationVersion.objects.create(
        configuration=configuration,
        number=last + 1,
        changes=list(_changes(configuration, setup)),
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
        **setup,
    )
    if configuration.status != Status.ACTIVE:
        configuration.status, configuration.changed_at = Status.PROCESSING, now
        configuration.save(update_fields=["status", "changed_at"])
    return version


def check(version: ConfigurationVersion, *, actor: Actor, now: datetime) -> ConfigurationVersion:
    """Holds the dialogue and settles the version. Raises Conflict when it took so long that another began."""
    steps: list[dict[str, Any]] = []
    try:
        steps = rehearse(_candidate(version))
    finally:
        passed = bool(steps) and all(step["verdict"] != "failed" for step in steps)
        _settle(version, State.PASSED if passed else State.FAILED, steps, actor, now)
    return version


def rehearse(configuration: ChannelConfiguration) -> list[dict[str, Any]]:
    """The real dialogue, up to where a message would be handed over, and a look at the sender's domain."""
    provider = registry.get(configuration.provider)
    getattr(configuration, "credential")  # noqa: B009  loaded here: in an event loop the ORM may not be asked
    try:
        held = asyncio.run(asyncio.wait_for(provider.rehearse(configuration), LONGEST))
    except TimeoutError:
        slow = _("The other side did not finish within %(seconds)s seconds.") % {"seconds": LONGEST}
        held = [Step(_("Wait"), False, slow)]
    steps = [_step(step.name, "good" if step.is_ok else "failed", step.said) for step in held]
    if configuration.channel == "email":
        steps += [_step(*one) for one in mailboxes.rehearse(configuration)]
        steps += [_step(_("Look at the sender’s domain"), *domains.verdict_on_sender(configuration))]
    return steps


def _step(name: str, verdict: str, said: str) -> dict[str, Any]:
    return {"name": kept(name), "verdict": verdict, "said": kept(rewritten(said, _printable))}


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:500]


def _candidate(version: ConfigurationVersion) -> ChannelConfiguration:
    """The configuration as it would be, never to be saved."""
    served = version.configuration
    return ChannelConfiguration(
        pk=served.pk,
        workspace=served.workspace,
        name=served.name,
        channel=served.channel,
        status=served.status,
        **setup_of(version),
    )


def _settle(
    version: ConfigurationVersion, state: str, steps: list[dict[str, Any]], actor: Actor, now: datetime
) -> None:
    with transaction.atomic():
        rows = ChannelConfiguration.objects.select_for_update(of=("self",)).select_related("workspace")
        configuration = rows.get(pk=version.configuration_id)
        running = ConfigurationVersion.objects.filter(pk=version.pk, state=State.PROCESSING)
        if not running.update(state=state, steps=steps):
            raise Conflict(_("Somebody else began another check of this configuration meanwhile."))
        version.state, version.steps = state, steps
        if state == State.PASSED:
            _serve(configuration, version, now)
        elif configuration.status == Status.PROCESSING:
            configuration.status = Status.FAILED
            configuration.save(update_fields=["status"])
        verb = {State.PASSED: "activate", State.FAILED: "fail"}[State(state)]
        workspace = configuration.workspace
        audit.record(
            actor=actor, verb=verb, obj=configuration, workspace=workspace, now=now, version=version.number
        )
    version.configuration = configuration


def _serve(configuration: ChannelConfiguration, version: ConfigurationVersion, now: datetime) -> None:
    for name, value in setup_of(version).items():
        setattr(configuration, name, value)
    configuration.status, configuration.serving, configuration.changed_at = Status.ACTIVE, version.number, now
    configuration.save()
    _forget_secrets(configuration)


def _forget_secrets(configuration: ChannelConfiguration) -> None:
    """What no longer serves keeps its history but not its secret."""
    past = configuration.versions.exclude(credential=configuration.credential).exclude(credential=None)
    secrets = list(past.values_list("credential", flat=True))
    past.update(credential=None)
    Credential.objects.filter(pk__in=secrets).delete()


def _changes(configuration: ChannelConfiguration, setup: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """What differs from what serves; of a secret only that it was entered anew."""
    if configuration.serving is None and configuration.status != Status.ACTIVE:
        return
    for name in PLAIN:
        if getattr(configuration, name) != setup[name]:
            yield {"field": name, "before": getattr(configuration, name), "after": setup[name]}
    before, after = configuration.settings, setup["settings"]
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield {"field": f"settings.{key}", "before": before.get(key), "after": after.get(key)}
    if configuration.credential != setup["credential"]:
        yield {"field": "secret", "before": None, "after": None}
