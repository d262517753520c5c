"""The verbs of an audience: make one by rule, make one for uploads, change a rule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from audiences.access import MANAGE
from audiences.models import Audience
from audiences.rules.compile import compile_rule
from common.errors import IllegalTransition, Invalid, Problem


@transaction.atomic
def create(
    workspace: Workspace, *, name: str, kind: str, rule: Any = None, actor: Actor, now: datetime
) -> Audience:
    """Raises Invalid for a wrong rule (with its place in the tree) or a name that is taken."""
    require(actor, MANAGE, workspace)
    rule = {} if rule is None else rule
    compile_rule(rule, workspace)
    try:
        with transaction.atomic():
            audience = Audience.objects.create(
                workspace=workspace,
                name=name,
                kind=kind,
                rule=rule,
                created_by=actor if isinstance(actor, User) else None,
                created_at=now,
                changed_at=now,
            )
    except IntegrityError as error:
        detail = _("There is an audience called “%(name)s” already.") % {"name": name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
    audit.record(actor=actor, verb="create", obj=audience, workspace=workspace, now=now)
    return audience


@transaction.atomic
def change_rule(audience: Audience, *, rule: Any, actor: Actor, now: datetime) -> Audience:
    """Running campaigns keep the rule they were approved with; drafts see the new one."""
    require(actor, MANAGE, audience)
    if audience.kind != Audience.Kind.RULE:
        raise IllegalTransition(_("This audience was uploaded; it has no rule."))
    compile_rule(rule, audience.workspace)
    before, audience.rule, audience.changed_at = audience.rule, rule, now
    audience.counted = None
    audience.save(update_fields=["rule", "changed_at", "counted"])
    audit.record(
        actor=actor,
        verb="save",
        obj=audience,
        workspace=audience.workspace,
        now=now,
        before=before,
        after=rule,
    )
    return audience
