"""Reports by mail: who gets which, how often, and the sending of those that are due.

An order is claimed for some minutes; each mail that left is noted at once, so a mail server that is away
costs time and whoever got the report does not get it again. Only people who may still see the report get it,
each in their own language and time zone.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models.functions import Lower
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import audit
from accounts.access import Actor, may, people_who_may, require
from accounts.models import User
from campaigns.models import Campaign, ReportOrder
from campaigns.reports import report as reporting
from campaigns.reports import sheet
from common.csvfiles import lines
from common.errors import Invalid, Problem

log = structlog.get_logger(__name__)

VIEW, MANAGE = "campaigns.view_report", "campaigns.manage_campaign"
MOST_ORDERS, MOST_PEOPLE, MOST_TRIES = 10, 50, 8
AT_ONCE, LEASE = 10, timedelta(minutes=5)
STEPS: dict[str, dict[str, Any]] = {
    ReportOrder.Every.DAY: {"days": 1},
    ReportOrder.Every.WEEK: {"weeks": 1},
    ReportOrder.Every.MONTH: {"months": 1},
    ReportOrder.Every.YEAR: {"years": 1},
}


@transaction.atomic
def order(
    campaign: Campaign,
    *,
    every: str,
    form: str,
    people: Sequence[User],
    begins_at: datetime,
    actor: Actor,
    now: datetime,
) -> ReportOrder:
    """Whoever sees the report orders it for themselves; to have it sent to others takes the right to manage.

    Raises Invalid with the pointers people, begins_at, and without one where there are too many.
    """
    _require(actor, campaign, people)
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    problems = _problems(campaign, people)
    if ReportOrder.objects.filter(campaign=campaign).count() >= MOST_ORDERS:
        detail = _("A campaign's report is sent in at most %(most)s ways. Remove one first.")
        problems.append(Problem("too_many_orders", detail % {"most": MOST_ORDERS}, ""))
    if begins_at <= now:
        problems.append(_past())
    if problems:
        raise Invalid(problems)
    made = ReportOrder.objects.create(
        campaign=campaign,
        every=every,
        form=form,
        begins_at=begins_at,
        next_at=begins_at,
        try_at=begins_at,
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
    )
    made.people.set(people)
    _note("order_report", made, actor, now)
    return made


@transaction.atomic
def change(
    order: ReportOrder,
    *,
    every: str,
    form: str,
    people: Sequence[User],
    begins_at: datetime,
    actor: Actor,
    now: datetime,
) -> None:
    """As `order`; a beginning that has passed may stay. What is being sent just now is not sent further."""
    _require(actor, order.campaign, [*order.people.all(), *people])
    problems = _problems(order.campaign, people)
    if begins_at <= now and begins_at != order.begins_at:
        problems.append(_past())
    if problems:
        raise Invalid(problems)
    order.every, order.form, order.begins_at = every, form, begins_at
    order.next_at = order.try_at = following(order, now)
    order.waiting, order.tries = [], 0
    order.save()
    order.people.set(people)
    _note("change_report", order, actor, now)


@transaction.atomic
def send_now(order: ReportOrder, *, actor: Actor, now: datetime) -> None:
    """Once more than the times that are set, within a minute; asked for twice meanwhile, it is sent once."""
    require(actor, right_to_send(order, actor), order.campaign)
    people = list(order.people.order_by("pk"))
    due = ReportOrder.objects.filter(pk=order.pk, waiting=[])
    if due.update(waiting=[one.pk for one in people], try_at=now, tries=0):
        _note("send_report", order, actor, now)


@transaction.atomic
def cancel(order: ReportOrder, *, actor: Actor, now: datetime) -> None:
    require(actor, right_to_cancel(order, actor), order.campaign)
    _note("cancel_report", order, actor, now)
    order.delete()


def people_of(campaign: Campaign, emails: Iterable[str]) -> list[User]:
    """Those who may see the report, by their addresses. Raises Invalid where one of them is nobody's."""
    wanted = {email.replace("\0", "").lower() for email in emails}
    people = people_who_may(VIEW, campaign).annotate(lowered=Lower("email")).filter(lowered__in=wanted)
    if len(people) != len(wanted):
        raise Invalid(_not_these())
    return list(people)


def right_to_send(order: ReportOrder, actor: Actor) -> str:
    """What it takes to change it and to send it at once."""
    return _right(actor, order.people.all())


def right_to_cancel(order: ReportOrder, actor: Actor) -> str:
    own = isinstance(actor, User) and order.created_by_id == actor.pk
    return VIEW if own else MANAGE


def _right(actor: Actor, people: Iterable[User]) -> str:
    return VIEW if {one.pk for one in people} == {_pk(actor)} else MANAGE


def _require(actor: Actor, campaign: Campaign, people: Iterable[User]) -> None:
    require(actor, _right(actor, people), campaign)


def _pk(actor: Actor) -> int | None:
    return actor.pk if isinstance(actor, User) else None


def _problems(campaign: Campaign, people: Sequence[User]) -> list[Problem]:
    allowed = set(people_who_may(VIEW, campaign).values_list("pk", flat=True))
    is_good = 0 < len(people) <= MOST_PEOPLE and all(one.pk in allowed for one in people)
    return [] if is_good else [_not_these()]


def _not_these() -> Problem:
    detail = _("Choose 1 to %(most)s people who may see the report.") % {"most": MOST_PEOPLE}
    return Problem("bad_people", detail, "people")


def _past() -> Problem:
    return Problem("in_the_past", _("Choose a time that is to come."), "begins_at")


def _note(verb: str, order: ReportOrder, actor: Actor, now: datetime) -> None:
    campaign = order.campaign
    told = {"every": order.every, "form": order.form, "people": order.people.count()}
    audit.record(actor=actor, verb=verb, obj=campaign, workspace=campaign.workspace, now=now, **told)


def send_due(*, now: datetime) -> int:
    """Sends what is due; returns how many mails left."""
    return sum(_send(row, now) for row in _claim(now))


@transaction.atomic
def _claim(now: datetime) -> list[ReportOrder]:
    due = ReportOrder.objects.filter(try_at__lte=now).order_by("try_at")
    rows = list(due.select_for_update(of=("self",), skip_locked=True)[:AT_ONCE])
    for row in rows:
        if not row.waiting:
            row.waiting = list(row.people.order_by("pk").values_list("pk", flat=True))
        row.try_at = now + LEASE
        row.save(update_fields=["waiting", "try_at"])
    return rows


def _send(row: ReportOrder, now: datetime) -> int:
    sent = 0
    campaign = Campaign.objects.select_related("workspace").get(pk=row.campaign_id)
    for person in User.objects.filter(pk__in=row.waiting, is_active=True).order_by("pk"):
        if may(person, VIEW, campaign):
            try:
                _mail(row, campaign, person, now).send()
            except (smtplib.SMTPException, OSError) as error:
                log.warning("report not sent", order=row.pk, tries=row.tries + 1, error=type(error).__name__)
                row.tries += 1
                if row.tries < MOST_TRIES:
                    _keep(row, tries=row.tries, try_at=now + timedelta(minutes=2**row.tries))
                    return sent
                break  # this one is lost; the next one is tried when its time comes
            sent += 1
        row.waiting = [pk for pk in row.waiting if pk != person.pk]
        if not _keep(row, waiting=row.waiting):
            return sent
    then = following(row, now)
    _keep(row, next_at=then, try_at=then, waiting=[], tries=0)
    return sent


def _keep(row: ReportOrder, **values: Any) -> bool:
    """False where somebody has changed or cancelled the order since it was claimed."""
    return bool(ReportOrder.objects.filter(pk=row.pk, try_at=row.try_at).update(**values))


def following(row: ReportOrder, now: datetime) -> datetime:
    """The first time to come, counted from the beginning by the workspace's clock: missed ones are left."""
    zone = ZoneInfo(row.campaign.workspace.time_zone)
    began, step = row.begins_at.astimezone(zone).replace(tzinfo=None), STEPS[row.every]
    steps = (relativedelta(**{unit: many * number for unit, many in step.items()}) for number in count())
    moments = ((began + far).replace(tzinfo=zone) for far in steps)
    return next(moment for moment in moments if moment > now)


def _mail(row: ReportOrder, campaign: Campaign, person: User, now: datetime) -> EmailMessage:
    with override(person.language), timezone.override(ZoneInfo(person.time_zone)):
        made = reporting.make(campaign, now=now)
        link = settings.PUBLIC_URL + reverse("campaigns:campaign_report", args=[campaign.pk])
        told = {"user": person, "report": made, "campaign": campaign, "link": link, "order": row, "at": now}
        name = " ".join(campaign.name.split())
        mail = EmailMessage(
            (_("Report of “%(campaign)s”") % {"campaign": name})[:200],
            render_to_string("mail/report.txt", told),
            settings.DEFAULT_FROM_EMAIL,
            [person.email],
        )
        content, kind = _file(row.form, made, now)
    mail.attach(f"report-campaign-{campaign.pk}.{row.form}", content, kind)
    return mail


def _file(form: str, made: reporting.Report, now: datetime) -> tuple[bytes, str]:
    if form == ReportOrder.Form.CSV:
        return b"".join(
            part.encode() if isinstance(part, str) else part for part in lines(sheet.rows(made))
        ), "text/csv"
    from campaigns.reports import paper  # the library takes memory that no other task of a worker needs

    return paper.pdf(made, now=now), "application/pdf"
