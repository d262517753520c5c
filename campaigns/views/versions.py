"""The versions of a campaign, side by side; and what its review compares with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.doors.callers import actor_of
from accounts.models import User
from campaigns import access, approvals, compare
from campaigns import versions as frozen
from campaigns.models import Campaign, Version
from campaigns.views.common import campaign_of
from common.errors import Invalid


@login_required
@require_safe
def versions(request: HttpRequest, pk: int) -> HttpResponse:
    """`?old=` and `?new=` are numbers; `new` may be the draft."""
    campaign = campaign_of(request, pk)
    every = list(campaign.versions.exclude(number=0).order_by("-number"))
    by_number = {str(one.number): one for one in every}
    new = by_number.get(request.GET.get("new", ""))
    if new is None and not campaign.is_editable:
        new = every[0] if every else None
    earlier = [one for one in every if new is None or one.number < new.number]
    old = by_number.get(request.GET.get("old", "")) or (earlier[0] if earlier else None)
    page = {
        "campaign": campaign,
        "versions": every,
        "old": old,
        "new": new,
        "shows_all": bool(request.GET.get("all")),
        **(side_by_side(campaign, old, new, actor_of(request)) if old else {"differences": None}),
    }
    return render(request, "campaigns/versions.html", page)


def side_by_side(campaign: Campaign, old: Version, new: Version | None, actor: User) -> dict[str, Any]:
    """The differences and their headings; without `new` the draft is compared."""
    try:
        after = new.definition if new else frozen.definition(campaign)
    except Invalid:
        return {"differences": None}
    found = compare.differences(
        old.definition,
        after,
        campaign.workspace,
        hides_audience=bool(access.hidden_audiences(actor, [campaign])),
        hidden=access.hidden_configurations(actor),
    )
    return {
        "differences": found,
        "old_title": _title(campaign, old),
        "new_title": _title(campaign, new),
        "changed": sum(one.is_changed for one in found),
    }


def _title(campaign: Campaign, version: Version | None) -> str:
    if version is None:
        return _("The draft")
    if version.pk == campaign.live_version_id:
        return _("Version %(number)s, live") % {"number": version.number}
    if version.fingerprint in approvals.fingerprints_approved(campaign):
        return _("Version %(number)s, approved") % {"number": version.number}
    return _("Version %(number)s") % {"number": version.number}


def before_this(campaign: Campaign) -> Version | None:
    """What a reviewer compares with: the live version, else the one that was approved last; where none was,
    the one that was frozen before the present.
    """
    if campaign.live_version_id and campaign.is_being_modified:
        return campaign.live_version
    earlier = campaign.versions.exclude(number=0).order_by("-number")
    if campaign.version and not campaign.is_editable:
        earlier = earlier.filter(number__lt=campaign.version.number)
    return (
        earlier.filter(fingerprint__in=approvals.fingerprints_approved(campaign)).first() or earlier.first()
    )
