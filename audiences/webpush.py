"""A browser subscribes to web push: the subscription becomes an identity, and the wording shown its consent.

Who is meant is the person of a signed link, else somebody new who has nothing but this browser. A browser
that subscribed for somebody else before belongs to who uses it now.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audiences import consent, profiles
from audiences.models import Identity, Profile
from channels.kinds import KINDS
from channels.models import ChannelConfiguration
from common.errors import NotFound

CHANNEL, SOURCE = "webpush", "web push page"


def configuration_at(pk: int) -> ChannelConfiguration:
    """The active configuration of a public page. Raises NotFound."""
    rows = ChannelConfiguration.objects.select_related("workspace").filter(
        pk=pk, channel=CHANNEL, status=ChannelConfiguration.Status.ACTIVE
    )
    found = rows.first()
    if found is None or not found.settings.get("public_key"):
        raise NotFound(_("There is no such page."))
    return found


def name_of(configuration: ChannelConfiguration) -> str:
    return str(configuration.settings.get("site_name") or configuration.workspace.name)


def wording(configuration: ChannelConfiguration) -> str:
    """What the page says, and what is kept as the evidence of consent."""
    return _("I want notifications of %(name)s in this browser.") % {"name": name_of(configuration)}


@transaction.atomic
def subscribe(
    configuration: ChannelConfiguration, subscription: str, *, person: Profile | None, now: datetime
) -> Profile:
    """Raises Invalid `bad_subscription`."""
    cleaned, workspace = KINDS[CHANNEL].clean(subscription), configuration.workspace
    if person is None or person.workspace_id != workspace.pk:
        person = profiles.find_or_create(workspace, CHANNEL, cleaned, now)
    held, is_new = Identity.objects.get_or_create(
        workspace=workspace,
        namespace=CHANNEL,
        value=cleaned,
        defaults={"profile": person, "created_at": now},
    )
    if not is_new and held.profile_id != person.pk:
        held.profile = person
        held.save(update_fields=["profile"])
    consent.say(
        person,
        channel=CHANNEL,
        state="yes",
        source=SOURCE,
        wording=wording(configuration),
        actor=None,
        now=now,
    )
    return person
