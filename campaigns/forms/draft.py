"""The editor's forms. They check shapes only; what stands between a draft and its sending is `validation.py`.

`cleaned()` gives what `drafts.save` takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from audiences.access import choosable
from audiences.models import Audience
from campaigns.access import hidden_audiences
from campaigns.forms.schedule import ScheduleForm
from campaigns.forms.tab import TabForm
from campaigns.models import Campaign
from channels.models import ChannelConfiguration, RuleSet, RuleState
from channels.rendering import CONTROLS

if TYPE_CHECKING:
    AudienceChoiceBase = forms.ModelChoiceField[Audience]
else:  # cannot be subscripted while running
    AudienceChoiceBase = forms.ModelChoiceField


class NewCampaignForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    type = forms.ChoiceField(label=_("Type"), choices=Campaign.Type, widget=forms.RadioSelect)
    category = forms.ChoiceField(label=_("Category"), choices=Campaign.Category, widget=forms.RadioSelect)


class PropertiesForm(TabForm):
    name = forms.CharField(label=_("Name"), max_length=150)
    description = forms.CharField(
        label=_("Description"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    tags = forms.CharField(label=_("Tags"), required=False, help_text=_("Separate them with commas."))
    configuration = forms.ModelChoiceField(
        label=_("Channel configuration"), queryset=ChannelConfiguration.objects.none(), required=False
    )
    rule_set = forms.ModelChoiceField(
        label=_("Rule set"),
        queryset=RuleSet.objects.none(),
        required=False,
        empty_label=_("None of its own"),
        help_text=_("Frequency caps and quiet hours beside those that hold for everything."),
    )
    on_uncertain = forms.ChoiceField(
        label=_("When it is uncertain whether a message left"), choices=Campaign.OnUncertain
    )
    create_profiles = forms.BooleanField(
        label=_("Create new profiles for unknown recipients"), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["configuration"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = ChannelConfiguration.objects.filter(
            workspace=self.campaign.workspace,
            kind=self.campaign.category,
            status=ChannelConfiguration.Status.ACTIVE,
        )
        rules = self.fields["rule_set"]
        assert isinstance(rules, forms.ModelChoiceField)
        rules.queryset = RuleSet.objects.filter(
            workspace=self.campaign.workspace, is_global=False, state=RuleState.ACTIVE
        )
        if self.campaign.category != Campaign.Category.MARKETING:
            del self.fields["rule_set"]
        if self.campaign.type != Campaign.Type.API_TRIGGERED:
            del self.fields["create_profiles"]

    def present(self) -> dict[str, Any]:
        draft = self.campaign
        return {
            "name": draft.name,
            "description": draft.description,
            "tags": ", ".join(draft.tags),
            "configuration": self.action.configuration_id,
            "rule_set": draft.rule_set_id,
            "on_uncertain": draft.on_uncertain,
            "create_profiles": draft.create_profiles,
        }

    def clean_tags(self) -> list[str]:
        parts = (part.strip().lstrip("#")[:50] for part in self.cleaned_data["tags"].split(","))
        return sorted({part for part in parts if part}, key=str.lower)


class AudienceChoice(AudienceChoiceBase):
    """`hidden` may stay chosen, but is not named."""

    hidden: set[int] = set()

    def label_from_instance(self, obj: Any) -> str:
        return str(_("An audience you may not see")) if obj.pk in self.hidden else str(obj)


class AudienceForm(TabForm):
    audience = AudienceChoice(
        label=_("Audience"), queryset=Audience.objects.none(), required=False, empty_label=_("Choose one")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["audience"]
        assert isinstance(chooser, AudienceChoice)
        chooser.hidden = hidden_audiences(self.actor, [self.campaign])
        chooser.queryset = choosable(self.actor, self.campaign.workspace, chosen=self.campaign.audience_id)

    def present(self) -> dict[str, Any]:
        return {"audience": self.campaign.audience_id}


class ContentForm(TabForm):
    subject = forms.CharField(label=_("Subject"), required=False, max_length=500)
    preheader = forms.CharField(
        label=_("Preview line"),
        required=False,
        max_length=500,
        help_text=_("Shown after the subject in a mailbox."),
    )
    html = forms.CharField(
        label=_("Message (HTML)"),
        required=False,
        max_length=500_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "mono"}),
    )
    text = forms.CharField(
        label=_("Text version"),
        required=False,
        max_length=500_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("Empty: it is made from the message."),
    )

    def present(self) -> dict[str, Any]:
        return {name: self.action.content.get(name, "") for name in ("subject", "preheader", "html", "text")}

    def _one_line(self, name: str) -> str:
        value = str(self.cleaned_data[name])
        if CONTROLS.search(value):
            raise forms.ValidationError(_("A line break or control character cannot stand here."))
        return value

    def clean_subject(self) -> str:
        return self._one_line("subject")

    def clean_preheader(self) -> str:
        return self._one_line("preheader")


TABS: dict[str, tuple[Any, type[TabForm]]] = {
    "properties": (_("Properties"), PropertiesForm),
    "audience": (_("Audience"), AudienceForm),
    "content": (_("Content"), ContentForm),
    "schedule": (_("Schedule"), ScheduleForm),
}


def tabs_of(campaign: Campaign) -> dict[str, tuple[Any, type[TabForm]]]:
    """An API-triggered campaign has no audience: its recipients stand in the call."""
    has_audience = campaign.type == Campaign.Type.SCHEDULED
    return {key: tab for key, tab in TABS.items() if has_audience or key != "audience"}


def sample_fields(workspace: Workspace) -> list[tuple[str, str]]:
    """Every personal field with a sample value, for the picker."""
    from audiences import context
    from audiences.models import Profile
    from audiences.typed import written

    first = Profile.objects.filter(workspace=workspace).order_by("-is_test", "pk").first()
    values = context.contexts([first.pk], workspace.pk)[first.pk] if first else {}
    return [(f"profile.{name}", written(values.get(name, ""))) for name in sorted(context.names(workspace))]
