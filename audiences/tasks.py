"""What may run beside the web: thin, and harmless to run twice."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from audiences import confirmations, conversions, evaluations, indexes, months, softbounces, subscription
from audiences.imports import claims, jobs, work
from common import bell


@shared_task
def advance_import(job_id: int) -> None:
    if work.advance(job_id):
        ring_import(job_id)


@shared_task
def sweep_imports() -> None:
    for job_id in claims.unfinished():
        ring_import(job_id)
    jobs.clear(timezone.now())


@shared_task
def evaluate_audiences() -> None:
    evaluations.evaluate_due(timezone.now())


@shared_task
def keep_indexes() -> None:
    indexes.keep()


@shared_task
def keep_event_months() -> None:
    months.keep(timezone.now())
    softbounces.prune(timezone.now())


@shared_task
def send_confirmations() -> None:
    now = timezone.now()
    confirmations.send_due(now)
    subscription.forget_networks(now)


@shared_task
def advance_conversion(pk: int) -> None:
    if conversions.advance(pk):
        ring_conversion(pk)


@shared_task
def sweep_conversions() -> None:
    for pk in conversions.unfinished(timezone.now()):
        ring_conversion(pk)


def ring_import(job_id: int) -> None:
    """Rings after commit; a lost ring is rung again by the sweep."""
    _ring(advance_import, job_id)


def ring_conversion(pk: int) -> None:
    _ring(advance_conversion, pk)


def _ring(task: Any, pk: int) -> None:
    transaction.on_commit(lambda: bell.ring(partial(task.delay, pk), task=task.name))
