"""What the clock rings for in channels. Running a task twice is harmless."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from channels import domains, inbox, mailfiles, received


@shared_task
def check_domains() -> None:
    domains.check_again(timezone.now())


@shared_task
def prune_received() -> None:
    received.prune(timezone.now())
    inbox.prune(timezone.now())
    mailfiles.prune(timezone.now())


@shared_task
def write_mail_files() -> None:
    mailfiles.write_due(timezone.now)
