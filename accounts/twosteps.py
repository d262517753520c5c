"""Two-step sign-in: after the password a code of an app that shares a secret with us (TOTP, RFC 6238), or one
of ten recovery codes.

A code of the app is good for its half minute and the ones beside it, and works once; so does a recovery code.
The secret lies sealed in its row, the recovery codes as hashes. Guesses are slowed where a code is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime

import pyotp
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import SYSTEM, Actor
from accounts.models import TwoSteps, User
from common import sealing
from common.errors import Invalid, PermissionMissing, Problem
from common.sealing import Resealed, seal, unseal

ISSUER = "Carillon"
SLOT = 30  # seconds
BESIDE = (0, -1, 1)  # slots: clocks differ, and people type slowly
HOW_MANY = 10
BYTES = 10  # of a recovery code: 80 bits need no slow hash


def are_on(user: User) -> bool:
    return TwoSteps.objects.filter(pk=user.pk, confirmed_at__isnull=False).exists()


@transaction.atomic
def begin(user: User) -> TwoSteps:
    """A secret for the app. Nothing is asked for before `confirm`; begun again, it is another one."""
    row, _is_new = TwoSteps.objects.select_for_update().get_or_create(user=user)
    if row.confirmed_at is None:
        row.sealed = seal(pyotp.random_base32(), bound_to=_bound_to(row.pk))
        row.save(update_fields=["sealed"])
    return row


def address(row: TwoSteps) -> str:
    """What the app reads from the picture."""
    return pyotp.TOTP(secret(row)).provisioning_uri(name=row.user.email, issuer_name=ISSUER)


def secret(row: TwoSteps) -> str:
    """Raises SealBroken."""
    return unseal(row.sealed, bound_to=_bound_to(row.pk))


@transaction.atomic
def confirm(user: User, code: str, *, now: datetime) -> list[str]:
    """From now on the app is asked for. The recovery codes, which are told this once."""
    row = TwoSteps.objects.select_for_update().filter(pk=user.pk, confirmed_at=None).first()
    if row is None or not _is_of_the_app(row, code, now):
        raise Invalid(Problem("bad_code", _("This code is not right. Wait for the next one."), "code"))
    row.confirmed_at = now
    codes = _new_codes(row)
    row.save()
    audit.record(actor=user, verb="set up two steps", obj=user, workspace=None, now=now)
    return codes


@transaction.atomic
def take(user: User, code: str, *, now: datetime) -> bool:
    """Whether the code is good; it is used up with that."""
    row = TwoSteps.objects.select_for_update().filter(pk=user.pk, confirmed_at__isnull=False).first()
    if row is None or not (_is_of_the_app(row, code, now) or _is_for_recovery(row, code)):
        return False
    row.save(update_fields=["last_slot", "codes"])
    return True


@transaction.atomic
def renew_codes(user: User, *, now: datetime) -> list[str]:
    """Ten others; the ones before work no more."""
    row = TwoSteps.objects.select_for_update().get(pk=user.pk, confirmed_at__isnull=False)
    codes = _new_codes(row)
    row.save(update_fields=["codes"])
    audit.record(actor=user, verb="renew codes", obj=user, workspace=None, now=now)
    return codes


@transaction.atomic
def end(user: User, *, actor: Actor, now: datetime) -> bool:
    """The password is enough again. One's own affair, a superuser's or the operator's. False: it was."""
    if not (actor is SYSTEM or actor == user or (isinstance(actor, User) and actor.is_superuser)):
        raise PermissionMissing("accounts.change_user")
    were_on = are_on(user)
    TwoSteps.objects.filter(pk=user.pk).delete()
    if were_on:
        audit.record(actor=actor, verb="end two steps", obj=user, workspace=None, now=now)
    return were_on


def _is_of_the_app(row: TwoSteps, code: str, now: datetime) -> bool:
    app = pyotp.TOTP(secret(row), interval=SLOT)
    here = int(now.timestamp()) // SLOT
    given = re.sub(r"\s", "", code)
    for slot in (here + beside for beside in BESIDE):
        if slot > row.last_slot and secrets.compare_digest(app.generate_otp(slot).encode(), given.encode()):
            row.last_slot = slot
            return True
    return False


def _is_for_recovery(row: TwoSteps, code: str) -> bool:
    found = _hash(code)
    if found not in row.codes:
        return False
    row.codes = [one for one in row.codes if one != found]
    return True


def _new_codes(row: TwoSteps) -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(BYTES)).decode() for _time in range(HOW_MANY)]
    row.codes = [_hash(code) for code in codes]
    return ["-".join(re.findall("....", code)) for code in codes]


def _hash(code: str) -> str:
    return hashlib.sha256(re.sub(r"[\s-]", "", code).upper().encode()).hexdigest()


def _bound_to(user: int) -> bytes:
    return b"accounts.twosteps:%d" % user


@transaction.atomic
def reseal() -> Resealed:
    """Every secret under the present SEALING_KEY."""
    rows = TwoSteps.objects.select_for_update(of=("self",)).select_related("user")
    return sealing.reseal(list(rows), bound_to=_bound_to)


def sealed_before() -> int:
    """How many secrets an older key has sealed."""
    return sum(not sealing.is_current(one) for one in TwoSteps.objects.values_list("sealed", flat=True))
