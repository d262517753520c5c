from celery import shared_task
from django.utils import timezone

from accounts import outbox


@shared_task
def send_notices() -> None:
    outbox.send_due(now=timezone.now())
