"""Two who edit the same thing: whoever saves second hears who was faster, and their text is not lost."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.models import Campaign, ContentTemplate, Fragment
from common.errors import Conflict


def require_unchanged(locked: Campaign | ContentTemplate | Fragment, revision: int) -> None:
    """`revision` is the one the reader began with. Raises Conflict where another was saved since."""
    if locked.revision != revision:
        detail = _("%(who)s saved it at %(at)s. Your text is still here; load the page to see theirs.")
        saved_at = timezone.localtime(locked.changed_at)
        raise Conflict(detail % {"who": locked.edited_by or _("Somebody"), "at": f"{saved_at:%H:%M:%S}"})
