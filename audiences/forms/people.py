"""What a browser may send about a person: what we know of them, an identity, and a search."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from audiences.attributes import definitions_of, zone_of
from audiences.models import AttributeDefinition, Profile
from audiences.namespaces import namespaces_of
from audiences.typed import MOST_TEXT, Type, written

ATTRIBUTE = "attribute_"  # before the key, in the names of the fields
LOCAL = "%Y-%m-%dT%H:%M:%S"


class ProfileForm(forms.Form):
    """What may be corrected by hand; its meaning is checked by the verbs. One field per attribute."""

    locale = forms.CharField(
        label=gettext_lazy("Language"),
        max_length=35,
        required=False,
        help_text=gettext_lazy("Such as zh-TW."),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Such as Asia/Taipei."),
    )
    is_test = forms.BooleanField(
        label=gettext_lazy("Test profile: offered first for previews"), required=False
    )
    is_untracked = forms.BooleanField(
        label=gettext_lazy("Do not record what this person opens and clicks"), required=False
    )
    seen = forms.DateTimeField(widget=forms.HiddenInput, required=False)

    def __init__(
        self, *args: Any, workspace: Workspace, person: Profile | None = None, **kwargs: Any
    ) -> None:
        self.definitions = definitions_of(workspace)
        if person is not None:
            kwargs["initial"] = _initial(person, self.definitions, zone_of(workspace))
        super().__init__(*args, **kwargs)
        for definition in self.definitions.values():
            self.fields[ATTRIBUTE + definition.key] = _field(definition)

    def facts(self) -> list[Any]:
        return [self["locale"], self["time_zone"], self["is_test"], self["is_untracked"]]

    def attribute_fields(self) -> list[Any]:
        return [self[ATTRIBUTE + key] for key in self.definitions]

    def attributes(self) -> dict[str, Any]:
        """What was changed, by key; an attribute that was not sent stays as it is."""
        return {
            key: self.cleaned_data[ATTRIBUTE + key] or None
            for key in self.definitions
            if ATTRIBUTE + key in self.changed_data and ATTRIBUTE + key in self.data
        }


def _initial(
    person: Profile, definitions: Mapping[str, AttributeDefinition], zone: ZoneInfo
) -> dict[str, Any]:
    first: dict[str, Any] = {
        "locale": person.locale,
        "time_zone": person.time_zone,
        "is_test": person.is_test,
        "is_untracked": person.is_untracked,
        "seen": person.changed_at.isoformat(),
    }
    for key, definition in definitions.items():
        first[ATTRIBUTE + key] = _shown(definition, person.attributes.get(key), zone)
    return first


def _shown(definition: AttributeDefinition, value: Any, zone: ZoneInfo) -> str:
    """A stored value as its field shows it; moments in the workspace's zone."""
    text = written(value)
    if definition.type == Type.DATE_TIME and text:
        try:
            return datetime.fromisoformat(text).astimezone(zone).strftime(LOCAL)
        except (ValueError, OverflowError):
            return text
    return text


def _field(definition: AttributeDefinition) -> forms.Field:
    label = str(definition)
    if definition.type == Type.BOOLEAN:
        words = [("", "—"), ("true", gettext_lazy("yes")), ("false", gettext_lazy("no"))]
        return forms.CharField(label=label, required=False, widget=forms.Select(choices=words))
    if definition.type == Type.CHOICE:
        options = [("", "—"), *((choice, choice) for choice in definition.choices)]
        return forms.CharField(label=label, required=False, widget=forms.Select(choices=options))
    widget: forms.Widget = forms.TextInput()
    if definition.type == Type.NUMBER:
        widget = forms.TextInput(attrs={"inputmode": "decimal"})
    elif definition.type == Type.DATE:
        widget = forms.TextInput(attrs={"type": "date"})
    elif definition.type == Type.DATE_TIME:
        widget = forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
    is_list = definition.type == Type.LIST
    return forms.CharField(
        label=label,
        required=False,
        widget=widget,
        max_length=None if is_list else MOST_TEXT,
        help_text=gettext_lazy("Separate the items with a semicolon.") if is_list else "",
    )


class IdentityForm(forms.Form):
    namespace = forms.ChoiceField(label=gettext_lazy("Namespace"))
    value = forms.CharField(label=gettext_lazy("Value"), max_length=500)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["namespace"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [(one.key, one.label) for one in namespaces_of(workspace).values()]


class NewPersonForm(ProfileForm):
    """A new person has at least one identity."""

    namespace = forms.ChoiceField(label=gettext_lazy("Namespace"))
    value = forms.CharField(label=gettext_lazy("Value"), max_length=500)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, workspace=workspace, **kwargs)
        chooser = self.fields["namespace"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [(one.key, one.label) for one in namespaces_of(workspace).values()]
