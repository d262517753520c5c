"""Forms around approvals: what goes with a request, a comment, a stand-in, and a policy with its people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import people_who_may
from accounts.models import Role, User, Workspace
from audiences.reachability import CHANNELS
from campaigns import policies
from campaigns.approvals import APPROVE
from campaigns.models import ApprovalPolicy, Campaign, Folder
from campaigns.policybook import MOST
from common.text import whole_number

if TYPE_CHECKING:
    PolicyFormBase = forms.ModelForm[ApprovalPolicy]
else:
    PolicyFormBase = forms.ModelForm  # cannot be subscripted while running

ROWS, GROUPS = 4, 3  # that stand there at least; one that is full shows more the next time
FIELD_LABELS = {
    "type": _("Type is"),
    "category": _("Category is"),
    "channel": _("Channel is"),
    "tag": _("Tag is"),
    "name": _("Name contains"),
    "audience_size": _("Audience has at least"),
    "requester": _("Requested by"),
    "requester_role": _("Requested by somebody who is"),
    "folder": _("Folder is"),
}
MATCHES = [("all", _("all of them")), ("any", _("any of them"))]


def end_of(day: Any) -> datetime:
    """The last minute of a day where the reader is: midnight would be told as the day after."""
    return timezone.make_aware(datetime.combine(day, time(23, 59)))


def start_of(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _day(label: Any, **options: Any) -> forms.DateField:
    return forms.DateField(
        label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **options
    )


class RequestForm(forms.Form):
    comment = forms.CharField(
        label=_("Message to the approvers"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    due = _day(_("Decide by"), required=False)


class StandInForm(forms.Form):
    stand_in = forms.ChoiceField(label=_("Who decides in your place"))
    first = _day(_("First day"))
    last = _day(_("Last day"))

    def __init__(self, workspace: Workspace, person: User, data: Any = None) -> None:
        super().__init__(data)
        able = people_who_may(APPROVE, workspace).exclude(pk=person.pk)
        choice = self.fields["stand_in"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(str(one.pk), str(one)) for one in able]


class PolicyForm(PolicyFormBase):
    """Conditions are rows of a field and a value; approvers are up to three groups of people and roles.

    A condition with few values is chosen with its value, so the form needs no JavaScript; the text beside it
    belongs to the three that are free: tag, name and size.
    """

    match = forms.ChoiceField(label=_("Applies where a campaign meets"), choices=MATCHES)
    between = forms.ChoiceField(
        label=_("Between the groups"),
        choices=[("all", _("every group must agree")), ("any", _("one group is enough"))],
    )

    class Meta:
        model = ApprovalPolicy
        fields = ["name", "description", "priority", "is_default", "remind_hours"]

    def __init__(self, workspace: Workspace, data: Any = None, instance: Any = None) -> None:
        super().__init__(data, instance=instance)
        self.workspace = workspace
        row = self.instance
        self.initial["match"] = row.conditions.get("match", "all")
        self.initial["between"] = row.approvers.get("match", "all")
        rows, groups = row.conditions.get("rows", []), _groups_of(row.approvers)
        self.condition_rows = self._room("field", rows, ROWS)
        self.group_rows = self._room("match", groups, GROUPS)
        self._add_conditions(rows)
        self._add_groups(groups)

    def _room(self, name: str, kept: Sequence[Any], least: int) -> range:
        """As many rows as were posted, or as are kept and one more."""
        posted = [key.removeprefix(name) for key in self.data]
        numbers = [number for key in posted if (number := whole_number(key, 99)) is not None]
        return range(min(MOST, max(least, len(kept) + 1, *(number + 1 for number in numbers))))

    def _add_conditions(self, rows: list[dict[str, Any]]) -> None:
        choices = [("", _("Choose a condition")), *self._condition_choices(rows)]
        for at in self.condition_rows:
            row = rows[at] if at < len(rows) else {}
            self.fields[f"field{at}"] = forms.ChoiceField(
                label=_("Condition %(number)s") % {"number": at + 1}, choices=choices, required=False
            )
            self.fields[f"value{at}"] = forms.CharField(
                label=_("Value of condition %(number)s") % {"number": at + 1}, required=False, max_length=100
            )
            self.initial[f"field{at}"], self.initial[f"value{at}"] = _as_choice(row)

    def _condition_choices(self, rows: list[dict[str, Any]]) -> list[tuple[str, Any]]:
        """Fields that have few values are choices with their value; the rest take a text or a number. What a
        condition names and is no longer there stays to be seen: a row that is blank would be dropped.
        """
        people = User.objects.filter(groups__role__workspace=self.workspace).distinct().order_by("name")
        roles = Role.objects.filter(workspace=self.workspace).order_by("pk")
        named: list[tuple[str, list[tuple[Any, Any]]]] = [
            ("type", list(Campaign.Type.choices)),
            ("category", list(Campaign.Category.choices)),
            ("channel", list(CHANNELS.items())),
            ("requester", [(one.pk, one) for one in people]),
            ("requester_role", [(one.pk, one.label) for one in roles]),
            ("folder", [(one.pk, one) for one in Folder.objects.filter(workspace=self.workspace)]),
        ]
        free = [(key, FIELD_LABELS[key]) for key in ("tag", "name", "audience_size")]
        choices = [
            (f"{key}:{value}", f"{FIELD_LABELS[key]} {label}")
            for key, values in named
            for value, label in values
        ]
        chosen = {_as_choice(row)[0]: FIELD_LABELS[row["field"]] for row in rows}
        gone = chosen.keys() - {key for key, _label in [*free, *choices]}
        what = gettext("%(condition)s what is no longer here")
        return [*free, *choices, *((key, what % {"condition": chosen[key]}) for key in sorted(gone))]

    def _add_groups(self, groups: list[tuple[str, list[str]]]) -> None:
        choices = self._people(list(policies.leaves(self.instance.approvers)))
        for at in self.group_rows:
            match, chosen = groups[at] if at < len(groups) else ("any", [])
            self.fields[f"who{at}"] = forms.MultipleChoiceField(
                label=_("Group %(number)s") % {"number": at + 1},
                choices=choices,
                required=False,
                widget=forms.CheckboxSelectMultiple,
            )
            self.fields[f"match{at}"] = forms.ChoiceField(
                label=_("Of group %(number)s") % {"number": at + 1},
                choices=[("any", _("one of them is enough")), ("all", _("all of them must agree"))],
            )
            self.initial[f"who{at}"], self.initial[f"match{at}"] = chosen, match

    def _people(self, named: list[dict[str, int]]) -> list[tuple[str, str]]:
        """Who may approve, and who is named already and may no more: nobody is dropped unseen."""
        able = people_who_may(APPROVE, self.workspace)
        roles = Role.objects.filter(workspace=self.workspace, permissions__codename="approve_campaign")
        choices = [
            *((f"role:{one.pk}", one.label) for one in roles.order_by("pk")),
            *((f"user:{one.pk}", str(one)) for one in able),
        ]
        known = {key for key, _name in choices}
        members = User.objects.filter(groups__role__workspace=self.workspace).distinct()
        past: list[tuple[str, str]] = [
            *((f"role:{one.pk}", one.label) for one in Role.objects.filter(workspace=self.workspace)),
            *((f"user:{one.pk}", str(one)) for one in members),
        ]
        still = {f"{kind}:{pk}" for leaf in named for kind, pk in leaf.items()} - known
        may_not = gettext("%(name)s (may not approve)")
        return [*choices, *((key, may_not % {"name": name}) for key, name in past if key in still)]

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        rows = [
            _as_row(given[f"field{at}"], given[f"value{at}"])
            for at in self.condition_rows
            if given[f"field{at}"]
        ]
        groups = [
            {"match": given[f"match{at}"], "of": [_as_leaf(text) for text in given[f"who{at}"]]}
            for at in self.group_rows
            if given[f"who{at}"]
        ]
        return {
            **{name: given[name] for name in self.Meta.fields},
            "conditions": {"match": given["match"], "rows": rows},
            "approvers": {"match": given["between"], "of": groups},
        }


def _as_row(field: str, value: str) -> dict[str, Any]:
    """A choice carries its value; a number is one where the field wants it."""
    name, has_value, chosen = field.partition(":")
    text = chosen if has_value else value.strip()
    is_number = name in ("requester", "requester_role", "folder", "audience_size")
    number = whole_number(text) if is_number else None
    return {"field": name, "value": text if number is None else number}


def _as_choice(row: dict[str, Any]) -> tuple[str, str]:
    if not row:
        return "", ""
    if row["field"] in ("tag", "name", "audience_size"):
        return row["field"], str(row["value"])
    return f"{row['field']}:{row['value']}", ""


def _as_leaf(text: str) -> dict[str, int]:
    kind, _colon, number = text.partition(":")
    return {kind: int(number)}


def _groups_of(tree: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A tree made elsewhere may hold people beside groups: each becomes a group of one."""
    groups: list[Any] = [
        child if "of" in child else {"match": "any", "of": [child]} for child in tree.get("of", [])
    ]
    return [
        (group["match"], [f"{kind}:{pk}" for leaf in group["of"] for kind, pk in leaf.items()])
        for group in groups
    ]
