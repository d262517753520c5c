"""docs/security.md names tests that exist; and the lines of it that have no better place."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from campaigns.ascode.yamltext import PlainLoader
from config import celery, logs
from config.env import ROOT
from tests.test_architecture import LAYERS

TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_test_and_file_named_on_the_page_is_there() -> None:
    told = re.findall(r"`((?:tests|docs|config)/[\w/.-]+)(?:::(\w+))?`", TEXT)
    assert len(told) > 25
    missing = []
    for name, test in told:
        path = ROOT / name
        if not path.exists() or (test and f"def {test}(" not in path.read_text()):
            missing.append((name, test))
    assert missing == []


def test_nothing_is_read_that_can_run() -> None:
    assert list(celery.app.conf.accept_content) == ["json"] and celery.app.conf.task_serializer == "json"
    runs = re.compile(r"\bimport (pickle|marshal|shelve)\b|\bfrom (pickle|marshal|shelve) import|unsafe_load")
    ours = [path for app in LAYERS for path in (ROOT / app).rglob("*.py")]
    assert [str(path) for path in ours if runs.search(path.read_text())] == []
    assert [path.name for path in ours if "yaml.load(" in path.read_text()] == ["yamltext.py"]
    assert issubclass(PlainLoader, (yaml.SafeLoader, yaml.CSafeLoader))


def test_passwords_are_hashed_with_argon2() -> None:
    asks = "import config.settings as s; print(s.PASSWORD_HASHERS[0])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    told = subprocess.run(
        [sys.executable, "-c", asks], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip().endswith("Argon2PasswordHasher")


def test_a_password_is_long_and_uncommon_and_of_any_letters() -> None:
    person = User(email="ana.morales@example.com")
    for refused in ("ninechars", "password123", "qwertyuiop", "ana.morales"):
        with pytest.raises(ValidationError):
            validate_password(refused, person)
    for taken in ("wide river under", "永遠不會忘記的一句很長的話", "z" * 60 + "any" * 20):
        validate_password(taken, person)


def test_every_wait_has_an_end() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["connect_timeout"] and options["keepalives_idle"] and options["keepalives_count"]
    assert options["tcp_user_timeout"] == 5_000
    assert settings.EMAIL_TIMEOUT and celery.app.conf.task_time_limit and celery.app.conf.task_soft_time_limit
    assert celery.app.conf.task_publish_retry_policy["max_retries"] == 1


def test_no_task_outlives_what_the_broker_believes_or_waits_in_the_memory_of_a_worker() -> None:
    visibility = celery.app.conf.broker_transport_options["visibility_timeout"]
    assert celery.app.conf.task_soft_time_limit < celery.app.conf.task_time_limit < visibility
    assert celery.app.conf.task_soft_time_limit > settings.LEASE_SECONDS
    waits = re.compile(r"\b(countdown|eta)\s*=")
    ours = [path for app in LAYERS for path in (ROOT / app).rglob("*.py")]
    assert [str(path) for path in ours if waits.search(path.read_text())] == []


@pytest.mark.parametrize("value", ["a\nFAKE line", 'b\r\n{"event": "forged"}', "c\x1b[31m\u2028red"])
def test_a_value_cannot_begin_a_line_of_its_own(value: str) -> None:
    chosen = dict(logs.configuration(pretty=False)["formatters"]["structured"])
    formatter = chosen.pop("()")(**chosen)
    record = logging.LogRecord("x", logging.WARNING, "", 1, "said %s", (value,), None)
    line = str(formatter.format(record))
    assert "\n" not in line and "\r" not in line and "\x1b" not in line
    assert json.loads(line)["event"].startswith("said ")
