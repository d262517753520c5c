"""Over which channels a campaign goes: a configuration for each message, and whom each reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from campaigns.access import hidden_configurations
from campaigns.configurations import usable
from campaigns.forms.tab import DraftForm
from campaigns.models import Action, Campaign
from channels.contents import SHAPES
from channels.kinds import KINDS
from channels.models import ChannelConfiguration

if TYPE_CHECKING:
    ConfigurationChoiceBase = forms.ModelChoiceField[ChannelConfiguration]
else:  # cannot be subscripted while running
    ConfigurationChoiceBase = forms.ModelChoiceField


def channel_choices() -> list[tuple[str, Any]]:
    return [(key, KINDS[key].label) for key in SHAPES if key in KINDS]


class ConfigurationChoice(ConfigurationChoiceBase):
    """What stands chosen is offered to everybody, and named only to who may see it."""

    hidden: set[int] = set()

    def label_from_instance(self, obj: Any) -> str:
        return str(_("A configuration you may not see")) if obj.pk in self.hidden else str(obj)


class ChannelsForm(DraftForm):
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
        hidden = hidden_configurations(actor)
        for action in actions:
            chooser = ConfigurationChoice(
                label=gettext_lazy("Channel configuration"),
                queryset=_usable(campaign, action, actor),
                required=False,
                empty_label=gettext_lazy("Choose one"),
            )
            chooser.hidden = hidden
            self.fields[f"configuration_{action.position}"] = chooser

    def rows(self) -> list[tuple[Action, Any, Any]]:
        return [
            (one, KINDS[one.channel].label, self[f"configuration_{one.position}"]) for one in self.actions
        ]

    def chosen(self) -> dict[int, ChannelConfiguration | None]:
        return {one.position: self.cleaned_data[f"configuration_{one.position}"] for one in self.actions}


def _usable(campaign: Campaign, action: Action, actor: User) -> QuerySet[ChannelConfiguration]:
    """What stands chosen stays."""
    mine = ChannelConfiguration.objects.filter(workspace=campaign.workspace, channel=action.channel)
    seen = usable(campaign.workspace, channel=action.channel, category=campaign.category, actor=actor)
    return mine.filter(Q(pk__in=seen.values("pk")) | Q(pk=action.configuration_id)).order_by("name")
