"""A real demo on its own ports and data, once for all browser tests, and a real Chromium in front of it.

A module that changes how many people there are takes a demo of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from config.env import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def free_port() -> int:
    """Below those that are given to whoever asks for any port: no other test's server takes it meanwhile."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/ajo/im/health", timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _drives() -> bool:
    """Whether Playwright's driver finds the one library that a small Debian lacks."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return False
    return True


@contextmanager
def running_demo(data: Path, mail_port: int | None = None) -> Iterator[str]:
    """The address of a demo started as `make demo` starts it, on embedded servers."""
    address = f"127.0.0.1:{free_port()}"
    ours = ("DATABASE_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "CARILLON_MODE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {
        "BIND": address,
        "CARILLON_VAR": str(data),
        "DEMO_MAIL_PORT": str(mail_port or free_port()),
    }
    with (data / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.demo"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 240  # its database is made first, on a machine that may be busy
        while not answers(f"http://{address}"):
            assert process.poll() is None and time.monotonic() < end, (data / "demo.log").read_text()
            time.sleep(0.3)
        yield f"http://{address}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.fixture(scope="session")
def mail_port() -> int:
    """Where the demo's own mail server listens."""
    return free_port()


@pytest.fixture(scope="session")
def demo(mail_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_demo(tmp_path_factory.mktemp("demo"), mail_port) as address:
        yield address


@pytest.fixture(scope="module")
def own_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_demo(tmp_path_factory.mktemp("own-demo")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None or not _drives():
        pytest.skip("The browser tests need Chromium: apt-get install chromium libatomic1")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()
