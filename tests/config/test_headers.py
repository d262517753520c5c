"""Every answer as a browser gets it in production: headers, cookies, what may be kept; and what a log may not
hold. The settings are those that a production start computes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Workspace
from config.env import ROOT
from tests import builders
from tests.api import Caller

NAMES = (
    *("SESSION_COOKIE_SECURE", "SESSION_COOKIE_NAME", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE"),
    *("CSRF_COOKIE_SECURE", "CSRF_COOKIE_NAME", "CSRF_COOKIE_HTTPONLY", "CSRF_COOKIE_SAMESITE"),
    *("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD", "SECURE_SSL_REDIRECT"),
    *("SECURE_CONTENT_TYPE_NOSNIFF", "SECURE_REFERRER_POLICY", "SECURE_CROSS_ORIGIN_OPENER_POLICY"),
    *("X_FRAME_OPTIONS", "DEBUG"),
)
PRODUCTION = {
    "DATABASE_URL": "postgresql:///none",
    "BROKER_URL": "memory://",
    "PUBLIC_URL": "https://mail.example.com",
    "SECRET_KEY": "s" * 50,
    "SEALING_KEY": "k" * 50,
}
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": ("DENY", "SAMEORIGIN"),
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
}
OPEN = ("/api/schema/", "/ajo/im/health")  # the same for everybody


@pytest.fixture(scope="module")
def computed() -> dict[str, Any]:
    asks = f"import json, config.settings as s; print(json.dumps({{n: getattr(s, n) for n in {NAMES}}}))"
    environment = {"PATH": os.environ["PATH"], **PRODUCTION}
    told = subprocess.run(
        [sys.executable, "-c", asks], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    values: dict[str, Any] = json.loads(told.stdout)
    return values


@pytest.fixture
def production(settings: Any, computed: dict[str, Any]) -> None:
    for name, value in computed.items():
        setattr(settings, name, value)


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def pages(patterns: Any = None, before: str = "") -> Iterator[str]:
    """Every address without a number in it."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(one.pattern).removeprefix("^").removesuffix("$")
        if isinstance(one, URLResolver) and "admin/" not in path:
            yield from pages(one.url_patterns, path)
        elif isinstance(one, URLPattern) and not re.search(r"[<(\\]", path):
            yield f"/{path}"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_every_page_has_the_headers_of_a_safe_one_and_is_kept_by_nobody(
    where: Workspace, quarter: int
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(builders.person(where, "administrator"))
    faults, seen = [], 0
    for path in sorted(set(pages()))[quarter::4]:
        answer = client.get(path, secure=True)
        seen += answer.status_code == 200
        for name, wanted in EVERYWHERE.items():
            told = answer.headers.get(name, "")
            if told not in (wanted if isinstance(wanted, tuple) else (wanted,)):
                faults.append((path, name, told))
        policy = answer.headers.get("Content-Security-Policy", "")
        if "object-src 'none'" not in policy or "base-uri 'none'" not in policy or "unsafe-eval" in policy:
            faults.append((path, "Content-Security-Policy", policy))
        if re.search(r"script-src[^;]*('unsafe-inline'|\*|https?:(?!//testserver/static/)|data:)", policy):
            faults.append((path, "script-src", policy))
        if (
            path not in OPEN
            and answer.status_code != 401
            and "no-store" not in answer.headers.get("Cache-Control", "")
        ):
            faults.append((path, "Cache-Control", answer.headers.get("Cache-Control", "")))
        if "Access-Control-Allow-Origin" in answer.headers:
            faults.append((path, "CORS", answer.headers["Access-Control-Allow-Origin"]))
    assert (seen > 10, faults) == (True, [])


@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_what_the_api_tells_is_kept_by_nobody(where: Workspace) -> None:
    answer = Caller(where, "administrator").get("/api/profiles/", secure=True)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Strict-Transport-Security"] and "Set-Cookie" not in answer.headers


@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_cookies_belong_to_this_host_alone_and_no_script_reads_them(where: Workspace) -> None:
    person = builders.person(where, "administrator")
    client = Client()
    client.get("/accounts/sign-in/", secure=True)
    form = {"username": person.email, "password": "a long password"}
    assert client.post("/accounts/sign-in/", form, secure=True).status_code == 302
    client.post("/accounts/preferences/", {"language": "zh-hant", "theme": "dark"}, secure=True)
    assert {"__Host-session", "__Host-csrf", "theme", "django_language"} <= set(client.cookies)
    for name, cookie in client.cookies.items():
        assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax", name
        assert cookie["path"] == "/" and not cookie["domain"], name


@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_plain_http_is_redirected_but_where_mail_programs_post(where: Workspace) -> None:
    assert Client().get("/accounts/sign-in/").status_code == 301
    assert Client().get("/api/profiles/").status_code == 301
    assert Client().post("/u/forged").status_code != 301


def test_another_host_than_ours_is_refused(computed: dict[str, Any]) -> None:
    assert computed["DEBUG"] is False
    assert Client().get("/accounts/sign-in/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/.git/config", "/.env", "/static/../config/settings.py", "/media/", "/manage.py", "/var/"],
)
def test_no_file_of_the_house_is_served(path: str) -> None:
    assert Client().get(path).status_code == 404


# ---- what is pinned, and what is secret ---------------------------------------------------------
def test_every_dependency_is_pinned_with_its_digest() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    names = re.findall(r"^([A-Za-z0-9._-]+(?:\[[^]]+\])?)==", lock, re.M)
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.M)
    unpinned = [
        block.split()[0] for block in blocks if re.match(r"\w", block) and "--hash=sha256:" not in block
    ]
    assert len(names) > 80 and unpinned == [] and "http" not in lock.partition("\n")[0]
    assert "--require-hashes" in (ROOT / "Makefile").read_text()
    assert "--require-hashes" in (ROOT / "docs" / "deploy" / "Dockerfile").read_text()


def test_no_secret_stands_in_the_source() -> None:
    """Private keys, and what providers' keys look like, outside of tests."""
    shapes = re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+\w{20}|\bAKIA[0-9A-Z]{16}\b|\bsk_live_\w{16}|\bxox[bp]-\w{10}"
        r"|\bSG\.[\w-]{16,}\.|\bgh[pousr]_\w{30}|\bAIza[\w-]{35}"
    )
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found = []
    for name in listed.splitlines():
        path = ROOT / name
        if name.startswith(("tests/", "static/vendor/")) or not path.is_file():
            continue
        if shapes.search(path.read_bytes().decode("utf-8", "ignore")):
            found.append(name)
    assert found == []
