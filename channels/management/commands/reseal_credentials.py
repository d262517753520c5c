"""`manage.py reseal_credentials`: seals every provider secret, signing key and secret of a second step
under the present SEALING_KEY.

Put the new key in SEALING_KEY and the old one in SEALING_KEY_FALLBACKS, restart, run this, then drop the
fallback. It can be broken off and run again.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import twosteps
from channels import sealing


class Command(BaseCommand):
    help = "Seal every stored secret under the present SEALING_KEY."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows per transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        steps = twosteps.reseal()
        sealed, current = steps.sealed, steps.current
        unreadable: list[int | str] = [row.user.email for row in steps.unreadable]
        for batch in sealing.reseal(options["batch"]):
            sealed, current = sealed + batch.sealed, current + batch.current
            unreadable += [row.pk for row in batch.unreadable]
            self.stdout.write(f"… {sealed} sealed anew")
        self.stdout.write(f"{sealed} sealed anew, {current} under the present key already.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} cannot be read with any key kept (rows {unreadable[:20]}). Keep the old "
                "key in SEALING_KEY_FALLBACKS, or enter these secrets again; end_two_steps helps a person."
            )
