"""The installation's settings with one more address, which answers nothing: what a request costs at least."""

from __future__ import annotations

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.empty_urls"
