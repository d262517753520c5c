"""What every worker holds in memory for as long as it lives: the product's steps, and none of its pages. And
what a web process has loaded before it is asked anything.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config.env import ROOT

LOADS = """
import sys
from config.celery import app
app.loader.import_default_modules()
import campaigns.delivery.send
print(*sys.modules)
"""


def test_a_worker_loads_no_page_and_nothing_heavy_that_few_need() -> None:
    told = subprocess.run([sys.executable, "-c", LOADS], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert {"campaigns", "audiences", "channels"} <= loaded
    assert not loaded & {"config.urls", "asyncssh", "botocore", "openpyxl", "numpy", "PIL"}


@pytest.mark.parametrize(
    ("broker", "module"),
    [("redis://127.0.0.1:1/0", "kombu.transport.redis"), ("amqp://127.0.0.1:1//", "kombu.transport.pyamqp")],
)
def test_a_web_process_has_loaded_what_it_rings_with_though_the_broker_is_away(
    broker: str, module: str
) -> None:
    command = [sys.executable, "-c", "import config.wsgi, sys; print(*sys.modules)"]
    given = os.environ | {"BROKER_URL": broker, "DJANGO_SETTINGS_MODULE": "config.settings"}
    told = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True)
    assert module in told.stdout.split()
