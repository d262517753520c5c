"""What people are told about campaigns, and who they are. `accounts.notices` writes and delivers it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.access import SYSTEM, Actor
from accounts.models import User
from accounts.notices import Kind
from campaigns.models import Campaign, Follow

KINDS = (
    Kind(
        "approval_requested",
        _("Somebody asks me for an approval"),
        _("%(who)s asks you to approve “%(campaign)s”."),
    ),
    Kind("approval_reminder", _("An approval is waiting for me"), _("“%(campaign)s” still waits for you.")),
    Kind("approval_given", _("My campaign is approved"), _("%(who)s approved “%(campaign)s”.")),
    Kind(
        "changes_requested",
        _("Changes to my campaign are requested"),
        _("%(who)s asks for changes to “%(campaign)s”."),
    ),
    Kind(
        "approval_cancelled",
        _("A request to me is cancelled"),
        _("The request to approve “%(campaign)s” is cancelled."),
    ),
    Kind("mention", _("Somebody names me in a comment"), _("%(who)s names you at “%(campaign)s”.")),
    Kind("campaign_failed", _("A campaign I follow failed"), _("“%(campaign)s” failed.")),
    Kind("campaign_held", _("A campaign I follow is held"), _("“%(campaign)s” is held and sends nothing.")),
    Kind("campaign_stalled", _("A campaign I follow does not move"), _("“%(campaign)s” sends nothing now.")),
    Kind("campaign_missed", _("A campaign I follow missed its time"), _("“%(campaign)s” missed its time.")),
    Kind(
        "campaign_low_delivery",
        _("Many messages of a campaign I follow do not arrive"),
        _("Many messages of “%(campaign)s” do not arrive."),
    ),
    Kind(
        "campaign_complaints",
        _("A campaign I follow is often marked as junk"),
        _("“%(campaign)s” is often marked as junk."),
    ),
    Kind(
        "campaign_finished",
        _("A campaign I follow is completed"),
        _("“%(campaign)s” is completed."),
        mail=False,
    ),
    Kind(
        "feedback_off",
        _("A feedback webhook is switched off"),
        _("“%(endpoint)s” takes no feedback and is switched off."),
    ),
)
OF_VERBS = {"fail": "campaign_failed", "complete": "campaign_finished"}


def tell(
    kind: str,
    people: Iterable[User],
    campaign: Campaign,
    *,
    actor: Actor = SYSTEM,
    now: datetime,
    comment: str = "",
    once: str = "",
) -> None:
    """`comment` is what was said, or why it happened."""
    values = {"who": str(actor), "campaign": campaign.name, "comment": comment}
    address = page_of(campaign.pk)
    notices.tell(kind, people, obj=campaign, address=address, actor=actor, now=now, once=once, **values)


def page_of(campaign_id: int) -> str:
    """Written here, as a worker ends campaigns: to look it up would load every page of the house."""
    return f"/campaigns/{campaign_id}/"


def followers(campaign: Campaign) -> list[User]:
    """Its owner, its makers, who activated it and who asked to hear of it; but nobody who wants not to."""
    own = {
        campaign.owner_id,
        campaign.created_by_id,
        campaign.edited_by_id,
        campaign.submitted_by_id,
        campaign.activated_by_id,
    }
    wishes = dict(Follow.objects.filter(campaign=campaign).values_list("user", "wants"))
    wanted = (own | {user for user, wants in wishes.items() if wants}) - {
        user for user, wants in wishes.items() if not wants
    }
    return list(User.objects.filter(pk__in=[pk for pk in wanted if pk]))


def tell_followers(
    kind: str, campaign: Campaign, *, actor: Actor = SYSTEM, now: datetime, comment: str = "", once: str = ""
) -> None:
    tell(kind, followers(campaign), campaign, actor=actor, now=now, comment=comment, once=once)


def tell_of_move(campaign: Campaign, verb: str, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Called after each move of a campaign; most are of no news to anybody."""
    kind = OF_VERBS.get(verb, "campaign_held" if verb == "pause" and actor is SYSTEM else "")
    if kind:
        tell_followers(kind, campaign, actor=actor, now=now, comment=reason)


def follow(campaign: Campaign, user: User, *, wants: bool) -> None:
    Follow.objects.update_or_create(campaign=campaign, user=user, defaults={"wants": wants})


def follows(campaign: Campaign, user: User) -> bool:
    return user in followers(campaign)
