"""Wrong passwords slow down who tries them: an account for browsers that never got in, an address for all.

A try is counted before the password is looked at, in one statement, so that many at once get no more than
one after the other. A browser that signed in before holds a signed cookie for that account and is counted by
itself (OWASP's device cookies): whoever guesses from elsewhere keeps nobody out of theirs. An address that
nobody has is counted and answered like one that somebody has. Its table is unlogged: after a crash of the
database the count begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils.crypto import get_random_string, salted_hmac

from accounts.models import SignInTry, User

FREE = {"device": 5, "account": 5, "network": 30}  # tries before the first wait
FIRST_WAIT, LONGEST_WAIT = 15, 15 * 60  # seconds; each wrong password doubles the wait
FORGOTTEN = timedelta(hours=1)
COUNT = """
INSERT INTO accounts_signintry AS t (key, tries, at, free_at) VALUES (%(key)s, 1, %(now)s, %(now)s)
ON CONFLICT (key) DO UPDATE SET at = excluded.at,
    tries = CASE WHEN t.at < %(old)s THEN 1 ELSE t.tries + 1 END,
    free_at = CASE WHEN t.at < %(old)s OR t.tries < %(free)s THEN excluded.at
        ELSE excluded.at + interval '1 second'
            * least(%(longest)s, %(first)s * 2 ^ least(t.tries - %(free)s, 20)) END
WHERE t.free_at <= excluded.at
RETURNING tries
"""


@dataclass(frozen=True)
class Try:
    """One try to sign in: by which keys it is counted, how many seconds it came too early, and whether the
    next one on this account is the first that has to wait.
    """

    keys: tuple[str, ...] = ()
    wait: int = 0
    begins_to_wait: bool = False


def count(email: str, *, network: str, device: str, now: datetime) -> Try:
    """Counts a try for the address typed. One that comes too early must be refused unread.

    `device` is what the browser kept from `trusted`, or empty.
    """
    keys, tries, free = _keys(email, network, device), 0, 0
    for kind, key in keys.items():
        tries, free = _count(kind, key, now), FREE[kind]
        if not tries:
            return Try(tuple(keys.values()), _seconds_left(key, now))
    return Try(tuple(keys.values()), begins_to_wait=tries == free + 1)


def forgive(done: Try) -> None:
    """The password was right: the account begins anew, and the network gets this one back."""
    *networks, own = done.keys
    SignInTry.objects.filter(key=own).delete()
    SignInTry.objects.filter(key__in=networks, tries__gt=0).update(tries=F("tries") - 1)


def trusted(user: User) -> str:
    """What a browser that signed in keeps, signed, to be known for this account."""
    return f"{user.pk}:{get_random_string(22)}"


def forget(*, now: datetime) -> None:
    SignInTry.objects.filter(at__lt=now - FORGOTTEN, free_at__lt=now).delete()


def _keys(email: str, network: str, device: str) -> dict[str, str]:
    """By kind, the account last. The account is named by its row: one address can be written in many ways."""
    pk = User.objects.filter(email__iexact=email).values_list("pk", flat=True).first()
    account = str(pk) if pk else email.strip().casefold()
    if pk and device.startswith(f"{pk}:"):
        return _hashed({"device": device})
    return _hashed({"network": network, "account": account})


def _hashed(names: dict[str, str]) -> dict[str, str]:
    """Nobody's address stands in the table."""
    return {
        kind: salted_hmac(f"sign-in {kind}", name, algorithm="sha256").hexdigest()
        for kind, name in names.items()
    }


def _count(kind: str, key: str, now: datetime) -> int:
    """How many there were lately, with this one; 0 for one that is not counted, as it comes too early."""
    values: dict[str, Any] = {"key": key, "now": now, "old": now - FORGOTTEN, "free": FREE[kind]}
    values |= {"first": FIRST_WAIT, "longest": LONGEST_WAIT}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _seconds_left(key: str, now: datetime) -> int:
    row = SignInTry.objects.filter(key=key).first()
    return max(1, int((row.free_at - now).total_seconds()) + 1) if row else 1
