"""A configuration's mailbox for bounces: how one signs in, whose turn it is, how far it was read.

Server, user and folder are sealed together with the password, or with the client's secret and the refresh
token where one signs in by OAuth: none of them goes to another server than the one it was entered for. They
count at once, whatever version of the configuration serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from channels import imap, mailtokens, sealing
from channels.models import BounceMailbox, ChannelConfiguration
from common.errors import Problem
from common.wording import worded as _

EVERY, AFTER_TROUBLE, LEASE = timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10)
PORT, FOLDER = 993, "INBOX"
PASSWORD, REFRESH_TOKEN = "bounce_password", "bounce_refresh_token"  # how the form calls the secrets


@dataclass(frozen=True)
class Access:
    """What is sealed. With a `grant` the password is the client's secret."""

    host: str
    port: int
    username: str
    folder: str
    password: str
    grant: str = ""  # or how `mailtokens.py` gets a token
    token_url: str = ""
    client_id: str = ""
    scope: str = ""
    refresh_token: str = ""

    @property
    def goes_to(self) -> tuple[str, str, str]:
        """Who gets to see the secrets, and of what they are."""
        return self.host, self.grant, self.token_url


# ---- what is entered ----------------------------------------------------------------------------
def problems(
    configuration: ChannelConfiguration, settings: dict[str, Any], secrets: Mapping[str, str]
) -> Iterable[Problem]:
    if not settings.get("bounce_host"):
        return
    if not settings.get("bounce_username"):
        yield Problem("needed", _("Enter the user name of the mailbox."), "settings/bounce_username")
    access = _access(settings, secrets, access_of(_of(configuration)))
    if not access.grant:
        if not access.password:
            detail = _("Enter the mailbox’s password: none is stored for this server.")
            yield Problem("secret_needed", detail, "settings/bounce_password")
        return
    for name in ("token_url", "client_id"):
        if not getattr(access, name):
            yield Problem("needed", _("Needed to sign in by OAuth."), f"settings/bounce_{name}")
    if access.grant == mailtokens.REFRESH and not access.refresh_token:
        detail = _("Enter the refresh token: none is stored for this server.")
        yield Problem("secret_needed", detail, f"settings/{REFRESH_TOKEN}")
    if access.grant == mailtokens.CLIENT and not access.password:
        detail = _("Enter the client’s secret: none is stored for this server.")
        yield Problem("secret_needed", detail, f"settings/{PASSWORD}")


def _access(settings: Mapping[str, Any], secrets: Mapping[str, str], known: Access | None) -> Access:
    """As entered; of the secrets that are left empty the stored ones, if they go where they went before."""
    entered = Access(
        host=settings["bounce_host"],
        port=int(settings.get("bounce_port") or PORT),
        username=settings.get("bounce_username") or "",
        folder=settings.get("bounce_folder") or FOLDER,
        password=secrets.get(PASSWORD, ""),
        grant=settings.get("bounce_sign_in") or "",
    )
    if entered.grant:
        entered = replace(
            entered,
            token_url=settings.get("bounce_token_url") or "",
            client_id=settings.get("bounce_client_id") or "",
            scope=settings.get("bounce_scope") or "",
            refresh_token=secrets.get(REFRESH_TOKEN, "") if entered.grant == mailtokens.REFRESH else "",
        )
    if known is None or known.goes_to != entered.goes_to:
        return entered
    return replace(
        entered,
        password=entered.password or known.password,
        refresh_token=entered.refresh_token or known.refresh_token,
    )


def keep(
    configuration: ChannelConfiguration, settings: dict[str, Any], secrets: Mapping[str, str], now: datetime
) -> None:
    """Inside a transaction, after `problems` had none."""
    box = _of(configuration)
    if not settings.get("bounce_host"):
        if box is not None:
            box.delete()
            box.credential.delete()
        return
    known = access_of(box)
    access = _access(settings, secrets, known)
    if access != known:
        credential = sealing.keep(
            json.dumps(vars(access)),
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
    if (access := access_of(_of(configuration))) is not None:
        keep(onto, onto.settings, {PASSWORD: access.password, REFRESH_TOKEN: access.refresh_token}, now)


def access_of(box: BounceMailbox | None) -> Access | None:
    if box is None:
        return None
    try:
        return Access(**json.loads(sealing.unseal(box.credential.sealed, row=box.credential.pk)))
    except sealing.SealBroken:
        return None


def _of(configuration: ChannelConfiguration) -> BounceMailbox | None:
    rows = BounceMailbox.objects.select_related("credential")
    return rows.filter(configuration=configuration).first() if configuration.pk else None


# ---- signing in ---------------------------------------------------------------------------------
@contextmanager
def opened(box: BounceMailbox, now: datetime) -> Iterator[imap.Folder]:
    """Its folder. Raises imap.Failure."""
    access = access_of(box)
    if access is None:
        raise imap.Failure(_("The stored password cannot be read. Enter it again."))
    login = imap.Login(access.host, access.port, access.username, access.folder, access.password)
    held = access

    def token(anew: bool) -> str:
        nonlocal held
        value, held = _token(box, held, anew, now)
        return value

    if access.grant:
        login = replace(login, password="", token=token)
    with imap.opened(login) as folder:
        yield folder


def _token(box: BounceMailbox, access: Access, anew: bool, now: datetime) -> tuple[str, Access]:
    """An access token. The server may give another refresh token with it: the one before ends."""
    grant = mailtokens.Grant(
        access.grant,
        access.token_url,
        access.client_id,
        access.password,
        access.refresh_token,
        access.scope,
    )
    try:
        token = mailtokens.token_for(grant, anew=anew)
    except mailtokens.Refused as refused:
        raise imap.Failure(str(refused)) from refused
    if not token.refresh_token:
        return token.value, access
    renewed = replace(access, refresh_token=token.refresh_token)
    _keep_renewed(box, renewed, access, now)
    return token.value, renewed


@transaction.atomic
def _keep_renewed(box: BounceMailbox, renewed: Access, before: Access, now: datetime) -> None:
    """Unless something else was entered meanwhile."""
    held = BounceMailbox.objects.select_for_update(of=("self",)).select_related("credential__workspace")
    row = held.filter(pk=box.pk).first()
    if row is not None and access_of(row) == before:
        credential = row.credential
        sealing.keep(
            json.dumps(vars(renewed)),
            workspace=credential.workspace,
            name=credential.name,
            credential=credential,
            now=now,
        )


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
    box = _of(configuration)
    if box is None or (access := access_of(box)) is None:
        return
    name = _("Open the mailbox of the bounces")
    try:
        with opened(box, timezone.now()) as folder:
            shown = {"host": access.host, "folder": access.folder, "next": folder.next_uid}
            yield name, "good", _("%(host)s, %(folder)s, next mail %(next)s") % shown
    except imap.Failure as failure:
        yield name, "warning", failure.args[0]
