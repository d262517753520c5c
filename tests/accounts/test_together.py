"""Two at the same moment, over real connections: one person, one role, one mail, one unbroken chain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection

from accounts import audit, roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User, Workspace
from common.errors import IllegalTransition

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT_ONCE = 6


@pytest.fixture
def workspace(create_permissions: None) -> Workspace:
    return roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)


@pytest.fixture
def create_permissions() -> None:
    """A transactional test before this one may have emptied the tables that `migrate` fills."""
    from django.apps import apps
    from django.contrib.auth.management import create_permissions

    for config in apps.get_app_configs():
        create_permissions(config, verbosity=0)


def together(act: Callable[[int], object]) -> None:
    start = Barrier(AT_ONCE)

    def one(number: int) -> None:
        try:
            start.wait(timeout=10)
            act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(AT_ONCE)))


def test_the_same_new_address_given_a_role_by_several_at_once_gets_one_mail(workspace: Workspace) -> None:
    role = Role.objects.get(workspace=workspace, builtin="viewer")
    together(lambda _: roles.grant(role, who="lin@fernhill.example", actor=SYSTEM, now=NOW))
    assert User.objects.filter(email="lin@fernhill.example", groups=role.pk).count() == 1
    assert [message.to for message in mail.outbox] == [["lin@fernhill.example"]]
    assert AuditEntry.objects.filter(verb="grant role").count() == 1


def test_a_role_taken_away_by_several_at_once_is_recorded_once(workspace: Workspace) -> None:
    role = Role.objects.get(workspace=workspace, builtin="viewer")
    user = roles.grant(role, who="lin@fernhill.example", actor=SYSTEM, now=NOW)
    together(lambda _: roles.revoke(role, user=user, actor=SYSTEM, now=NOW))
    assert not user.groups.exists()
    assert AuditEntry.objects.filter(verb="revoke role").count() == 1


def test_entries_written_at_once_form_one_chain(workspace: Workspace) -> None:
    def write(number: int) -> None:
        for step in range(5):
            audit.record(actor=SYSTEM, verb=f"{number}.{step}", obj=workspace, workspace=workspace, now=NOW)

    together(write)
    assert audit.verify(workspace) == []
    assert AuditEntry.objects.filter(workspace=workspace).count() == 1 + AT_ONCE * 5


def test_two_who_take_each_others_last_role_to_manage_leave_one(workspace: Workspace) -> None:
    role = Role.objects.get(workspace=workspace, builtin="administrator")
    names = [f"p{number}@fernhill.example" for number in range(AT_ONCE)]
    people = [roles.grant(role, who=name, actor=SYSTEM, now=NOW) for name in names]
    refused = []

    def leave(number: int) -> None:
        try:
            roles.revoke(role, user=people[number], actor=SYSTEM, now=NOW)
        except IllegalTransition as error:
            refused.append(error.code)

    together(leave)
    assert refused == ["last_administrator"]
    assert User.objects.filter(groups=role.pk).count() == 1
