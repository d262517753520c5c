"""A backup made with pg_dump in the middle of a run, restored as docs/deploy.md says: it sends nothing by
itself, nobody gets anything twice, and its numbers and audit log are those of the original.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from campaigns.delivery import clock, fanout, send
from campaigns.models import Batch, Run
from config.env import ROOT
from tests import builders
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 30


def database(name: str) -> str:
    named = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {ours: connection.settings_dict[theirs] for ours, theirs in named.items()}
    return make_conninfo(dbname=name, **{key: value for key, value in given.items() if value})


def program(name: str) -> str:
    """One that is as new as the server. Skips where there is none."""
    connection.ensure_connection()
    server, found = connection.pg_version // 10_000, shutil.which(name)
    if found is not None:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(re.findall(r"\d+", told)[0]) >= server:
            return found
    pytest.skip(f"no {name} for PostgreSQL {server} is installed")


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Any]:
    """A call that dumps the present database and restores the dump into another one; the other's address."""
    dump, restore = program("pg_dump"), program("pg_restore")
    original = str(connection.settings_dict["NAME"])
    name = f"{original}_restored"
    with psycopg.connect(database("postgres"), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

        def copy() -> str:
            backup = str(tmp_path / "carillon.dump")
            run = {"check": True, "capture_output": True}
            subprocess.run([dump, "--format=custom", f"--file={backup}", database(original)], **run)
            server.execute(f'CREATE DATABASE "{name}"')
            subprocess.run([restore, "--exit-on-error", f"--dbname={database(name)}", backup], **run)
            return database(name)

        yield copy
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def manage(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "DATABASE_URL": address,
        "BROKER_URL": "memory://",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_restored_backup_sends_nothing_until_it_is_allowed_and_then_nothing_twice(restored: Any) -> None:
    where = builders.workspace()
    builders.profiles(where, PEOPLE)
    with FakeSmtp() as server:
        builders.live(where, now=timezone.now(), configuration=builders.smtp(where, server.port))
        clock.start_due_runs(now=timezone.now())
        run = Run.objects.get()
        fanout.expand(run.pk, now=timezone.now(), page=20, batch=10)
        send.deliver(Batch.objects.earliest("lo").pk)
        assert len(server.accepted) == 10

        copy = restored()
        assert manage(copy, "deliver").returncode == 0
        assert len(server.accepted) == 10  # the copy has two due batches, and stays silent
        told = manage(copy, "doctor")
        assert "main_switch_off" in told.stdout and "a copy of the one" in told.stdout
        assert (
            manage(copy, "verify_audit").stdout
            == manage(database(str(connection.settings_dict["NAME"])), "verify_audit").stdout
        )

        # The original is lost. Somebody says so in the copy, and it goes on where the backup stood.
        says = (
            "from django.utils import timezone; from accounts import switch;"
            "from accounts.access import SYSTEM; from accounts.models import Workspace;"
            "switch.allow_sending(Workspace.objects.get(), actor=SYSTEM, now=timezone.now())"
        )
        assert manage(copy, "shell", "-c", says).returncode == 0
        assert manage(copy, "deliver").returncode == 0
        got = Counter(one.recipients[0] for one in server.accepted)
        assert got == Counter({f"p{n}@example.com": 1 for n in range(PEOPLE)})
        asks = "from campaigns.models import Run; from campaigns.reports.metrics import ledger;"
        asks += "run = Run.objects.get(); print(run.state, ledger(run).accepted, ledger(run).balances)"
        assert f"completed {PEOPLE} True" in manage(copy, "shell", "-c", asks).stdout
