"""Sends the mail of notices. The row came first; a mail server that is away costs time, never a notice."""

from __future__ import annotations

import smtplib
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils.translation import override

from accounts import notices
from accounts.models import Notification

log = structlog.get_logger(__name__)
AT_ONCE, MOST_TRIES = 50, 8
LEASE = timedelta(minutes=5)  # longer than one mail takes; a killed worker's row comes up again after it


def send_due(*, now: datetime) -> int:
    """Sends what is due and returns how many mails left."""
    return sum(_send(notice, now) for notice in _claim(now))


@transaction.atomic
def _claim(now: datetime) -> list[Notification]:
    due = Notification.objects.filter(mail=Notification.Mail.DUE, try_at__lte=now).order_by("try_at")
    rows = list(due.select_for_update(of=("self",), skip_locked=True).select_related("user")[:AT_ONCE])
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(try_at=now + LEASE)
    return rows


def _send(notice: Notification, now: datetime) -> bool:
    row = Notification.objects.filter(pk=notice.pk)
    if not notice.user.is_active or not notices.visible(notice.user, [notice]):
        row.update(mail=Notification.Mail.NONE)
        return False
    with override(notice.user.language):
        sentence = notices.words(notice)
        link = settings.PUBLIC_URL + notice.address
        context = {"user": notice.user, "sentence": sentence, "notice": notice, "link": link}
        body = render_to_string("mail/notice.txt", context)
    try:
        subject = " ".join(sentence.split())[:200]
        send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, [notice.user.email])
    except (smtplib.SMTPException, OSError) as error:
        log.warning("notice not sent", notice=notice.pk, tries=notice.tries + 1, error=type(error).__name__)
        lost = notice.tries + 1 >= MOST_TRIES
        state = Notification.Mail.LOST if lost else Notification.Mail.DUE
        row.update(mail=state, tries=notice.tries + 1, try_at=now + timedelta(minutes=2**notice.tries))
        return False
    row.update(mail=Notification.Mail.SENT)
    return True
