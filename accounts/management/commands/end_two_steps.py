"""`manage.py end_two_steps EMAIL`: for the operator, when somebody has lost phone and recovery codes.

Make sure that it is really they who ask: their password alone lets them in afterwards.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import twosteps
from accounts.access import SYSTEM
from accounts.models import User


class Command(BaseCommand):
    help = "Ends somebody's two-step sign-in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        if not twosteps.end(user, actor=SYSTEM, now=timezone.now()):
            raise CommandError(f"{user.email} signs in with the password alone already.")
        self.stdout.write(f"{user.email} signs in with the password alone now.")
