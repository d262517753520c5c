"""What every worker holds in memory for as long as it lives: the product's steps, and none of its pages."""

from __future__ import annotations

import subprocess
import sys

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
