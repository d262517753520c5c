"""What people write back: a word that stops, starts again or asks for help changes consent and is answered.

Each reply is claimed and applied in one transaction; only then is it answered, so that a second try never
answers twice. Once it is applied, who wrote and what is forgotten here; what it changed stands in the
person's history of consent.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction

from accounts.models import Workspace
from audiences import addresses, consent, profiles, suppression
from audiences.models import Profile, Suppression
from channels import received
from channels.keywords import WORDS, Asked, asked
from channels.messages import Rendered
from channels.models import ChannelConfiguration, ReceivedReply
from channels.providers import registry
from channels.providers.keywords_form import answer_to, words_of
from common.errors import Invalid

log = structlog.get_logger(__name__)

PAGE = 200
NAMESPACES = {"sms": "phone", "whatsapp": "phone", "line": "line_id"}
FOLLOWED = "Followed the account"  # the wording kept with the consent of one who follows
BY_REPLY = "unsubscribed by reply"


class Answer(NamedTuple):
    configuration: ChannelConfiguration
    key: str
    recipient: str
    text: str


def apply(now: datetime) -> int:
    """Applies everything that waits, and answers. Returns how many replies that were."""
    applied = 0
    while True:
        with transaction.atomic():
            waiting = ReceivedReply.objects.filter(
                applied_at__isnull=True, received_at__gt=now - received.KEPT_UNKNOWN
            )
            page = list(
                waiting.select_for_update(of=("self",), skip_locked=True)
                .select_related("configuration__workspace", "configuration__credential")
                .order_by("pk")[:PAGE]
            )
            answers = [answer for one in page if (answer := _apply(one, now)) is not None]
            ReceivedReply.objects.filter(pk__in=[one.pk for one in page]).update(
                applied_at=now, sender="", text=""
            )
        if answers:
            asyncio.run(_answer(answers))
        applied += len(page)
        if len(page) < PAGE:
            return applied


def _apply(reply: ReceivedReply, now: datetime) -> Answer | None:
    configuration = reply.configuration
    namespace = NAMESPACES.get(configuration.channel)
    own_words = words_of(configuration)
    meant = Asked(reply.asks) if reply.asks else asked(reply.text, words={**WORDS, **own_words})
    if namespace is None or meant is None:
        return None
    try:
        if meant is Asked.STOP:
            _stop(configuration, namespace, reply.sender, now)
        elif meant is Asked.START:
            _start(configuration, namespace, reply, now)
    except Invalid as error:  # a sender that is no address of the channel, as a short code is
        log.info("reply not applied", configuration=configuration.pk, code=error.code)
        return None
    text = answer_to(configuration, meant)
    if not text or reply.asks == Asked.STOP:  # who left the account cannot be written to
        return None
    return Answer(configuration, f"reply:{reply.pk}", reply.sender, text)


def _stop(configuration: ChannelConfiguration, namespace: str, sender: str, now: datetime) -> None:
    """A number nobody is known by stops too: it goes on the list. So does one that may stand with several
    people, in a field of the workspace's choice.
    """
    person = profiles.find(configuration.workspace, namespace, sender)
    channel = configuration.channel
    if person is not None:
        consent.withdraw(profile_id=person.pk, channel=channel, source="reply", now=now)
    is_elsewhere = addresses.in_use(configuration.workspace)[channel] != {namespace}
    if namespace == "phone" and (person is None or is_elsewhere):
        suppression.suppress(
            workspace_id=configuration.workspace_id,
            channel=channel,
            address=sender,
            reason=BY_REPLY,
            now=now,
        )


def _start(configuration: ChannelConfiguration, namespace: str, reply: ReceivedReply, now: datetime) -> None:
    """Who follows a LINE account is a person from now on; who writes START has to be known already."""
    workspace: Workspace = configuration.workspace
    channel, is_follow = configuration.channel, bool(reply.asks)
    person: Profile | None
    if is_follow and channel == "line":
        person = profiles.find_or_create(workspace, namespace, reply.sender, now)
    else:
        person = profiles.find(workspace, namespace, reply.sender)
        Suppression.objects.filter(
            workspace=workspace, channel=channel, address=reply.sender, reason=BY_REPLY
        ).delete()
    if person is not None:
        wording = FOLLOWED if is_follow else reply.text.strip()
        source = "follow" if is_follow else "reply"
        consent.say(person, channel=channel, state="yes", source=source, wording=wording, actor=None, now=now)


async def _answer(answers: list[Answer]) -> None:
    """Whatever becomes of an answer, it is not tried again."""
    for one in answers:
        lane = registry.get(one.configuration.provider).open(one.configuration)
        try:
            outcome = await lane.send(Rendered(one.key, one.recipient, "", "", "", "", "", one.text))
            log.info("reply answered", configuration=one.configuration.pk, fact=outcome.fact)
        finally:
            await lane.close()
