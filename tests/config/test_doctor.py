"""Each finding of the doctor, by really causing it; and who is shown what."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from accounts import heartbeat, switch
from accounts.access import SYSTEM
from accounts.models import AccessLabel, Heartbeat, User, Workspace
from audiences import months
from campaigns.delivery import retention
from campaigns.models import Batch, Run
from channels import breaker, configurations, domains, sealing
from channels.messages import Fact, Outcome
from channels.models import ChannelConfiguration, Credential, SendingDomain
from config import doctor
from config.celery import app, refuse_a_database_that_forgets
from config.clock import Clock
from config.doctor import installation
from config.doctor.finding import Severity
from config.durability import forgetful
from tests import builders
from tests.api import Caller
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed
from tests.fakes.dns import FakeDns

pytestmark = pytest.mark.django_db
# What the machine that runs the tests may be like.
OF_THE_MACHINE = {"clock_not_kept", "disk_full"}


@pytest.fixture(autouse=True)
def _everything_runs(settings: Any, tmp_path: Path) -> None:
    settings.VAR = settings.MEDIA_ROOT = tmp_path
    for part in (heartbeat.CLOCK, "bulk", "urgent"):
        heartbeat.beat(part, now=timezone.now())


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def codes(**asked: Any) -> set[str]:
    found = doctor.examine(**{"now": timezone.now(), **asked})
    return {one.code for one in found} - OF_THE_MACHINE - {"not_production"}


def test_a_house_in_order_has_no_finding_but_that_it_is_a_test(where: Workspace) -> None:
    assert codes() == set()
    (mode,) = [one for one in doctor.examine(now=timezone.now()) if one.code not in OF_THE_MACHINE]
    assert (mode.code, mode.severity, mode.where) == ("not_production", "info", "CARILLON_MODE=local")


# ---- clock, workers, what is due ----------------------------------------------------------------
def test_a_clock_and_workers_that_were_never_seen_are_missed() -> None:
    Heartbeat.objects.all().delete()
    assert codes() == {"clock_not_seen", "worker_not_seen"}
    told = [one.where for one in doctor.examine(now=timezone.now()) if one.code == "worker_not_seen"]
    assert told == ["bulk worker", "urgent worker"]


@pytest.mark.django_db(transaction=True)  # the scheduler opens and closes connections of its own
def test_the_clock_writes_down_that_it_lives() -> None:
    Heartbeat.objects.filter(part__startswith="clock").delete()
    assert codes() == {"clock_not_seen"}
    Clock(app=app, lazy=True).tick()
    assert codes() == set()


def test_a_part_that_is_silent_is_first_late_and_then_away() -> None:
    heartbeat.beat("bulk", now=timezone.now() - timedelta(seconds=60))
    assert "sweep_late" in codes()
    heartbeat.beat("bulk", now=timezone.now() - timedelta(seconds=600))
    assert "worker_not_seen" in codes() and "sweep_late" not in codes()


def test_a_host_that_went_away_is_told_for_a_day() -> None:
    Heartbeat.objects.create(part="bulk@old-host", seen_at=timezone.now() - timedelta(hours=1))
    assert codes() == {"host_not_seen"}
    Heartbeat.objects.filter(part="bulk@old-host").update(seen_at=timezone.now() - timedelta(days=2))
    assert codes() == set()


def test_a_run_that_nobody_begins_is_late(where: Workspace) -> None:
    builders.profiles(where, 3)
    builders.live(where, now=timezone.now() - timedelta(minutes=5))
    assert "run_late" in codes()
    assert "run_late" not in codes(workspace=builders.workspace("other"))


def test_messages_that_no_worker_takes_wait() -> None:
    sending()
    assert "messages_wait" not in codes()
    Batch.objects.update(send_after=timezone.now() - timedelta(minutes=5))
    assert "messages_wait" in codes()


def test_messages_that_wait_for_a_person_are_not_missed() -> None:
    sending()
    Batch.objects.update(send_after=timezone.now() - timedelta(minutes=5))
    run = Run.objects.get()
    actor = User.objects.get(name="Approver")
    switch.stop_sending(run.campaign.workspace, why="Wrong prices", actor=actor, now=timezone.now())
    assert "messages_wait" not in codes() and "main_switch_off" in codes()


def test_a_worker_that_died_and_what_nobody_knows_of_its_messages() -> None:
    run = sending(on_uncertain="never")
    crashed(run, handed_over=2)
    assert "worker_lost" in codes()
    call_command("deliver")
    assert "uncertain_messages" in codes() and "worker_lost" not in codes()


# ---- clocks -------------------------------------------------------------------------------------
def test_a_process_whose_clock_is_an_hour_off_says_so() -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        (found,) = [one for one in doctor.examine(now=timezone.now()) if one.where == "this process"]
    assert (found.code, found.severity) == ("clock_off", Severity.ERROR) and "3600" in found.what


def test_a_worker_elsewhere_whose_clock_is_behind_is_named() -> None:
    heartbeat.beat("bulk", now=timezone.now() - timedelta(seconds=8))
    found = [one for one in doctor.examine(now=timezone.now()) if one.code == "clock_off"]
    assert [(one.severity, one.where) for one in found] == [("warning", f"bulk@{socket.gethostname()}")]
    assert "8.0 seconds behind" in found[0].what


def test_what_the_kernel_says_of_its_clock_is_handed_on() -> None:
    told = {one.code for one in doctor.examine(now=timezone.now())}
    assert ("clock_not_kept" in told) == (installation.is_kept() is False)


# ---- settings, secrets --------------------------------------------------------------------------
def test_settings_that_are_unsafe_in_production_are_told_with_their_check(settings: Any) -> None:
    settings.PRODUCTION, settings.PUBLIC_URL, settings.DEBUG = True, "http://mail.example.com", True
    found = [one.where for one in doctor.examine(now=timezone.now()) if one.code == "settings_unsafe"]
    assert {"carillon.W001", "security.W018"} <= set(found)


def test_in_production_no_worker_starts_on_a_database_that_may_forget(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "close", lambda: None)  # the test's transaction goes on
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    refuse_a_database_that_forgets()  # this is no production
    settings.PRODUCTION = True
    with pytest.raises(SystemExit, match="synchronous_commit"):
        refuse_a_database_that_forgets()
    (found,) = [one for one in doctor.examine(now=timezone.now()) if one.code == "database_forgets"]
    assert "synchronous_commit" in found.where
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
    assert "synchronous_commit" not in forgetful()


def kept(where: Workspace, secret: str = "hunter2") -> Credential:
    return sealing.keep(secret, workspace=where, name="Relay", credential=None, now=timezone.now())


def test_a_secret_whose_key_is_gone_is_told_with_the_keys_number(where: Workspace, settings: Any) -> None:
    row, old = kept(where), settings.SEALING_KEY
    settings.SEALING_KEY = "another key of at least thirty-two characters"
    assert codes() == {"secret_key_missing"}
    (found,) = [one for one in doctor.examine(now=timezone.now()) if one.code == "secret_key_missing"]
    assert sealing.key_id(row.sealed) in found.what and "hunter2" not in str(found)
    settings.SEALING_KEY_FALLBACKS = [old]
    assert codes() == {"secret_old_key"}
    call_command("reseal_credentials")
    settings.SEALING_KEY_FALLBACKS = []
    assert codes() == set()


def test_a_secret_that_was_moved_to_another_row_or_is_empty_is_unreadable(where: Workspace) -> None:
    one, other = kept(where), kept(where, "other")
    Credential.objects.filter(pk=other.pk).update(sealed=one.sealed)
    assert codes() == {"secret_unreadable"}
    Credential.objects.filter(pk=other.pk).update(sealed=b"")
    assert codes() == {"secret_unreadable"}


# ---- disk, tables, broker -----------------------------------------------------------------------
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    if shutil.which("mount") is None or _mount(place) != 0:
        pytest.skip("this account may not mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


def _mount(place: Path) -> int:
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_disk_that_is_nearly_full_is_told(small_disk: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = small_disk

    def severity() -> set[str]:
        found = doctor.examine(now=timezone.now())
        return {one.severity for one in found if (one.code, one.where) == ("disk_full", str(small_disk))}

    assert severity() == set()
    (small_disk / "pictures").write_bytes(bytes(3_900_000))
    assert severity() == {"warning"}
    (small_disk / "more").write_bytes(bytes(250_000))
    assert severity() == {"error"}


def test_tables_that_should_have_been_dropped_are_named(settings: Any) -> None:
    run = sending()
    call_command("deliver")
    months.make([(2020, 1)])
    Run.objects.create(pk=run.pk + 1000, campaign=run.campaign, version=run.version, due_at=builders.NOW)
    assert codes() >= {"partitions_to_drop"}
    later = timezone.now() + timedelta(days=800)
    (found,) = installation._partitions(later)
    assert f"campaigns_message_p{run.pk // 200}" in found.where or "2" in found.what
    months.keep(later)
    retention.drop_old_messages(now=later)
    retention.keep_events(now=later)
    assert list(installation._partitions(later)) == []


def test_a_database_that_lacks_a_migration_is_told() -> None:
    assert installation.pending() == {}
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id = "
            "(SELECT max(id) FROM django_migrations WHERE app = 'accounts') RETURNING name"
        )
        (last,) = cursor.fetchone()
    (found,) = [one for one in doctor.examine(now=timezone.now()) if one.code == "migrations_pending"]
    assert last in found.where and "can go on meanwhile" in found.advice


@pytest.mark.slow
def test_before_the_first_migration_and_between_two_versions_the_waiting_migrations_are_what_is_told() -> (
    None
):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_heartbeat RENAME COLUMN drift TO not_yet")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'channels'")
    assert codes() == {"migrations_pending"}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE accounts_heartbeat, django_migrations")
    assert codes() == {"migrations_pending"}


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_told_by_the_command(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://ana:hunter2@127.0.0.1:1/none", "CARILLON_VAR": str(tmp_path)}
    command = [sys.executable, "manage.py", "doctor", "--json"]
    told = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False)
    found = {one["code"]: one for one in map(json.loads, told.stdout.splitlines())}
    assert told.returncode == 2 and found["database_unreachable"]["severity"] == "error", told.stderr
    assert "hunter2" not in told.stdout + told.stderr and "Traceback" not in told.stderr


def test_a_broker_that_does_not_answer_is_told(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://user:hunter2@127.0.0.1:1/0"
    assert codes() == {"broker_unreachable"}
    assert "hunter2" not in str(doctor.examine(now=timezone.now()))
    settings.CELERY_BROKER_URL = "amqp://guest:hunter2@127.0.0.1:1//"
    assert codes() == {"broker_unreachable"}


# ---- senders ------------------------------------------------------------------------------------
def test_a_configuration_that_was_never_checked_or_failed_is_told(where: Workspace) -> None:
    row = builders.configuration(where, status="draft")
    assert codes() == {"configuration_untested"}
    ChannelConfiguration.objects.filter(pk=row.pk).update(status="failed")
    assert codes() == {"configuration_failed"}
    ChannelConfiguration.objects.filter(pk=row.pk).update(status="deactivated")
    assert codes() == set()


def test_a_checked_configuration_is_in_order(
    where: Workspace, django_capture_on_commit_callbacks: Any
) -> None:
    row = builders.configuration(where, status="draft")
    with django_capture_on_commit_callbacks(execute=True):
        configurations.submit(row, actor=SYSTEM, now=timezone.now())
    assert codes() == set()


def test_a_provider_that_takes_nothing_is_told_with_its_words(where: Workspace) -> None:
    row = builders.configuration(where)
    said = Outcome(Fact.MISCONFIGURED, "535", "Authentication failed")
    breaker.tell(row, [said], now=timezone.now())
    found = [one.what for one in doctor.examine(now=timezone.now()) if one.code == "provider_away"]
    assert found == ["The provider takes nothing: 535 Authentication failed"]


def test_a_sender_whose_domain_is_unknown_or_wrong_in_dns_is_told(where: Workspace, settings: Any) -> None:
    builders.smtp(where, 25)
    assert "sender_not_verified" in codes()
    domain = domains.add(workspace=where, name="fernhill.example", actor=SYSTEM, now=timezone.now())
    with FakeDns() as server:
        settings.DNS_SERVERS = [server.address]
        server.set("fernhill.example", "TXT", '"v=spf1 ~all" ')
        server.set("_dmarc.fernhill.example", "TXT", '"v=DMARC1; p=none"')
        SendingDomain.objects.filter(pk=domain.pk).update(verified_at=timezone.now())
        domain.refresh_from_db()
        domains.check(domain, actor=SYSTEM, now=timezone.now())
    (found,) = [one for one in doctor.examine(now=timezone.now()) if one.code == "dns_wrong"]
    assert found.severity == "error" and "dkim_rsa" in found.what and "fernhill.example" in found.where


# ---- doors --------------------------------------------------------------------------------------
def test_the_page_is_for_administrators_and_tells_of_their_workspace_only(
    client: Client, where: Workspace
) -> None:
    builders.configuration(where, status="draft", name="Ours")
    builders.configuration(builders.workspace("other"), status="draft", name="Theirs")
    client.force_login(builders.person(where, "manager"))
    assert client.get("/doctor/").status_code == 403
    client.force_login(builders.person(where, "administrator"))
    text = client.get("/doctor/").content.decode()
    assert "Ours" in text and "configuration_untested" in text and "Theirs" not in text
    assert "/doctor/" in client.get("/accounts/administration/").content.decode()


def test_a_configuration_behind_a_label_is_told_to_its_holders_only(where: Workspace) -> None:
    row = builders.configuration(where, status="draft")
    row.labels.add(AccessLabel.objects.create(workspace=where, name="Board"))
    administrator = builders.person(where, "administrator")
    assert codes(workspace=where, actor=administrator) == set()
    assert codes() == {"configuration_untested"}


def test_the_api_tells_the_same_to_a_credential_that_manages_the_workspace(where: Workspace) -> None:
    builders.configuration(where, status="draft", name="Ours")
    assert Caller(where, "approver").get("/api/doctor/").status_code == 403
    told = Caller(where, "administrator").get("/api/doctor/").json()["results"]
    (found,) = [one for one in told if one["code"] == "configuration_untested"]
    assert (found["severity"], found["where"]) == ("warning", "Fernhill: Ours") and found["advice"]


def test_the_command_says_it_with_its_exit_code(where: Workspace, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(installation, "is_kept", lambda: True)
    monkeypatch.setattr(installation, "LEAST_FREE", 0.0)
    monkeypatch.setattr(installation, "TOO_LITTLE", 0.0)
    call_command("doctor")
    assert "not_production" in capsys.readouterr().out
    builders.configuration(where, status="draft")
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ended.value.code == 1 and [one["code"] for one in lines] == [
        "configuration_untested",
        "not_production",
    ]
    Heartbeat.objects.all().delete()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 2 and "clock_not_seen" in capsys.readouterr().out
