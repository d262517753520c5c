"""The identity of a database: the same for every connection to it, another for any other database."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection

from common import place as places
from common.place import place

pytestmark = pytest.mark.django_db


def opened(name: str) -> psycopg.Connection:
    given = {
        key: value for key, value in connection.get_connection_params().items() if key in ("host", "port")
    }
    user = {key: connection.settings_dict[key.upper()] for key in ("user", "password")}
    return psycopg.connect(dbname=name, **given, **{key: value for key, value in user.items() if value})


def test_every_connection_to_a_database_is_in_the_same_place_and_another_database_is_not() -> None:
    with opened(connection.settings_dict["NAME"]) as same, opened("postgres") as other:
        assert places.read(same) == place()
        server, number = place().rsplit(".", 1)
        assert server.isdigit() and number.isdigit()
        assert places.read(other).rsplit(".", 1)[0] == server  # the same server
        assert places.read(other) != place()


def test_where_the_server_does_not_say_who_it_is_the_address_stands_for_it() -> None:
    with opened(connection.settings_dict["NAME"]) as link:
        link.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        link.execute("CREATE ROLE carillon_nobody")
        link.execute("SET ROLE carillon_nobody")
        found = places.read(link)
        link.rollback()
    assert ":" in found and found != place() and len(found) <= places.LONGEST


def test_it_is_asked_once_for_each_connection_and_counts_as_no_query(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        first = place()
    connection.close()
    assert place() == first
