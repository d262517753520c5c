"""`manage.py judge_machines`: tells machines from people in the opens and clicks, by the rules of today."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from campaigns.reports import counting
from campaigns.tracking import machines


class Command(BaseCommand):
    help = "Judges opens and clicks that no rule has seen yet; with --all, every one again, and counts anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also those that were judged before")

    def handle(self, *args: Any, **options: Any) -> None:
        count = machines.judge(now=timezone.now(), everything=options["all"])
        if options["all"]:
            counting.rebuild()
        self.stdout.write(f"{count} events judged by version {machines.VERSION} of the rules")
