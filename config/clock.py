"""The clock: django-celery-beat's scheduler, which also writes down that it lives.

It is seen through the database, so that a broker that is away does not make it look dead.
"""

from __future__ import annotations

import time

import structlog
from django.db import Error, close_old_connections, connection
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from accounts import heartbeat

log = structlog.get_logger(__name__)
EVERY = 5.0  # seconds


class Clock(DatabaseScheduler):  # type: ignore[misc]
    seen_at = float("-inf")

    def setup_schedule(self) -> None:
        """Waits for a database that is away, as when all was switched on at once."""
        while True:
            try:
                return super().setup_schedule()  # type: ignore[no-any-return]
            except Error as error:
                log.warning("clock waits for the database", error=type(error).__name__)
                connection.close()
                time.sleep(1)

    def tick(self, *arguments: object, **options: object) -> float:
        if time.monotonic() - self.seen_at >= EVERY:
            self.seen_at = time.monotonic()
            try:
                heartbeat.beat(heartbeat.CLOCK, now=timezone.now())
            except Error as error:  # it goes on: the database comes back
                log.warning("clock not seen", error=type(error).__name__)
                close_old_connections()
        return float(super().tick(*arguments, **options))
