"""`manage.py read_bounce < mail`: for a mail server that pipes what comes to the bounce address.

With Postfix: `bounces: "|/path/to/manage.py read_bounce --recipient ${ORIGINAL_RECIPIENT}"`. It ends well for
whatever mail it is given, so that none of it is bounced in turn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from campaigns.tracking import returned
from channels.bounces import MOST_OCTETS


class Command(BaseCommand):
    help = "Reads one mail that came to a bounce address, from a file or from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path)
        parser.add_argument("--recipient", default="", help="the address it came to")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path | None = options["file"]
        octets = file.read_bytes() if file else sys.stdin.buffer.read(MOST_OCTETS + 1)
        said = returned.take(octets, recipient=options["recipient"], now=timezone.now())
        self.stdout.write(str(said) if said else "nothing about a message of ours")
