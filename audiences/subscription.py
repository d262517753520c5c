"""Subscribing to a topic from outside, confirmed by a mail to the address (double opt-in).

Whoever types an address learns nothing about it: the answer is always the same. A Confirmation row is the
durable queue; `send_due` claims what is due, hands it over and notes the outcome. Only the owner of the
mailbox can turn “pending” into “yes”, and only by pressing a button: link scanners press none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences import consent, lastlook
from audiences.consent import Said
from audiences.models import Confirmation, Consent, ConsentState, Profile, SubscriptionCount, Topic
from audiences.preferences import allowed, marketing_wording
from channels.kinds import clean_email
from common import tokens
from common.errors import Conflict, TooMany

CHANNEL, PURPOSE = "email", "confirm"
SOURCE, CONFIRMED = "subscription page", "double opt-in"
VALID, PAUSE = timedelta(days=7), timedelta(hours=1)  # of a link; between two mails to one address
MOST_PER_NETWORK = 20  # in an hour

COUNT = """
INSERT INTO audiences_subscriptioncount AS c (network, hour, asked) VALUES (%s, %s, 1)
ON CONFLICT (network, hour) DO UPDATE SET asked = c.asked + 1 RETURNING asked
"""
# A mail that waits is not doubled, and the next one leaves an hour after the last at the earliest.
QUEUE = """
INSERT INTO audiences_confirmation AS c
    (profile_id, topic_id, wording, language, asked_at, due_at, tries, problem)
VALUES (%(profile)s, %(topic)s, %(wording)s, %(language)s, %(now)s, %(now)s, 0, '')
ON CONFLICT (profile_id, topic_id) DO UPDATE SET
    wording = EXCLUDED.wording, language = EXCLUDED.language, asked_at = EXCLUDED.asked_at,
    confirmed_at = NULL, problem = '', tries = 0,
    due_at = GREATEST(EXCLUDED.asked_at, c.sent_at + %(pause)s)
WHERE c.due_at IS NULL
"""


# ---- asking ---------------------------------------------------------------------------------------
def topic_at(workspace: str, key: str) -> Topic | None:
    """The topic of a public address, while it is offered."""
    rows = Topic.objects.select_related("workspace")
    return rows.filter(workspace__slug=workspace, key=key, is_public=True, archived_at=None).first()


def count_network(network: str, *, now: datetime) -> None:
    """Raises TooMany after 20 calls of one network in an hour. To be committed whatever comes next."""
    name = hashlib.blake2b(
        network.encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=16
    ).hexdigest()
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, (name, hour))
        asked = cursor.fetchone()[0]
    if asked > MOST_PER_NETWORK:
        raise TooMany(_("Too many addresses were given from your network. Try again in an hour."))


@transaction.atomic
def ask(topic: Topic, *, address: str, wording: str, language: str, now: datetime) -> None:
    """Somebody gave an address and was shown the wording. Raises Invalid for what is no address.

    The topic of a person who said no before is confirmed always, whoever they are now.
    """
    cleaned = clean_email(address)
    if lastlook.blocked(topic.workspace_id, [(None, cleaned)], channel=CHANNEL, category="transactional"):
        return
    locale = "zh-Hant" if language == "zh-hant" else language
    person, is_new = Profile.objects.get_or_create(
        workspace=topic.workspace,
        email=cleaned,
        defaults={"locale": locale, "created_at": now, "changed_at": now},
    )
    whole, of_topic = states(person.pk, topic.pk)
    if of_topic == ConsentState.YES and allowed(whole):
        return
    if not topic.double_opt_in and allowed(whole) and of_topic != ConsentState.NO:
        _say(topic.workspace, person.pk, topic.pk, ConsentState.YES, SOURCE, wording, now)
        return
    if is_new:  # nothing at all goes to an address that nobody confirmed
        _say(topic.workspace, person.pk, None, ConsentState.PENDING, SOURCE, wording, now)
    _say(topic.workspace, person.pk, topic.pk, ConsentState.PENDING, SOURCE, wording, now)
    values: dict[str, Any] = {"profile": person.pk, "topic": topic.pk, "now": now, "pause": PAUSE}
    with connection.cursor() as cursor:
        cursor.execute(QUEUE, {**values, "wording": wording, "language": language})


def states(profile_id: int, topic_id: int) -> tuple[str | None, str | None]:
    """What the person said of the whole channel, and of the topic."""
    rows = Consent.objects.filter(profile=profile_id, channel=CHANNEL)
    said: dict[int | None, str] = dict(rows.values_list("topic_id", "state"))
    return said.get(None), said.get(topic_id)


def _say(
    workspace: Workspace,
    profile_id: int,
    topic_id: int | None,
    state: str,
    source: str,
    wording: str,
    now: datetime,
) -> None:
    said = Said(profile_id, CHANNEL, state, source, wording, topic_id)
    consent.say_all(workspace, [said], actor=None, now=now)


# ---- confirming -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Question:
    """What the owner of the mailbox is asked. `also` is there when the whole channel is closed now."""

    row: Confirmation
    wording: str
    also: str


def url_of(row: Confirmation, *, now: datetime) -> str:
    expires = int((now + VALID).timestamp())
    token = tokens.sign(PURPOSE, row.pk.to_bytes(8, "big") + expires.to_bytes(5, "big"))
    return str(settings.LINKS_URL) + reverse("people_public:confirm", args=[token])


def question_of(token: str, *, now: datetime) -> Question | None:
    """None for a link that is forged, a week old, or older than the person's last “no”."""
    payload = tokens.read(PURPOSE, token)
    if payload is None or len(payload) != 13 or int.from_bytes(payload[8:], "big") < now.timestamp():
        return None
    number = int.from_bytes(payload[:8], "big", signed=True)
    row = Confirmation.objects.select_related("profile", "topic__workspace").filter(pk=number).first()
    if row is None or _withdrawn_since(row):
        return None
    whole, _of_topic = states(row.profile_id, row.topic_id)
    also = "" if allowed(whole) else marketing_wording(row.topic.workspace.name, CHANNEL)
    return Question(row, row.wording, also)


def _withdrawn_since(row: Confirmation) -> bool:
    said_no = Consent.objects.filter(profile=row.profile_id, channel=CHANNEL, state=ConsentState.NO)
    about = said_no.filter(topic=None) | said_no.filter(topic=row.topic_id)
    return about.filter(at__gt=row.asked_at).exists()


@transaction.atomic
def confirm(question: Question, *, now: datetime) -> None:
    """The person's own act. Pressed twice, it is one. Raises Conflict when they said no in this moment."""
    row = Confirmation.objects.select_for_update(of=("self",)).select_related("topic__workspace")
    held = row.filter(pk=question.row.pk).first()
    if held is None or _withdrawn_since(held):
        raise Conflict(_("This link has been overtaken: you unsubscribed since."))
    if held.confirmed_at is not None:
        return
    workspace = held.topic.workspace
    if question.also:
        _say(workspace, held.profile_id, None, ConsentState.YES, CONFIRMED, question.also, now)
    _say(workspace, held.profile_id, held.topic_id, ConsentState.YES, CONFIRMED, question.wording, now)
    held.confirmed_at, held.due_at = now, None
    held.save(update_fields=["confirmed_at", "due_at"])


def forget_networks(now: datetime) -> None:
    SubscriptionCount.objects.filter(hour__lt=now - 2 * PAUSE).delete()
