"""What machines ask: alive, ready, numbers; and that every alert and panel names a number that exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts import heartbeat, switch
from campaigns.models import Batch
from config import jinja, metrics
from config.env import ROOT
from tests import builders
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed

MONITORING = ROOT / "docs" / "monitoring"
TOKEN = "a token of more than thirty-two characters"


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(metrics, "HOUSE", metrics.House())
    settings.VAR = settings.MEDIA_ROOT = tmp_path
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """`{name: {values of its labels: value}}`, read by Prometheus' own reader."""
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(
        "text/plain; version=0.0.4"
    )
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.documentation and family.type == "gauge"
        found[family.name] = {tuple(one.labels.values()): one.value for one in family.samples}
    return found


# ---- alive and ready ----------------------------------------------------------------------------
def test_the_process_is_alive_without_a_database(client: Client, django_db_blocker: Any) -> None:
    # No database is marked for this test: a query would fail it.
    for method in (client.get, client.head):
        answer = method("/healthz", headers={"Host": "10.1.2.3:8000"})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert client.post("/healthz").status_code == 405


def test_a_probe_is_not_redirected_and_gets_no_cookie(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/healthz")
    assert (answer.status_code, list(answer.cookies)) == (200, [])


@pytest.mark.django_db
def test_it_is_ready_while_the_database_has_this_versions_migrations(client: Client) -> None:
    assert client.get("/readyz").content == b"ready\n"
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id = "
            "(SELECT max(id) FROM django_migrations WHERE app = 'accounts')"
        )
    answer = Client().get("/readyz")
    assert answer.status_code == 503 and b"migrate" in answer.content


@pytest.mark.django_db
def test_a_database_that_is_newer_than_this_process_keeps_it_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', '9999_next', now())"
        )
    assert client.get("/readyz").status_code == 200


def test_without_its_database_it_is_alive_and_not_ready_and_says_nothing_of_it() -> None:
    asks = (
        "import django; django.setup(); from django.test import Client\n"
        "for path in ('/healthz', '/readyz', '/metrics'):\n"
        "    answer = Client().get(path); print(answer.status_code, answer.content.decode().strip())"
    )
    environment = os.environ | {
        "DATABASE_URL": "postgresql://hunter2@127.0.0.1:1/none",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "METRICS_NETWORKS": "127.0.0.1",
        "ALLOWED_HOSTS": "testserver",
    }
    told = subprocess.run(
        [sys.executable, "-c", asks], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    away = "503 the database does not answer"
    assert told.stdout.splitlines() == ["200 alive", away, away] and "hunter2" not in told.stderr


# ---- the guard ----------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("settings_of", "headers", "status"),
    [
        ({}, {}, 404),
        ({"METRICS_TOKEN": TOKEN}, {}, 404),
        ({"METRICS_TOKEN": TOKEN}, {"Authorization": "Bearer "}, 404),
        ({"METRICS_TOKEN": TOKEN}, {"Authorization": "Bearer wrøng"}, 404),
        ({}, {"Authorization": "Bearer "}, 404),
        ({"METRICS_TOKEN": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"METRICS_TOKEN": TOKEN}, {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "1.2.3.4"}, 200),
        ({"METRICS_NETWORKS": ["10.0.0.0/8"]}, {}, 404),
        ({"METRICS_NETWORKS": ["127.0.0.0/8"]}, {}, 200),
        ({"METRICS_NETWORKS": ["127.0.0.0/8"]}, {"X-Forwarded-For": "127.0.0.1"}, 404),
        ({"METRICS_NETWORKS": ["127.0.0.0/8"]}, {"X-Real-Ip": "127.0.0.1"}, 404),
        ({"METRICS_NETWORKS": ["127.0.0.0/8"]}, {"X-Forwarded-Proto": "https"}, 404),
    ],
)
def test_metrics_are_for_who_may_read_them(
    client: Client, settings: Any, settings_of: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN, settings.METRICS_NETWORKS = "", []
    for name, value in settings_of.items():
        setattr(settings, name, value)
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = client.get("/metrics", headers=sent)
    assert answer.status_code == status and (b"carillon_" in answer.content) == (status == 200)


# ---- the numbers --------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_numbers_follow_what_happens(client: Client) -> None:
    heartbeat.beat("bulk", now=timezone.now())
    run = sending(on_uncertain="never")
    told = scrape(client)
    assert (told["carillon_due_batches"]["bulk",], told["carillon_claimed_batches"]["bulk",]) == (3, 0)
    assert told["carillon_runs"]["sending",] == 1 and told["carillon_seen_seconds"]["bulk",] < 5
    assert abs(told["carillon_clock_ahead_seconds"]["web",]) < 2
    crashed(run, handed_over=2)
    assert scrape(client)["carillon_lost_batches"]["bulk",] == 1
    actor = builders.person(run.campaign.workspace, "administrator")
    switch.stop_sending(run.campaign.workspace, why="Wrong prices", actor=actor, now=timezone.now())
    assert scrape(client)["carillon_due_batches"]["bulk",] == 0
    assert Batch.objects.filter(run=run, state="ready").exists()


@pytest.mark.django_db
def test_what_the_doctor_finds_is_counted_by_code(client: Client) -> None:
    builders.configuration(builders.workspace(), status="draft")
    found = scrape(client)["carillon_findings"]
    assert found["configuration_untested", "warning"] == 1 and found["worker_not_seen", "error"] == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "word"),
    [(1, "Waiting for: clock, urgent worker"), (3600, "Not seen: clock, urgent worker")],
)
def test_a_part_is_missed_on_the_page_once_it_had_time_to_start(
    client: Client, monkeypatch: pytest.MonkeyPatch, age: int, word: str
) -> None:
    client.force_login(builders.person(builders.workspace(), "viewer"))
    heartbeat.beat("bulk", now=timezone.now())
    monkeypatch.setattr(jinja, "STARTED", time.monotonic() - age)
    assert word in client.get("/guide/").content.decode()


# ---- alerts and dashboard -----------------------------------------------------------------------
def expressions() -> dict[str, str]:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    found = {rule["alert"]: rule["expr"] for rule in rules}
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


@pytest.mark.django_db
def test_every_alert_and_panel_names_numbers_and_labels_that_exist(client: Client) -> None:
    for part in (heartbeat.CLOCK, "bulk", "urgent"):
        heartbeat.beat(part, now=timezone.now())
    run = sending()
    told = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    families = {one.name: one for one in text_string_to_metric_families(told)}
    asked = expressions()
    used = set(re.findall(r"carillon_\w+", " ".join(asked.values())))
    assert len(asked) > 30 and used <= set(families), used - set(families)
    for title, expression in asked.items():
        for name, label in re.findall(r"(carillon_\w+)\{(\w+)=", expression):
            assert label in families[name].samples[0].labels, title
    assert set(families) - used == set(), "told, and looked at by no alert and no panel"
    assert run.pk


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"] and rule["annotations"]["action"]


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed"
)
def test_prometheus_itself_can_read_the_rules() -> None:
    command = ["promtool", "check", "rules", str(MONITORING / "alerts.yml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
