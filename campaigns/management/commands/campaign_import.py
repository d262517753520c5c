"""`manage.py campaign_import winter.yaml --workspace shop --as ann@example.com --dry-run`: a draft from code.

With `--campaign 12` it is written over that draft. With `--dry-run` the difference is shown and nothing kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.models import User, Workspace
from campaigns import access
from campaigns.access import MANAGE
from campaigns.api.code_import import take_in
from campaigns.ascode import yamltext
from common.api import problems_of
from common.errors import CarillonError, Invalid


class Command(BaseCommand):
    help = "Make a draft from YAML, or write it over one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="a file, or - for what is piped in")
        parser.add_argument("--workspace", required=True, help="its short name")
        parser.add_argument("--as", dest="who", required=True, help="the email address of the one who asks")
        parser.add_argument("--campaign", type=int, help="the number of the draft to write over")
        parser.add_argument("--update-audiences", action="store_true", help="define audiences anew")
        parser.add_argument("--dry-run", action="store_true", help="only show what would differ")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email__iexact=options["who"], is_active=True).first()
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if person is None or workspace is None:
            raise CommandError("There is no such person or workspace.")
        try:
            made = take_in(
                yamltext.read(_content(options["file"])),
                workspace,
                campaign=_target(options["campaign"], workspace, person),
                updates_audiences=options["update_audiences"],
                is_dry_run=options["dry_run"],
                actor=person,
                now=timezone.now(),
            )
        except ValidationError as error:
            raise CommandError(_lines(Invalid(problems_of(error.detail)))) from error
        except Invalid as error:
            raise CommandError(_lines(error)) from error
        except CarillonError as error:
            raise CommandError(str(error.detail)) from error
        for one in made.audiences:
            self.stdout.write(f"audience {one['name']}: {one['outcome']}")
        self.stdout.write(yamltext.write(made.differences) if made.differences else "Nothing differs.")
        if not options["dry_run"]:
            self.stdout.write(f"campaign {made.campaign.pk}")


def _target(pk: int | None, workspace: Workspace, person: User) -> Any:
    if pk is None:
        return None
    campaign = access.campaign_for(person, pk, MANAGE)
    if campaign.workspace_id != workspace.pk:
        raise CommandError(f"Campaign {pk} is in another workspace.")
    return campaign


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(yamltext.MOST_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(yamltext.MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _lines(error: Invalid) -> str:
    return "\n".join(f"{one.pointer or '/'}: {one.detail}" for one in error.problems)
