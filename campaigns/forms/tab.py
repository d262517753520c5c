"""What every tab of the editor is: a form of one draft at one revision."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from campaigns.models import Action, Campaign
from common.errors import CarillonError, Invalid
from common.text import whole_number

NEAREST, FARTHEST = 2000, 2199  # years a database and every time zone can hold without overflowing


class DraftForm(forms.Form):
    """`revision` is what the page showed; a save on an older one is refused. `over` is pressed by an author
    who was told of a later revision and means to replace it; a still later one is refused again.
    """

    revision = forms.IntegerField(widget=forms.HiddenInput)
    is_late = False  # somebody saved since, or it is no draft any more

    def clean_revision(self) -> int:
        over = whole_number(str(self.data.get("over", "")), 10**9 - 1)
        return int(self.cleaned_data["revision"]) if over is None else over

    def refuse(self, error: CarillonError) -> None:
        """Why a save was refused: at its fields, where it is a fault of what stands in them."""
        if not isinstance(error, Invalid):
            self.is_late = True
            self.add_error(None, error.detail)
            return
        for problem in error.problems:
            name = problem.pointer.strip("/")
            self.add_error(name if name in self.fields else None, problem.detail)


class TabForm(DraftForm):
    """One tab of the editor."""

    def __init__(self, *args: Any, campaign: Campaign, actor: User, **kwargs: Any) -> None:
        self.campaign, self.actor = campaign, actor
        self.action: Action = campaign.actions.all()[0]
        kwargs.setdefault("initial", {"revision": campaign.revision, **self.present()})
        super().__init__(*args, **kwargs)

    def present(self) -> dict[str, Any]:
        """What the draft holds now."""
        raise NotImplementedError

    def cleaned(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "revision"}
