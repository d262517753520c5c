"""The environment is read once and refused loudly when it cannot be right."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config import env

GOOD = {
    "PATH": os.environ["PATH"],
    "DATABASE_URL": "postgresql://somebody@db.example/carillon",
    "BROKER_URL": "redis://broker.example/0",
    "PUBLIC_URL": "https://mail.example.com",
    "SECRET_KEY": "s" * 50,
    "SEALING_KEY": "k" * 50,
}


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", "import config.settings as s; print(s.MODE, s.SESSION_COOKIE_SECURE)"],
        env=environment, cwd=env.ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_complete_production_environment_starts() -> None:
    assert start().stdout.split() == ["production", "True"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "BROKER_URL", "PUBLIC_URL", "SECRET_KEY", "SEALING_KEY"])
def test_a_missing_setting_stops_the_start_and_is_named(name: str) -> None:
    result = start(**{name: None})
    assert result.returncode != 0
    assert f"{name} is not set." in result.stderr


def test_a_short_secret_is_refused() -> None:
    assert "shorter than 32" in start(SECRET_KEY="short").stderr


def test_requests_into_private_networks_are_never_allowed_in_production() -> None:
    result = start(OUTBOUND_ALLOWED_NETWORKS="10.0.0.0/8")
    assert result.returncode != 0
    assert "OUTBOUND_ALLOWED_NETWORKS is set." in result.stderr
    local = {"CARILLON_MODE": "local", "OUTBOUND_ALLOWED_NETWORKS": "10.0.0.0/8"}
    assert start(**local).returncode == 0
    assert "host bits" in start(**{**local, "OUTBOUND_ALLOWED_NETWORKS": "10.0.0.1/8"}).stderr


DEMO = {"CARILLON_MODE": "demo", "PUBLIC_URL": None, "SECRET_KEY": None, "SEALING_KEY": None}


def test_the_demo_starts_on_loopback() -> None:
    assert start(**DEMO).stdout.split() == ["demo", "False"]


@pytest.mark.parametrize(
    "changes",
    [
        {"BIND": "0.0.0.0:8000"},
        {"PUBLIC_URL": "https://mail.example.com"},
        {"ALLOWED_HOSTS": "mail.example.com"},
    ],
)
def test_the_demo_refuses_any_address_that_is_not_this_machine(changes: dict[str, str]) -> None:
    result = start(**{**DEMO, **changes})
    assert result.returncode != 0
    assert "Demo mode serves this machine only" in result.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "SEALING_KEY"])
def test_the_demo_refuses_production_settings(name: str) -> None:
    result = start(**{**DEMO, name: "x" * 50})
    assert result.returncode != 0
    assert "production settings" in result.stderr


def test_an_unknown_mode_is_refused() -> None:
    assert "must be production, local or demo" in start(CARILLON_MODE="prod").stderr
