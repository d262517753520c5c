"""Over which channels a campaign goes: a configuration for each message, and whom each reaches."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from accounts.access import visible_to
from accounts.models import User
from campaigns.models import Action, Campaign
from channels.access import VIEW
from channels.contents import SHAPES
from channels.kinds import KINDS
from channels.models import ChannelConfiguration


def channel_choices() -> list[tuple[str, Any]]:
    return [(key, KINDS[key].label) for key in SHAPES if key in KINDS]


class ChannelsForm(forms.Form):
    revision = forms.IntegerField(widget=forms.HiddenInput)
    reach = forms.ChoiceField(
        label=gettext_lazy("Who gets which"), choices=Campaign.Reach, required=False, widget=forms.RadioSelect
    )

    def __init__(
        self, *args: Any, campaign: Campaign, actions: list[Action], actor: User, **kwargs: Any
    ) -> None:
        self.campaign, self.actions = campaign, actions
        chosen = {f"configuration_{one.position}": one.configuration_id for one in actions}
        initial = {"revision": campaign.revision, "reach": campaign.reach, **chosen}
        kwargs.setdefault("initial", initial)
        super().__init__(*args, **kwargs)
        for action in actions:
            self.fields[f"configuration_{action.position}"] = forms.ModelChoiceField(
                label=gettext_lazy("Channel configuration"),
                queryset=_usable(campaign, action, actor),
                required=False,
                empty_label=gettext_lazy("Choose one"),
            )

    def rows(self) -> list[tuple[Action, Any, Any]]:
        return [
            (one, KINDS[one.channel].label, self[f"configuration_{one.position}"]) for one in self.actions
        ]

    def chosen(self) -> dict[int, ChannelConfiguration | None]:
        return {one.position: self.cleaned_data[f"configuration_{one.position}"] for one in self.actions}


def _usable(campaign: Campaign, action: Action, actor: User) -> QuerySet[ChannelConfiguration]:
    """The active ones of the campaign's category that the author may see; what stands chosen stays."""
    mine = ChannelConfiguration.objects.filter(workspace=campaign.workspace, channel=action.channel)
    active = mine.filter(kind=campaign.category, status=ChannelConfiguration.Status.ACTIVE)
    seen = visible_to(actor, active, VIEW)
    return mine.filter(Q(pk__in=seen.values("pk")) | Q(pk=action.configuration_id)).order_by("name")
