"""The lock before the send: a version goes out only with what was asked for when it was activated.

`grant` is called by the activate verb alone. The clock, the fan-out and the sender each ask
`fault_of`, so that no way to a message passes by the approval.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from accounts import orders
from campaigns import approvals, versions
from campaigns.models import ApprovalRequest, Campaign, Run, Version
from common.errors import IllegalTransition

MANAGE, PUBLISH = "campaigns.manage_campaign", "campaigns.publish_campaign"


def require_approval(campaign: Campaign) -> None:
    """Raises IllegalTransition where an approval is asked for and the frozen version has none."""
    if approvals.asks(campaign.workspace) and not has_approval(campaign.version):
        raise IllegalTransition(
            _("This workspace asks for an approval first. Request approval."), code="approval_required"
        )


def has_approval(version: Version | None) -> bool:
    """One that still stands, and was given for exactly this content."""
    return (
        version is not None
        and ApprovalRequest.objects.filter(
            version=version, fingerprint=version.fingerprint, state=ApprovalRequest.State.APPROVED
        ).exists()
    )


def grant(campaign: Campaign, version: Version, *, now: datetime) -> None:
    """Notes on the version that it was activated, and whether it needed an approval for that."""
    version.needs_approval = approvals.asks(campaign.workspace)
    version.cleared_at = now
    version.save(update_fields=["needs_approval", "cleared_at"])


def fault_of(run: Run) -> str:
    """Why the run may not send, in a sentence; empty when it may. Proofs reach our own people only."""
    version, campaign = run.version, run.campaign
    if run.kind == Run.Kind.PROOF:
        return ""
    ordered = campaign.ordered_by or (f"user:{campaign.activated_by_id}" if campaign.activated_by_id else "")
    if not orders.may_still(ordered, PUBLISH, campaign):
        who = orders.name_of(ordered)
        return _("%(who)s, who activated it, may not publish it any more.") % {"who": who}
    return _fault_of_version(version, campaign)


def fault_of_order(run: Run) -> str:
    """Why a run that somebody ordered by itself, a proof or a call, may not go on; empty when it may."""
    right = MANAGE if run.kind == Run.Kind.PROOF else PUBLISH
    if orders.may_still(run.ordered_by, right, run.campaign):
        return ""
    return _("%(who)s, who ordered it, may not do so any more.") % {"who": orders.name_of(run.ordered_by)}


def require_unchanged(campaign: Campaign) -> None:
    """Raises IllegalTransition where what would be sent is not what was cleared."""
    version = campaign.live_version or campaign.version
    if version and (fault := _fault_of_version(version, campaign)):
        raise IllegalTransition(fault, code="not_cleared")


def _fault_of_version(version: Version, campaign: Campaign) -> str:
    if versions.fingerprint(version.definition) != version.fingerprint:
        return _("What it would send is not what was frozen.")
    if version.cleared_at is None:
        return _("It was never activated with an approval.") if approvals.asks(campaign.workspace) else ""
    if not version.needs_approval:
        return ""
    if not has_approval(version):
        return _("Its approval does not stand any more.")
    if versions.setups(version.definition) != versions.setups_now(version.definition):
        return _("A channel configuration that it uses has changed since it was approved.")
    return ""
