"""Fetches bounces from the mailboxes of configurations, each mail once.

That a mail is done and what it meant are written in one transaction, so a worker may die anywhere: the next
one begins behind the last mail that counted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction

from campaigns.tracking import returned
from channels import imap, mailboxes
from channels.models import BounceMailbox
from common import failpoints

log = structlog.get_logger(__name__)

BOXES, MAILS = 10, 200  # in one turn


def read_due(clock: Callable[[], datetime]) -> int:
    """Returns how many mails were read."""
    read = 0
    for _turn in range(BOXES):
        box = mailboxes.claimed(clock())
        if box is None:
            break
        read += _read(box, clock)
    return read


def _read(box: BounceMailbox, clock: Callable[[], datetime]) -> int:
    read = 0
    try:
        with mailboxes.opened(box, clock()) as folder:
            if folder.validity != box.validity:
                mailboxes.begin_anew(box, folder.validity)
            for uid in folder.newer(box.last_uid, MAILS):
                octets = folder.fetch(uid)
                failpoints.reached("mail fetched")
                if not _take(box, uid, octets or b"", clock()):
                    return read
                failpoints.reached("mail taken")
                folder.mark_read(uid)
                read += 1
    except imap.Failure as failure:
        log.warning("bounce mailbox not read", configuration=box.pk, reason=str(failure))
        mailboxes.rest(box, problem=str(failure), now=clock())
    else:
        mailboxes.rest(box, now=clock())
    return read


@transaction.atomic
def _take(box: BounceMailbox, uid: int, octets: bytes, now: datetime) -> bool:
    if not mailboxes.move_on(box, uid):
        return False
    returned.take(octets, now=now)
    return True
