"""docs/deploy.md and its files against the code: settings, commands, checks, addresses, queues."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.checks.registry import registry
from django.core.management import get_commands
from django.test import Client
from django.urls import get_resolver

from campaigns.delivery.bound import WINDOW
from config import celery, checks
from config.env import ROOT

DOCS = ROOT / "docs"
DEPLOY = DOCS / "deploy"
TEXT = (DOCS / "deploy.md").read_text()
FILES = {path.name: path.read_text() for path in DEPLOY.rglob("*") if path.is_file()}
EVERYTHING = "\n".join([TEXT, *FILES.values()])
COMPOSE: dict[str, Any] = yaml.safe_load(FILES["compose.yaml"])
KEYS = {
    "SECRET_KEY": "check-only-M8sdf7Xw2QpLz0vRt4Yb9NcJ6hGkU3aE5iOoT1xZ",
    "SEALING_KEY": "check-only-q4Wn8Ke2Zr6Ty0Ui3Op5As7Df9Gh1Jk",
    "METRICS_TOKEN": "check-only-Zx8Cv7Bn6Mq5Wr4Et3Yu2Io1Pa0Sd9F",
}


def settings_read() -> set[str]:
    """Every variable that env.py, settings.py and the embedded servers read."""
    sources = [ROOT / "config" / name for name in ("env.py", "settings.py", "embedded/wanted.py")]
    source = "\n".join(path.read_text() for path in sources)
    return set(re.findall(r'"([A-Z][A-Z_]{3,})"', source))


def test_every_setting_of_the_environment_file_is_read_by_the_code() -> None:
    given = set(re.findall(r"^([A-Z_]+)=", FILES["carillon.env"], re.M))
    assert len(given) > 8 and given <= settings_read()
    composed = set(COMPOSE["services"]["web"]["environment"])
    assert len(composed) > 8 and composed <= settings_read()
    told = set(
        re.findall(r"`([A-Z][A-Z_]+_(?:KEY|URL|HOSTS|TOKEN|NETWORKS|PROXY|FALLBACKS|SECONDS|VAR))`", TEXT)
    )
    assert len(told) > 10 and told <= settings_read()


def test_every_command_of_ours_exists() -> None:
    told = set(re.findall(r"manage\.py ([a-z_]+)", EVERYTHING))
    assert len(told) > 7 and told <= set(get_commands())


def test_every_check_is_told_and_every_told_check_exists() -> None:
    source = Path(checks.__file__).read_text()
    assert set(re.findall(r"carillon\.[EW]\d+", TEXT)) == set(re.findall(r"carillon\.[EW]\d+", source))
    assert checks.metrics_are_guarded in registry.get_checks(include_deployment_checks=True)


def test_every_file_and_test_named_on_the_page_is_there() -> None:
    told = set(re.findall(r"(?:docs|tests)/[\w/.-]+\.\w+", TEXT))
    assert len(told) > 5 and [name for name in told if not (ROOT / name).exists()] == []


def test_every_address_named_on_the_page_is_answered() -> None:
    ours = {re.sub(r"\W", "", str(one.pattern)) for one in get_resolver().url_patterns}
    patterns = {str(one.pattern) for one in _flat(get_resolver().url_patterns)}
    for told in set(re.findall(r"`/([a-z]+)/`", TEXT)):
        assert told in ours or any(one.startswith(f"{told}/") for one in patterns), told
    assert Client().get("/healthz").status_code == 200


def _flat(patterns: Any) -> Any:
    for one in patterns:
        yield from _flat(one.url_patterns) if hasattr(one, "url_patterns") and not str(one.pattern) else [one]


def test_the_proxy_lets_through_what_the_page_has_prometheus_and_the_balancer_ask() -> None:
    assert re.findall(r"location (\S+|= \S+)", FILES["nginx.conf"]) == ["/"]


def test_every_key_that_is_changed_with_a_fallback_has_it_in_the_compose_file() -> None:
    given = COMPOSE["services"]["web"]["environment"]
    told = set(re.findall(r"`(\w+_FALLBACKS)`", TEXT))
    assert len(told) == 2 and told <= set(given)


def test_what_may_become_uncertain_is_the_number_of_the_code() -> None:
    assert f"at most {WINDOW} of its messages" in TEXT


# ---- units --------------------------------------------------------------------------------------
UNITS = sorted(name for name in FILES if name.endswith(".service"))


def commands() -> dict[str, list[str]]:
    """What each unit and each service of ours starts, as words."""
    found = {name: re.findall(r"^ExecStart=(.*)$", FILES[name], re.M)[0].split() for name in UNITS}
    ours = ("web", "bulk", "urgent", "beat")
    return found | {name: COMPOSE["services"][name]["command"].split() for name in ours}


@cache
def help_of(program: str, *verb: str) -> str:
    asks = [sys.executable, "-m", program, *(["-A", "config.celery"] if verb else []), *verb, "--help"]
    environment = os.environ | {"BROKER_URL": "memory://"}
    return subprocess.run(asks, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", list(commands()))
def test_each_part_is_started_by_a_program_that_takes_these_options(name: str) -> None:
    words = commands()[name]
    program = Path(words[0]).name
    assert program in ("gunicorn", "celery") and (ROOT / ".venv" / "bin" / program).exists()
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    told = help_of(program, *([words[3]] if program == "celery" else []))
    assert options and [one for one in options if one not in told] == []


def test_workers_listen_to_the_queues_that_are_rung() -> None:
    told = {words[words.index("-Q") + 1] for words in commands().values() if "-Q" in words}
    assert told == {celery.queue_name(lane) for lane in (celery.BULK, celery.URGENT)}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_can_read_the_units(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/opt/carillon", str(ROOT))
        text = re.sub(r"^(User|Group)=.*$", "", text, flags=re.M)
        (tmp_path / path.name.replace("@.", "@1.")).write_text(text)
    units = [str(one) for one in sorted(tmp_path.iterdir())]
    told = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_can_read_its_part(tmp_path: Path) -> None:
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.example.com"]
    named = ["-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem")]
    subprocess.run([*openssl, *named], capture_output=True, check=True)
    ours = FILES["nginx.conf"].replace("/etc/letsencrypt/live/mail.example.com", str(tmp_path))
    ours = re.sub(r"listen (?:\[::\]:)?(\d+)", lambda found: f"listen unix:{tmp_path}/{found.start()}", ours)
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ {ours} }}")
    command = ["nginx", "-t", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0 and "[warn]" not in told.stderr, told.stderr


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker compose is not installed",
)
def test_docker_can_read_the_compose_file() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+):\?\}", FILES["compose.yaml"]))
    environment = os.environ | dict.fromkeys(named, "something")
    command = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def test_the_compose_file_is_whole() -> None:
    services = COMPOSE["services"]
    assert {"web", "bulk", "urgent", "beat", "db", "broker", "proxy", "migrate"} == set(services)
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        volumes = {one.partition(":")[0] for one in service.get("volumes", [])}
        assert volumes <= set(COMPOSE["volumes"]), name
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]
    assert COMPOSE["networks"]["inside"]["internal"] and services["db"]["networks"] == ["inside"]


# ---- settings -----------------------------------------------------------------------------------
def started(given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **given}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_environment_file_filled_in_passes_every_check() -> None:
    reads = ["sh", "-c", "set -a; . docs/deploy/carillon.env; env"]  # as the page has it read
    lines = subprocess.run(reads, cwd=ROOT, env={}, capture_output=True, text=True, check=True).stdout
    given = dict(line.split("=", 1) for line in lines.splitlines())
    assert given["DEFAULT_FROM_EMAIL"] == "Carillon <carillon@example.com>" and "&" in given["DATABASE_URL"]
    told = started(given | KEYS)
    assert told.returncode == 0, told.stderr


@pytest.mark.slow
def test_the_compose_file_filled_in_passes_every_check() -> None:
    values = KEYS | {"SITE": "mail.example.com", "EMAIL_URL": "smtp+tls://a:b@smtp.example.com:587"}
    values |= {"POSTGRES_PASSWORD": "secret", "RABBITMQ_PASSWORD": "secret"}

    def filled(text: str) -> str:
        return re.sub(r"\$\{(\w+):?[?-]?\}", lambda found: values.get(found[1], ""), text)

    given = {name: filled(str(value)) for name, value in COMPOSE["services"]["web"]["environment"].items()}
    told = started(given)
    assert told.returncode == 0, told.stderr


def test_links_may_have_a_name_of_their_own_that_is_answered_and_has_to_be_https() -> None:
    asks = "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.LINKS_URL)"
    given = KEYS | {
        "PATH": os.environ["PATH"],
        "PUBLIC_URL": "https://mail.example.com",
        "LINKS_URL": "https://links.example.com/",
        "DATABASE_URL": "postgresql:///none",
        "BROKER_URL": "memory://",
        "DEFAULT_FROM_EMAIL": "a@example.com",
    }
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", asks]
    told = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True).stdout
    assert told.strip() == "['links.example.com', 'mail.example.com'] https://links.example.com"
    assert started(given).returncode == 0
    unsafe = started(given | {"LINKS_URL": "http://links.example.com"})
    assert unsafe.returncode == 1 and "LINKS_URL is not https" in unsafe.stderr


def test_what_is_unsafe_is_told_by_its_check() -> None:
    unsafe = dict.fromkeys(("SECRET_KEY", "SEALING_KEY"), KEYS["SECRET_KEY"]) | {
        "PUBLIC_URL": "http://mail.example.com",
        "DATABASE_URL": "postgresql://db.example.com/carillon",
        "BROKER_URL": "redis://broker.example.com/0",
        "ALLOWED_HOSTS": "*",
        "METRICS_NETWORKS": "0.0.0.0/0",
        "METRICS_TOKEN": "short",
    }
    told = started(unsafe)
    found = set(re.findall(r"carillon\.W\d+", told.stderr))
    assert told.returncode == 1 and found == {f"carillon.W00{number}" for number in range(1, 9)}
