"""What still stands between a draft and its first message: a pure function of the campaign.

The editor, the review page, the API and the activate verb all ask it. Errors block, warnings do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.access import SYSTEM, Actor, lacking_labels, may
from audiences import evaluate
from audiences.models import Audience
from campaigns import approvals, content_findings, schedule_findings, versions
from campaigns.access import MANAGE, PUBLISH
from campaigns.models import Action, Campaign, Status
from channels.kinds import KINDS
from channels.models import ChannelConfiguration, RuleState
from common.errors import Invalid

LEVELS = ERROR, WARNING = "error", "warning"
VARIANTS = "languages/"  # the page of languages and treatments, below the content


@dataclass(frozen=True)
class Finding:
    """`source` is the editor's tab, `field` the form field it belongs to, `query` what to ask the tab for, or
    the page below it.
    """

    code: str
    level: str
    source: str
    field: str
    message: str
    query: str = ""

    @property
    def is_error(self) -> bool:
        return self.level == ERROR


def validate(campaign: Campaign, *, now: datetime, actor: Actor = SYSTEM) -> list[Finding]:
    """Every finding, errors first. Rights and labels are the actor's; the product itself lacks none."""
    found = [*_rights(campaign, actor), *_version(campaign), *_audience(campaign)]
    found += [*_labels(campaign, actor), *_schedule(campaign, now)]
    found += [*_rule_set(campaign), *_languages(campaign), *_actions(campaign)]
    return sorted(found, key=lambda finding: not finding.is_error)


def _error(code: str, source: str, field: str, message: str) -> Finding:
    return Finding(code, ERROR, source, field, message)


def _rights(campaign: Campaign, actor: Actor) -> Iterator[Finding]:
    """2.54 of the catalogue: who may neither manage nor publish it will not get it out."""
    if not campaign.draft_state or may(actor, PUBLISH, campaign):
        return
    if not may(actor, MANAGE, campaign):
        message = _("You may neither edit nor activate it. An administrator can give you the right.")
        yield _error("permission_missing", "properties", "owner", message)
    elif not approvals.asks(campaign.workspace):
        message = _("You may not activate it. Somebody who may publish campaigns has to do that.")
        yield Finding("permission_to_publish", WARNING, "properties", "owner", message)


def _version(campaign: Campaign) -> Iterator[Finding]:
    """2.58 of the catalogue: from review on there must be a frozen version, and it must be what is there."""
    if campaign.draft_state not in (Status.IN_REVIEW, Status.APPROVED):
        return
    frozen = campaign.version
    if frozen is None or frozen.fingerprint != versions.fingerprint(versions.definition(campaign)):
        message = _("Nothing that could be sent is frozen any more. Send it back to draft and ask again.")
        yield _error("version_missing", "properties", "name", message)


def _audience(campaign: Campaign) -> Iterator[Finding]:
    if campaign.type == Campaign.Type.API_TRIGGERED:
        return
    if campaign.audience is None:
        yield _error("audience_missing", "audience", "audience", _("Choose whom it goes to."))
        return
    if campaign.audience.state != Audience.State.PUBLISHED:
        message = _("The audience is not published. Publish it, or choose another one.")
        yield _error("audience_not_published", "audience", "audience", message)
    elif campaign.audience.counted_at is None:
        message = _("The audience was never counted. Look at its size before you send.")
        yield Finding("audience_not_counted", WARNING, "audience", "audience", message)
    if campaign.workspace.only_rule_audiences and campaign.audience.kind != Audience.Kind.RULE:
        message = _("This workspace sends to audiences made by a rule only. “%(name)s” is none.")
        yield _error("audience_kind", "audience", "audience", message % {"name": campaign.audience.name})
    yield from _left_out(campaign)
    try:
        evaluate.targets(
            evaluate.definition(campaign.audience),
            workspace_id=campaign.workspace_id,
            channel="email",
            category=campaign.category,
        )
    except Invalid as error:
        yield _error("audience_broken", "audience", "audience", error.detail)


def _left_out(campaign: Campaign) -> Iterator[Finding]:
    for audience in campaign.exclusions.all():
        if audience.state != Audience.State.PUBLISHED:
            message = _("An audience that is left out is not published.")
            yield _error("exclusion_not_published", "audience", "exclusions", message)


def _labels(campaign: Campaign, actor: Actor) -> Iterator[Finding]:
    """2.52 and 2.53 of the catalogue; which label it is, is not for everybody to know."""
    if lacking_labels(actor, campaign):
        message = _("It carries an access label that you do not hold.")
        yield _error("label_of_campaign", "properties", "labels", message)
    if campaign.audience and lacking_labels(actor, campaign.audience):
        message = _("The audience carries an access label that you do not hold.")
        yield _error("label_of_audience", "audience", "audience", message)


def _schedule(campaign: Campaign, now: datetime) -> Iterator[Finding]:
    actions = list(campaign.actions.all())
    for code, is_error, field, message in schedule_findings.findings(campaign, actions, now):
        level = ERROR if is_error else WARNING
        if field == "experiment":
            yield Finding(code, level, "content", field, message, VARIANTS)
        else:
            yield Finding(code, level, "schedule", field, message)


def _rule_set(campaign: Campaign) -> Iterator[Finding]:
    chosen = campaign.rule_set
    if chosen and (chosen.state != RuleState.ACTIVE or chosen.is_global):
        message = _("The rule set “%(name)s” is not active. Activate it, or choose another one.")
        yield _error("rule_set_inactive", "properties", "rule_set", message % {"name": chosen.name})


def _languages(campaign: Campaign) -> Iterator[Finding]:
    """2.66 of the catalogue: who reads none of the languages has to get one of them, or nothing by choice."""
    if campaign.languages.get("others") and not campaign.languages.get("default"):
        message = _("Choose the language for everybody who reads none of the others.")
        yield Finding("language_fallback", ERROR, "content", "languages", message, VARIANTS)


def _actions(campaign: Campaign) -> Iterator[Finding]:
    actions = list(campaign.actions.select_related("configuration"))
    if not actions:
        yield _error("action_missing", "content", "subject", _("There is no message yet."))
    for action in actions:
        for fault in _configuration(campaign, action):
            if len(actions) > 1:
                where = f"{KINDS[action.channel].label} {action.position + 1}"
                told = _("%(where)s: %(told)s") % {"where": where, "told": fault.message}
                fault = replace(fault, message=told)
            yield fault
    yield from _contents(campaign, actions)


def _configuration(campaign: Campaign, action: Action) -> Iterator[Finding]:
    chosen = action.configuration
    field = ("channels", f"configuration_{action.position}")
    if chosen is None or chosen.workspace_id != campaign.workspace_id:
        yield _error("configuration_missing", *field, _("Choose a channel configuration."))
    elif chosen.status != ChannelConfiguration.Status.ACTIVE:
        message = _("“%(name)s” is not active. Choose another one, or ask an administrator to activate it.")
        yield _error("configuration_inactive", *field, message % {"name": chosen.name})
    elif chosen.channel != action.channel:
        message = _("“%(name)s” is for another channel. Choose another one.")
        yield _error("configuration_channel", *field, message % {"name": chosen.name})
    elif chosen.kind != campaign.category:
        message = _("“%(name)s” is for %(kind)s messages; this campaign is not.")
        named = {"name": chosen.name, "kind": chosen.get_kind_display()}
        yield _error("configuration_kind", *field, message % named)


def _contents(campaign: Campaign, actions: list[Action]) -> Iterator[Finding]:
    for one in content_findings.findings(campaign, actions):
        level = ERROR if one.is_error else WARNING
        yield Finding(one.code, level, "content", one.field, one.message, one.query)
