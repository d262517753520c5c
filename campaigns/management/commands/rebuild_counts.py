"""`manage.py rebuild_counts`: counts every event and attempt that is kept anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from campaigns.models import Count
from campaigns.reports import counting


class Command(BaseCommand):
    help = "Counts every event and attempt that is kept anew; reports are the same before and after."

    def handle(self, *args: Any, **options: Any) -> None:
        counting.rebuild()
        self.stdout.write(f"{Count.objects.count()} rows of counts")
