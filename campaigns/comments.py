"""Comments on a campaign. `@name` or `@address` of somebody who may see it tells them."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import people_who_may, require
from accounts.models import User
from campaigns import alerts
from campaigns.access import VIEW
from campaigns.models import Campaign, Comment
from common.errors import Invalid, Problem

LONGEST = 2000
ADDRESS = re.compile(r"@([\w.+-]+@[\w.-]+\w)")


@transaction.atomic
def add(campaign: Campaign, *, text: str, actor: User, now: datetime) -> Comment:
    """For everybody who may see the campaign, in any state of it."""
    require(actor, VIEW, campaign)
    text = text.replace("\0", "").strip()
    if not text or len(text) > LONGEST:
        detail = _("Write between 1 and %(most)s characters.") % {"most": LONGEST}
        raise Invalid(Problem("bad_comment", detail, "text"))
    row = Comment.objects.create(campaign=campaign, author=actor, text=text, at=now)
    where = campaign.workspace
    audit.record(actor=actor, verb="comment", obj=campaign, workspace=where, now=now, comment_id=row.pk)
    alerts.tell("mention", mentioned(campaign, text), campaign, actor=actor, now=now, comment=text)
    return row


def mentioned(campaign: Campaign, text: str) -> list[User]:
    """Whom the text names with an @, of those who may see the campaign; a longer name wins over a shorter."""
    people = list(people_who_may(VIEW, campaign))
    addresses = {found.casefold() for found in ADDRESS.findall(text)}
    found = [one for one in people if one.email.casefold() in addresses]
    rest = text.casefold()
    for one in sorted(people, key=lambda person: -len(person.name)):
        name = f"@{one.name.casefold()}"
        if len(name) > 1 and name in rest:
            rest = rest.replace(name, " ")
            found.append(one)
    return list(dict.fromkeys(found))
