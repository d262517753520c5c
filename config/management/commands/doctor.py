"""`manage.py doctor`: says what is wrong with this installation, and what to do.

Run it on each host: disk and clock are those of the host it runs on. The exit code is 2 when something has to
be mended now, 1 when something is to be looked at, else 0, as monitoring programs expect it.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config import doctor
from config.doctor.finding import Severity

CODES = {Severity.ERROR: 2, Severity.WARNING: 1, Severity.INFO: 0}


class Command(BaseCommand):
    help = "Says what is wrong with this installation. Exit code 2: mend it now; 1: look at it; 0: well."
    requires_system_checks = []  # they are among what it looks at

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = doctor.examine(now=timezone.now())
        for one in found:
            if options["json"]:
                self.stdout.write(json.dumps(asdict(one), ensure_ascii=False))
            else:
                self.stdout.write(f"{one.severity.upper():8}{one.code}  [{one.where}]")
                self.stdout.write(f"        {one.what}\n        → {one.advice}")
        if not found:
            self.stdout.write("Nothing is wrong.")
        if code := max((CODES[one.severity] for one in found), default=0):
            sys.exit(code)
