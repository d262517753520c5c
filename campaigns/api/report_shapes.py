"""What the report API answers: the numbers of the report pages, each with its definition, and their parts.

Receives a `Report`, or the lines of an overview; returns plain values for JSON. Rates are in percent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from campaigns.models import Campaign
from campaigns.reports.experiments import Compared
from campaigns.reports.numbers import Number
from campaigns.reports.outcomes import Reason
from campaigns.reports.overview import Line
from campaigns.reports.report import Report
from campaigns.reports.tables import Part, Point
from campaigns.reports.trials import Trial
from common.api import SparseSerializer, StrictSerializer


class ReportNumberShape(StrictSerializer):
    code = serializers.CharField(help_text="Such as targeted, delivered, opened; always the same.")
    label = serializers.CharField()  # type: ignore[assignment]
    definition = serializers.CharField()
    value = serializers.IntegerField()
    rate = serializers.FloatField(
        allow_null=True,
        help_text="Percent of `base`; null where that is nothing, or in the last day may have left before.",
    )
    base = serializers.CharField(allow_blank=True, help_text="The code of the number it is a share of.")


class BalanceShape(StrictSerializer):
    """targeted = accepted + failed + excluded + cancelled + expired + uncertain + toGo."""

    targeted = serializers.IntegerField()
    accepted = serializers.IntegerField()
    failed = serializers.IntegerField()
    excluded = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    toGo = serializers.IntegerField()
    balances = serializers.BooleanField(help_text="Each is counted by itself, so this could be false.")


class ReportReasonShape(StrictSerializer):
    code = serializers.CharField(allow_blank=True, help_text="Empty: nobody told.")
    reason = serializers.CharField()
    messages = serializers.IntegerField()


class MachineRuleShape(StrictSerializer):
    rule = serializers.CharField(help_text="By which opens and clicks were taken for machines’.")
    events = serializers.IntegerField()


class ReportPointShape(StrictSerializer):
    at = serializers.DateTimeField()
    accepted = serializers.IntegerField()
    opens = serializers.IntegerField(help_text="By people; those by machines stand beside.")
    clicks = serializers.IntegerField()
    machineOpens = serializers.IntegerField()
    machineClicks = serializers.IntegerField()


class ReportLinkShape(StrictSerializer):
    action = serializers.IntegerField(help_text="The position of the message in the campaign.")
    number = serializers.IntegerField()
    url = serializers.CharField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    people = serializers.IntegerField(help_text="Messages of which a person followed it.")
    clicks = serializers.IntegerField()
    machineClicks = serializers.IntegerField()


class ReportPartShape(StrictSerializer):
    key = serializers.CharField(allow_blank=True, help_text="Empty: the first treatment or language.")
    label = serializers.CharField()  # type: ignore[assignment]
    accepted = serializers.IntegerField()
    delivered = serializers.IntegerField()
    bounced = serializers.IntegerField()
    opened = serializers.IntegerField()
    clicked = serializers.IntegerField()
    unsubscribed = serializers.IntegerField()
    complained = serializers.IntegerField()


class ReportDeviceShape(StrictSerializer):
    """What was sent to a device nobody knows: it shows when somebody opens."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    opened = serializers.IntegerField()
    clicked = serializers.IntegerField()


class ReportArmShape(StrictSerializer):
    """One treatment against the first of its table, which has no lift."""

    key = serializers.CharField(allow_blank=True, help_text="Empty: the first treatment.")
    label = serializers.CharField()  # type: ignore[assignment]
    people = serializers.IntegerField()
    converted = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True, help_text="Percent.")
    lift = serializers.FloatField(allow_null=True, help_text="Percent of the first one’s rate.")
    low = serializers.FloatField(allow_null=True, help_text="With `high`: holds the true lift, 95 %.")
    high = serializers.FloatField(allow_null=True, help_text="null: no upper bound.")
    confidence = serializers.FloatField(help_text="Percent; stays true however often you look.")
    isConclusive = serializers.BooleanField()


class ExperimentShape(StrictSerializer):
    run = serializers.IntegerField()
    runs = serializers.IntegerField(help_text="So many runs together: each person counts once.")
    metric = serializers.CharField(help_text="open, click, unsubscribe or event:<name>.")
    hours = serializers.IntegerField()
    treatments = ReportArmShape(many=True)
    best = serializers.CharField(allow_null=True, allow_blank=True, help_text="null: none is, for sure.")
    sentence = serializers.CharField(allow_blank=True)
    parts = serializers.CharField(allow_blank=True, help_text="Who got what, where that follows the results.")
    decided = serializers.CharField(allow_blank=True, help_text="What those got who waited, and why.")
    holdout = ReportArmShape(many=True, help_text="The held out, then those written to; or nobody.")
    holdoutSentence = serializers.CharField(allow_blank=True)


class ReportShape(SparseSerializer):
    id = serializers.IntegerField(help_text="Of the run, or of the campaign whose runs are added.")
    campaign = serializers.IntegerField()
    since = serializers.DateTimeField(allow_null=True, help_text="null: since the beginning.")
    numbers = ReportNumberShape(many=True)
    balance = BalanceShape(allow_null=True, help_text="null for the last day: who was targeted has no hour.")
    excluded = ReportReasonShape(many=True)
    failed = ReportReasonShape(many=True)
    bounced = ReportReasonShape(many=True, help_text="`address` is a hard bounce, `mailbox` a soft one.")
    machines = MachineRuleShape(many=True)
    step = serializers.ChoiceField(["hour", "day"])
    series = ReportPointShape(many=True)
    links = ReportLinkShape(many=True)
    treatments = ReportPartShape(many=True)
    languages = ReportPartShape(many=True)
    actions = ReportPartShape(many=True)
    domains = ReportPartShape(many=True, help_text="The largest 30.")
    devices = ReportDeviceShape(many=True)
    experiment = ExperimentShape(allow_null=True, help_text="Of all runs together, or else of the newest.")
    experimentRuns = ExperimentShape(many=True, help_text="Run by run, the newest twelve.")


class CampaignNumbersShape(StrictSerializer):
    campaign = serializers.IntegerField()
    name = serializers.CharField()
    runs = serializers.IntegerField()
    lastRun = serializers.IntegerField()
    numbers = ReportNumberShape(many=True)


class WorkspaceReportShape(StrictSerializer):
    days = serializers.IntegerField()
    numbers = ReportNumberShape(many=True)
    series = ReportPointShape(many=True)
    campaigns = CampaignNumbersShape(many=True)


class CampaignComparisonShape(StrictSerializer):
    campaigns = CampaignNumbersShape(many=True)


def told(report: Report) -> dict[str, Any]:
    """As ReportShape says; what has no hour is left empty where only the last day is asked for."""
    is_all = report.since is None
    return {
        "id": report.run.pk if report.run else report.campaign.pk,
        "campaign": report.campaign.pk,
        "since": report.since,
        "numbers": numbers(report.numbers.values()),
        "balance": _balance(report) if is_all else None,
        "excluded": _reasons(report.excluded) if is_all else [],
        "failed": _reasons(report.failed) if is_all else [],
        "bounced": _reasons(report.bounced),
        "machines": [{"rule": one.label, "events": one.events} for one in report.rules],
        "step": report.step,
        "series": series(report.curve),
        "links": [
            {
                "action": one.action,
                "number": one.number,
                "url": one.url,
                "label": one.label,
                "people": one.people,
                "clicks": one.clicks,
                "machineClicks": one.machine_clicks,
            }
            for one in report.links
        ],
        "treatments": _parts(report.treatments),
        "languages": _parts(report.languages),
        "actions": _parts(report.actions),
        "domains": _parts(report.domains),
        "devices": _parts(report.devices, ReportDeviceShape),
        "experiment": _experiment(report.trial) if report.trial else None,
        "experimentRuns": [_experiment(one) for one in report.trials.runs],
    }


def _experiment(trial: Trial) -> dict[str, Any]:
    return {
        "run": trial.run.pk,
        "runs": trial.run_count,
        "metric": trial.metric,
        "hours": trial.hours,
        "treatments": [_arm(one) for one in trial.compared],
        "best": trial.best.key if trial.best else None,
        "sentence": trial.sentence if trial.compared else "",
        "parts": trial.parts,
        "decided": trial.decided,
        "holdout": [_arm(one) for one in trial.groups],
        "holdoutSentence": trial.holdout_sentence,
    }


def _arm(one: Compared) -> dict[str, Any]:
    return {
        "key": one.arm.key,
        "label": one.arm.label,
        "people": one.arm.people,
        "converted": one.arm.converted,
        "rate": one.arm.rate,
        "lift": one.lift,
        "low": one.low,
        "high": one.high,
        "confidence": one.confidence,
        "isConclusive": one.is_conclusive,
    }


def numbers(found: Iterable[Number]) -> list[dict[str, Any]]:
    names = tuple(ReportNumberShape().fields)
    return [{name: getattr(one, name) for name in names} for one in found]


def series(curve: Iterable[Point]) -> list[dict[str, Any]]:
    return [
        {
            "at": one.at,
            "accepted": one.accepted,
            "opens": one.opens,
            "clicks": one.clicks,
            "machineOpens": one.machine_opens,
            "machineClicks": one.machine_clicks,
        }
        for one in curve
    ]


def line(one: Line) -> dict[str, Any]:
    campaign: Campaign = one.campaign
    return {
        "campaign": campaign.pk,
        "name": campaign.name,
        "runs": one.runs,
        "lastRun": one.last.pk,
        "numbers": numbers(one.numbers.values()),
    }


def _balance(report: Report) -> dict[str, Any]:
    book = report.outcomes.book
    counts = asdict(book)
    to_go = counts.pop("to_go")
    return {**counts, "toGo": to_go, "balances": book.balances}


def _reasons(found: Iterable[Reason]) -> list[dict[str, Any]]:
    return [{"code": code, "reason": label, "messages": count} for code, label, count in found]


def _parts(
    found: Iterable[Part], shape: type[serializers.Serializer[Any]] = ReportPartShape
) -> list[dict[str, Any]]:
    names = tuple(shape().fields)
    return [{name: getattr(one, name) for name in names} for one in found]
