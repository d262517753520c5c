"""One thing that is wrong, in words for who has to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _


class Severity(models.TextChoices):
    ERROR = "error", _("Mend this now")
    WARNING = "warning", _("Look at this")
    INFO = "info", _("Good to know")


ORDER = list(Severity)


@dataclass(frozen=True)
class Finding:
    """`where` names the part, row or setting; `advice` is a sentence that begins with what to do."""

    code: str
    severity: Severity
    what: str
    where: str
    advice: str
