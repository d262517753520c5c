"""`manage.py switch_off EMAIL`: for the operator, when an account was stolen and nobody can help by browser.

A superuser does the same in the admin site. Whoever is the only one to manage a workspace cannot just be
switched off: `--instead` names who manages it from now on, and invites them where they are new.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import people
from accounts.access import SYSTEM
from accounts.models import ApiCredential, User
from common.errors import CarillonError


class Command(BaseCommand):
    help = "Switches an account off: it is signed out everywhere at once and comes in no more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--instead", metavar="EMAIL", default="", help="who manages what only they could manage"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        try:
            handed = people.switch_off(user, instead=options["instead"], actor=SYSTEM, now=timezone.now())
        except CarillonError as error:
            raise CommandError(f"{error.detail} See --instead.") from error
        self.stdout.write(f"{user.email} is switched off.")
        for workspace in handed:
            self.stdout.write(f"{options['instead']} manages {workspace.slug} now.")
        issued = ApiCredential.objects.filter(created_by=user, revoked_at=None)
        for one in issued.select_related("workspace"):
            self.stdout.write(
                f"Still works: the credential {one.prefix} “{one.name}” of {one.workspace.slug}."
            )
