from celery import shared_task
from django.utils import timezone

from accounts import outbox, slowing


@shared_task
def send_notices() -> None:
    outbox.send_due(now=timezone.now())


@shared_task
def forget_sign_ins() -> None:
    slowing.forget(now=timezone.now())
