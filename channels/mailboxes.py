"""The mailbox that a configuration's bounces come to: its password, whose turn it is, how far it was read.

Server, user and folder are sealed together with the password: it never goes to another server than the one
it was entered for. They count at once, whatever version of the configuration serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from channels import imap, sealing
from channels.models import BounceMailbox, ChannelConfiguration
from common.errors import Problem

EVERY, AFTER_TROUBLE, LEASE = timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10)
PORT, FOLDER = 993, "INBOX"


# ---- what is entered ----------------------------------------------------------------------------
def problems(
    configuration: ChannelConfiguration, settings: dict[str, Any], password: str
) -> Iterable[Problem]:
    host = settings.get("bounce_host")
    if host and not settings.get("bounce_username"):
        yield Problem("needed", _("Enter the user name of the mailbox."), "settings/bounce_username")
    if host and not password:
        known = login_of(_of(configuration))
        if known is None or known.host != host:
            detail = _("Enter the mailbox’s password: none is stored for this server.")
            yield Problem("secret_needed", detail, "settings/bounce_password")


def keep(configuration: ChannelConfiguration, settings: dict[str, Any], password: str, now: datetime) -> None:
    """Inside a transaction, after `problems` had none."""
    box = _of(configuration)
    if not settings.get("bounce_host"):
        if box is not None:
            box.delete()
            box.credential.delete()
        return
    known = login_of(box)
    login = imap.Login(
        host=settings["bounce_host"],
        port=int(settings.get("bounce_port") or PORT),
        username=settings["bounce_username"],
        folder=settings.get("bounce_folder") or FOLDER,
        password=password or (known.password if known else ""),
    )
    if login != known:
        credential = sealing.keep(
            json.dumps(vars(login)),
            workspace=configuration.workspace,
            name=configuration.name,
            credential=box.credential if box else None,
            now=now,
        )
        # Another mailbox counts its mails in its own way: it is read from its beginning.
        values = {"credential": credential, "validity": 0, "last_uid": 0, "due_at": now, "problem": ""}
        BounceMailbox.objects.update_or_create(configuration=configuration, defaults=values)


def copy(configuration: ChannelConfiguration, onto: ChannelConfiguration, now: datetime) -> None:
    """Without a password that can be read the copy reads no mailbox until somebody enters it."""
    if (login := login_of(_of(configuration))) is not None:
        keep(onto, onto.settings, login.password, now)


def login_of(box: BounceMailbox | None) -> imap.Login | None:
    if box is None:
        return None
    try:
        return imap.Login(**json.loads(sealing.unseal(box.credential.sealed, row=box.credential.pk)))
    except sealing.SealBroken:
        return None


def _of(configuration: ChannelConfiguration) -> BounceMailbox | None:
    rows = BounceMailbox.objects.select_related("credential")
    return rows.filter(configuration=configuration).first() if configuration.pk else None


# ---- reading ------------------------------------------------------------------------------------
@transaction.atomic
def claimed(now: datetime) -> BounceMailbox | None:
    """The one that waits longest, for nobody else until its lease is over."""
    rows = BounceMailbox.objects.select_for_update(skip_locked=True, of=("self",))
    box = rows.select_related("credential").filter(due_at__lte=now).order_by("due_at").first()
    if box is not None:
        box.due_at = now + LEASE
        box.save(update_fields=["due_at"])
    return box


def begin_anew(box: BounceMailbox, validity: int) -> None:
    """The server numbers its mails anew. What was taken before changes nothing when it is taken again."""
    box.validity, box.last_uid = validity, 0
    box.save(update_fields=["validity", "last_uid"])


def move_on(box: BounceMailbox, uid: int) -> bool:
    """Past one mail; False when another worker has read on meanwhile. Belongs into the mail's transaction."""
    held = BounceMailbox.objects.filter(pk=box.pk, validity=box.validity, last_uid=box.last_uid)
    is_ours = held.update(last_uid=uid) == 1
    if is_ours:
        box.last_uid = uid
    return is_ours


def rest(box: BounceMailbox, *, problem: str = "", now: datetime) -> None:
    """Until its next turn."""
    due_at = now + (AFTER_TROUBLE if problem else EVERY)
    row = BounceMailbox.objects.filter(pk=box.pk)
    row.update(due_at=due_at, problem=problem[:500], **({} if problem else {"read_at": now}))


def rehearse(configuration: ChannelConfiguration) -> Iterable[tuple[str, str, str]]:
    """A look into it: (name, verdict, what was said). That it cannot be read keeps no message back."""
    login = login_of(_of(configuration))
    if login is None:
        return
    name = _("Open the mailbox of the bounces")
    try:
        with imap.opened(login) as folder:
            shown = {"host": login.host, "folder": login.folder, "next": folder.next_uid}
            yield name, "good", _("%(host)s, %(folder)s, next mail %(next)s") % shown
    except imap.Failure as failure:
        yield name, "warning", str(failure)
