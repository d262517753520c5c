"""A report as the rows of a CSV file: every number of the page, with its definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns.reports.report import Report
from campaigns.reports.tables import Part
from campaigns.reports.trials import Trial
from common.percents import cut, sure

Cells = list[Any]
OF_DEVICES = ("opened", "clicked")
COLUMNS = ("accepted", "delivered", "bounced", "opened", "clicked", "unsubscribed", "complained")


def rows(report: Report) -> Iterator[Cells]:
    yield [_("Part"), _("Name"), pgettext("figure", "Number"), _("Percent"), _("Definition")]
    for number in report.numbers.values():
        rate = None if number.rate is None else cut(number.rate, 4)
        yield [_("Numbers"), number.label, number.value, rate, number.definition]
    for title, found in (
        (_("Excluded, by reason"), report.excluded),
        (_("Failed, by reason"), report.failed),
    ):
        for code, label, count in found:
            yield [title, label, count, None, code]
    for one in report.bounced:
        yield [_("Bounced, by reason"), one.label, one.messages, None, one.code]
    for rule in report.rules:
        yield [_("Machines"), rule.label, rule.events, None, None]
    if report.trial:
        yield from _trial(report.trial)
    yield []
    yield [_("Links"), _("Address"), _("People"), _("Clicks"), _("Clicks by machines")]
    for link in report.links:
        yield [_("Links"), link.url, link.people, link.clicks, link.machine_clicks]
    yield []
    yield from _tables(report)
    yield []
    yield [
        _("Curve"),
        _("Time"),
        pgettext("number", "Opens"),
        _("Clicks"),
        _("Opens by machines"),
        _("Clicks by machines"),
    ]
    for point in report.curve:
        yield [_("Curve"), point.at, point.opens, point.clicks, point.machine_opens, point.machine_clicks]


def _tables(report: Report) -> Iterator[Cells]:
    yield [_("Table"), _("Name"), *COLUMNS]
    for title, parts in tables(report):
        known = columns(report, parts)
        for part in parts:
            yield [title, part.label, *(getattr(part, name) if name in known else None for name in COLUMNS)]


def columns(report: Report, parts: list[Part]) -> tuple[str, ...]:
    """A device shows when somebody opens: what was sent to it nobody knows."""
    return OF_DEVICES if parts is report.devices else COLUMNS


def tables(report: Report) -> list[tuple[str, list[Part]]]:
    """The same columns for the parts of a report, with their titles."""
    return [
        (_("Treatments"), report.treatments),
        (_("Languages"), report.languages),
        (_("Messages"), report.actions),
        (_("Domains"), report.domains),
        (_("Devices"), report.devices),
    ]


def _trial(trial: Trial) -> Iterator[Cells]:
    yield []
    head = [_("Experiment"), _("Name"), _("People"), trial.metric_label, _("Rate"), _("Lift")]
    yield [*head, _("At least"), _("At most"), _("Confidence")]
    for title, found in ((_("Treatments"), trial.compared), (_("Lift over the held out"), trial.groups)):
        for one in found:
            arm = one.arm
            figures = ((arm.rate, ""), (one.lift, ""), (one.low, "down"), (one.high, "up"))
            told = [None if value is None else cut(value, 4, toward) for value, toward in figures]
            sure_of = None if one.is_first else sure(one.confidence, 4)
            yield [title, arm.label, arm.people, arm.converted, *told, sure_of]
