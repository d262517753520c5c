"""The one line a person gives a thing as its name or its description."""

from __future__ import annotations

from django.utils.translation import gettext as _

from common.errors import Invalid, Problem
from common.text import has_control, is_blank

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 300


def clean_name(text: str) -> str:
    """Without the spaces around it. Raises Invalid, pointing to `name`."""
    name = text.strip()
    if is_blank(name) or len(name) > LONGEST_NAME or has_control(name):
        detail = _("Give a name of 1 to 100 characters on one line.")
        raise Invalid(Problem("bad_name", detail, "name"))
    return name


def clean_description(text: str) -> str:
    """Without the spaces around it; it may be empty. Raises Invalid, pointing to `description`."""
    description = text.strip()
    if len(description) > LONGEST_DESCRIPTION or has_control(description):
        detail = _("A description of up to 300 characters on one line.")
        raise Invalid(Problem("bad_description", detail, "description"))
    return description
