"""`manage.py campaign_export 12 --as ann@example.com > winter.yaml`: a campaign as one sees it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from campaigns import access
from campaigns.ascode import document, yamltext
from common.errors import CarillonError


class Command(BaseCommand):
    help = "Write a campaign and what it refers to as YAML."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", type=int, help="its number")
        parser.add_argument("--as", dest="who", required=True, help="the email address of the one who asks")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email__iexact=options["who"], is_active=True).first()
        if person is None:
            raise CommandError(f"{options['who']} is nobody's address here.")
        try:
            campaign = access.campaign_for(person, options["campaign"])
            self.stdout.write(yamltext.write(document.of_campaign(campaign, person)), ending="")
        except CarillonError as error:
            raise CommandError(str(error.detail)) from error
