"""Which database this process talks to: what tells a copy, made of a backup, from the original.

The place is the server's system identifier, which every server is given when it is made, and the number of
the database in it. A dump that is restored anywhere has another place, and so has a database after
pg_upgrade. A standby that takes over has the same one; so has a copy of the server's disks, which PostgreSQL
itself cannot tell from the original. Where the server does not tell its identifier (some hosted ones do not
allow pg_control_system), the address the database is reached at stands in its stead: a move to another
address then makes another place.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections

LONGEST = 200
MAY_KNOW = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
SERVER = "SELECT system_identifier::text FROM pg_control_system()"
DATABASE = "SELECT oid::text FROM pg_database WHERE datname = current_database()"

_known: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def place(alias: str = DEFAULT_DB_ALIAS) -> str:
    """At most LONGEST characters. Asked once for each connection: behind a new one may be another one."""
    wrapper = connections[alias]
    wrapper.ensure_connection()
    link = wrapper.connection
    if link not in _known:
        with wrapper.wrap_database_errors:
            _known[link] = read(link)
    return _known[link]


def read(link: Any) -> str:
    """The same of a connection of psycopg, asked anew."""
    with link.cursor() as cursor:
        may_know = cursor.execute(MAY_KNOW).fetchone()[0]
        server = cursor.execute(SERVER).fetchone()[0] if may_know else address(link)
        number = cursor.execute(DATABASE).fetchone()[0]
    return f"{server[: LONGEST - 20]}.{number}"


def address(link: Any) -> str:
    return f"{link.info.host}:{link.info.port}"
