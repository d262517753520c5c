"""`manage.py verify_audit`: recomputes every chain of the audit log and says what does not hold.

It prints the head of each chain. Keep the lines elsewhere and give them back with `--expect` the next time:
that finds a tail that was cut off, which no chain can see by itself.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import audit
from accounts.models import Workspace


class Command(BaseCommand):
    help = "Verifies the audit log's hash chains. Exit code 1 when one does not hold."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            metavar="WORKSPACE:SEQUENCE:HASH",
            help="a head noted elsewhere, as this command prints it; finds a tail that was cut off",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        expected = [_noted(line) for line in options["expect"]]
        slugs = dict(Workspace.objects.values_list("pk", "slug"))
        faults = []
        for workspace_id in audit.chains():
            name = "-" if workspace_id is None else slugs.get(workspace_id, f"#{workspace_id}")
            faults += [f"{name}: {fault}" for fault in audit.verify_chain(workspace_id)]
            if last := audit.chain(workspace_id).last():
                self.stdout.write(f"{name}:{last.sequence}:{last.hash}")
        keys = {slug: pk for pk, slug in slugs.items()}
        for name, sequence, digest in expected:
            key = int(name[1:]) if name.startswith("#") else keys.get(name)
            is_known = name == "-" or key is not None
            if not (is_known and audit.chain(key).filter(sequence=sequence, hash=digest).exists()):
                faults.append(f"{name}: entry {sequence} is missing or differs from the one noted")
        if faults:
            raise CommandError("\n".join(faults))


def _noted(line: str) -> tuple[str, int, str]:
    name, _, rest = line.partition(":")
    sequence, _, digest = rest.partition(":")
    if not (name and digest and sequence.isdecimal() and len(sequence) < 19):
        raise CommandError(f"{line!r} is not WORKSPACE:SEQUENCE:HASH as this command prints it.")
    return name, int(sequence), digest
