"""The editor's forms. They check shapes only; what stands between a draft and its sending is `validation.py`.

`cleaned()` gives what `drafts.save` takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from audiences.access import choosable
from audiences.models import Audience, AudienceMember
from campaigns.access import hidden_audiences
from campaigns.forms.schedule import ScheduleForm
from campaigns.forms.tab import TabForm
from campaigns.models import Campaign, Folder
from channels.models import RuleSet, RuleState

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
    folder = forms.ModelChoiceField(
        label=_("Folder"), queryset=Folder.objects.none(), required=False, empty_label=_("In no folder")
    )
    owner = forms.ModelChoiceField(
        label=_("Owner"), queryset=User.objects.none(), required=False, empty_label=_("Nobody")
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
    high_throughput = forms.BooleanField(
        label=_("High throughput"),
        required=False,
        help_text=_("Calls bring everything themselves: no profile is looked up, and none is made."),
    )
    enable_webhooks = forms.BooleanField(
        label=_("Tell the feedback webhooks"),
        required=False,
        help_text=_("What becomes of its messages is told to the workspace’s feedback webhooks."),
    )
    ignores_opens = forms.BooleanField(
        label=_("Do not record who opens an email"),
        required=False,
        help_text=_("No picture of one pixel tells when it is opened."),
    )
    ignores_clicks = forms.BooleanField(
        label=_("Do not record who follows a link"),
        required=False,
        help_text=_("Links lead straight to where they lead, and nobody counts them."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        where = self.campaign.workspace
        folder, owner, rules = self.fields["folder"], self.fields["owner"], self.fields["rule_set"]
        assert isinstance(folder, forms.ModelChoiceField) and isinstance(owner, forms.ModelChoiceField)
        assert isinstance(rules, forms.ModelChoiceField)
        folder.queryset = Folder.objects.filter(workspace=where)
        members = User.objects.filter(is_active=True, groups__role__workspace=where)
        # Who left, or was switched off, stays where it is chosen already.
        here = Q(pk__in=members.values("pk")) | Q(pk=self.campaign.owner_id)
        owner.queryset = User.objects.filter(here).order_by("name")
        active = Q(state=RuleState.ACTIVE) | Q(pk=self.campaign.rule_set_id)
        rules.queryset = RuleSet.objects.filter(active, workspace=where, is_global=False)
        if self.campaign.category != Campaign.Category.MARKETING:
            del self.fields["rule_set"]
        if self.campaign.type != Campaign.Type.API_TRIGGERED:
            del self.fields["create_profiles"], self.fields["high_throughput"]

    def present(self) -> dict[str, Any]:
        draft = self.campaign
        return {
            "name": draft.name,
            "description": draft.description,
            "tags": ", ".join(draft.tags),
            "rule_set": draft.rule_set_id,
            "folder": draft.folder_id,
            "owner": draft.owner_id,
            "on_uncertain": draft.on_uncertain,
            "create_profiles": draft.create_profiles,
            "high_throughput": draft.high_throughput,
            "enable_webhooks": draft.enable_webhooks,
            "ignores_opens": draft.ignores_opens,
            "ignores_clicks": draft.ignores_clicks,
        }

    def clean_tags(self) -> list[str]:
        """Without regard to case: the first way of writing one stays."""
        parts = (part.strip().lstrip("#").strip()[:50] for part in self.cleaned_data["tags"].split(","))
        once = {part.lower(): part for part in reversed([part for part in parts if part])}
        return sorted(once.values(), key=str.lower)


class AudienceChoice(AudienceChoiceBase):
    """`hidden` may stay chosen, but is not named."""

    hidden: set[int] = set()

    def label_from_instance(self, obj: Any) -> str:
        return str(_("An audience you may not see")) if obj.pk in self.hidden else str(obj)


class AudienceForm(TabForm):
    audience = AudienceChoice(
        label=_("Audience"), queryset=Audience.objects.none(), required=False, empty_label=_("Choose one")
    )
    exclusions = forms.ModelMultipleChoiceField(
        label=_("Left out"),
        queryset=Audience.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Who is in one of these gets nothing, whatever else they are in."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["audience"]
        assert isinstance(chooser, AudienceChoice)
        chooser.hidden = hidden_audiences(self.actor, [self.campaign])
        chooser.queryset = choosable(self.actor, self.campaign.workspace, chosen=self.campaign.audience_id)
        left_out = self.fields["exclusions"]
        assert isinstance(left_out, forms.ModelMultipleChoiceField)
        left_out.queryset = choosable(self.actor, self.campaign.workspace)
        if not left_out.queryset:
            del self.fields["exclusions"]

    def present(self) -> dict[str, Any]:
        chosen = self.campaign.exclusions.values_list("pk", flat=True)
        return {"audience": self.campaign.audience_id, "exclusions": list(chosen)}

    def cleaned(self) -> dict[str, Any]:
        """What is left out already and is not shown to this person stays left out."""
        found = super().cleaned()
        if "exclusions" in found:
            shown = {one.pk for one in self.fields["exclusions"].queryset}  # type: ignore[attr-defined]
            hidden = [one for one in self.campaign.exclusions.all() if one.pk not in shown]
            found["exclusions"] = [*found["exclusions"], *hidden]
        return found


FORMS: dict[str, type[TabForm]] = {
    "properties": PropertiesForm,
    "audience": AudienceForm,
    "schedule": ScheduleForm,
}
TABS: dict[str, Any] = {
    "properties": _("Properties"),
    "audience": _("Audience"),
    "channels": _("Channels"),
    "content": _("Content"),
    "schedule": _("Schedule"),
}


def tabs_of(campaign: Campaign) -> dict[str, Any]:
    """An API-triggered campaign has no audience: its recipients stand in the call."""
    has_audience = campaign.type == Campaign.Type.SCHEDULED
    return {key: tab for key, tab in TABS.items() if has_audience or key != "audience"}


def sample_memberships(audience: Audience | None) -> list[tuple[str, str]]:
    """Every field the audience keeps of its people, with the first value there is."""
    from audiences.typed import written

    if audience is None or not audience.fields:
        return []
    members = AudienceMember.objects.filter(audience=audience).exclude(fields={})
    first = members.order_by("profile_id").values_list("fields", flat=True).first() or {}
    return [(f"audience.{name}", written(first.get(name, ""))) for name in audience.fields]


def sample_fields(workspace: Workspace) -> list[tuple[str, str]]:
    """Every personal field with a sample value, for the picker."""
    from audiences import context
    from audiences.models import Profile
    from audiences.typed import written

    first = Profile.objects.filter(workspace=workspace).order_by("-is_test", "pk").first()
    values = context.contexts([first.pk], workspace.pk)[first.pk] if first else {}
    return [(f"profile.{name}", written(values.get(name, ""))) for name in sorted(context.names(workspace))]
