"""What waits for one approver: the open requests they may decide, in a constant number of queries."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from accounts.access import Actor, rights_on
from accounts.models import AuditEntry, Role, User, Workspace
from campaigns import access, policies
from campaigns.approvals import APPROVE
from campaigns.models import ApprovalRequest, StandIn


def open_requests(reader: Actor, workspace: Workspace) -> list[ApprovalRequest]:
    """Every open request of a campaign the reader may see, what is due first in front."""
    mine = access.list_for(reader, workspace)
    rows = ApprovalRequest.objects.filter(state=ApprovalRequest.State.OPEN, campaign__in=mine)
    rows = rows.select_related("campaign__workspace", "policy", "requested_by", "version")
    return list(rows.prefetch_related("decisions__by").order_by("due_at", "requested_at"))


def waiting_for(
    person: User, workspace: Workspace, *, now: datetime, among: list[ApprovalRequest] | None = None
) -> list[ApprovalRequest]:
    """Those of them that the person has been asked for, and has not decided."""
    rows = open_requests(person, workspace) if among is None else among
    if not rows:
        return []
    rights = rights_on(person, [row.campaign for row in rows])
    editors = _last_editors([row.campaign_id for row in rows])
    speaks = _speaks_for(person, workspace, now)

    def is_asked(row: ApprovalRequest) -> bool:
        campaign = row.campaign
        own = {campaign.created_by_id, campaign.edited_by_id, campaign.submitted_by_id}
        own.add(editors.get(campaign.pk))
        if person.pk in own or APPROVE not in rights[campaign.pk]:
            return False
        if any(one.by_id == person.pk and one.verdict == "approve" for one in row.decisions.all()):
            return False
        users = [user for user in speaks if user not in own]
        roles = frozenset(role for user in users for role in speaks[user])
        word = policies.Word(person.pk, frozenset(users), roles)
        named = list(policies.leaves(row.approvers))
        return not named or any(word.fits(leaf) for leaf in named)

    return [row for row in rows if is_asked(row)]


def _last_editors(campaigns: list[int]) -> dict[int, int]:
    keys = [str(pk) for pk in campaigns]
    saves = AuditEntry.objects.filter(object_type="campaigns.campaign", object_key__in=keys, verb="save")
    last = saves.filter(actor_key__startswith="user:").order_by("object_key", "-pk").distinct("object_key")
    found = last.values_list("object_key", "actor_key")
    return {int(key): int(actor.removeprefix("user:")) for key, actor in found}


def _speaks_for(person: User, workspace: Workspace, now: datetime) -> dict[int, set[int]]:
    """The person and those whose stand-in they are now, each with their roles."""
    period = Q(begins_at__lte=now, ends_at__gt=now, workspace=workspace)
    stands_for = StandIn.objects.filter(period, stand_in=person).values_list("person", flat=True)
    speaks: dict[int, set[int]] = {pk: set() for pk in (person.pk, *stands_for)}
    held = Role.objects.filter(workspace=workspace, user__in=speaks)
    for user, role in held.values_list("user", "pk"):
        speaks[user].add(role)
    return speaks
