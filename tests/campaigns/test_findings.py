"""What blocks a send: one row per check of the catalogue (2.50 to 2.72), its code and whether it blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AccessLabel, Workspace
from audiences.models import Audience
from campaigns import drafts, lifecycle, validation
from campaigns.models import Action, Campaign
from channels.models import ChannelConfiguration
from common.errors import CarillonError, Invalid
from tests import builders
from tests.api import Caller
from tests.builders import NOW

pytestmark = pytest.mark.django_db

Wrong = Callable[[Campaign], Any]
SOON = NOW + timedelta(days=1)


def campaign(**values: Any) -> Wrong:
    return lambda draft: Campaign.objects.filter(pk=draft.pk).update(**values)


def audience(**values: Any) -> Wrong:
    return lambda draft: Audience.objects.update(**values)


def configuration(**values: Any) -> Wrong:
    return lambda draft: ChannelConfiguration.objects.update(**values)


def message(**values: Any) -> Wrong:
    return lambda draft: Action.objects.update(**values)


def content(**values: Any) -> Wrong:
    return message(content={**builders.CONTENT, "text": "Hello", **values})


def label(model: type[Any]) -> Wrong:
    def put(draft: Campaign) -> None:
        row = AccessLabel.objects.create(workspace=draft.workspace, name="Board")
        model.objects.get().labels.add(row)

    return put


def waves(**values: Any) -> Wrong:
    return campaign(starts_at=SOON, waves={"count": 2, "interval_minutes": 60, **values})


def winner_late(draft: Campaign) -> None:
    treatments = [{"key": key, "title": key, "percent": 50} for key in "AB"]
    experiment = {"mode": "winner", "treatments": treatments, "winner": {"after_hours": 48}}
    campaign(experiment=experiment, starts_at=SOON, ends_at=SOON + timedelta(hours=1))(draft)


def tries_once(draft: Campaign) -> None:
    treatments = [{"key": key, "title": key, "percent": 50} for key in "AB"]
    campaign(experiment={"mode": "bandit", "treatments": treatments}, starts_at=SOON)(draft)


def uploaded(draft: Campaign) -> None:
    Workspace.objects.update(only_rule_audiences=True)
    Audience.objects.update(kind=Audience.Kind.UPLOAD)


BIG = f'<p>{"x" * 101 * 1024}</p><a href="{{{{ unsubscribe_url }}}}">Out</a>'
ERROR, WARNING = validation.LEVELS
CHECKS: list[tuple[str, Wrong, str, str]] = [
    ("2.50", campaign(audience=None), "audience_missing", ERROR),
    ("2.52", label(Audience), "label_of_audience", ERROR),
    ("2.53", label(Campaign), "label_of_campaign", ERROR),
    ("2.55", audience(counted_at=None), "audience_not_counted", WARNING),
    ("2.56", uploaded, "audience_kind", ERROR),
    ("2.57", audience(state="archived"), "audience_not_published", ERROR),
    ("2.57", audience(rule={"field": "profile.nothing", "is": "x"}), "audience_broken", ERROR),
    ("2.58", campaign(status="in_review"), "version_missing", ERROR),
    ("2.59", message(configuration=None), "configuration_missing", ERROR),
    ("2.59", configuration(status="inactive"), "configuration_inactive", ERROR),
    ("2.59", configuration(channel="sms"), "configuration_channel", ERROR),
    ("2.59", configuration(kind="transactional"), "configuration_kind", ERROR),
    ("2.60", content(subject=" "), "subject_missing", ERROR),
    ("2.60", content(subject="One\nTwo"), "subject_control_char", ERROR),
    ("2.61", content(html=""), "body_missing", ERROR),
    ("2.62", message(channel="sms", content={}), "text_missing", ERROR),
    ("2.63", content(subject="{% if %}"), "template_syntax", ERROR),
    ("2.63", content(subject="{{ profile.nmae }}"), "unknown_name", ERROR),
    ("2.64", campaign(type="api_triggered", high_throughput=True), "profile_in_high_throughput", WARNING),
    ("2.65", winner_late, "winner_too_late", ERROR),
    ("ours", tries_once, "bandit_once", ERROR),
    ("2.66", campaign(languages={"others": ["de"]}), "language_fallback", ERROR),
    ("2.67", waves(count=None, starts=[NOW.isoformat(), SOON.isoformat()]), "waves_past", ERROR),
    ("2.67", waves(interval_minutes=29), "waves_too_close", ERROR),
    ("2.67", waves(count=11), "waves_count", ERROR),
    ("2.67", waves(count=1), "waves_count", ERROR),
    ("2.68", waves(sizes=[40, 50]), "waves_percent", ERROR),
    ("2.69", content(html="<p>Hello</p>"), "template_no_unsubscribe", ERROR),
    ("2.70", content(text=""), "text_empty", WARNING),
    ("2.71", content(html='<a href="">x</a><a href="{{ unsubscribe_url }}">y</a>'), "link_empty", WARNING),
    ("2.72", content(html=BIG), "body_heavy", WARNING),
]


@pytest.fixture
def draft() -> Campaign:
    where = builders.workspace()
    made = builders.draft(where, builders.person(where, "manager"), text="Hello")
    Audience.objects.update(counted_at=NOW)
    return Campaign.objects.get(pk=made.pk)


def found(draft: Campaign, actor: Any) -> dict[str, str]:
    draft = Campaign.objects.get(pk=draft.pk)
    return {one.code: one.level for one in validation.validate(draft, now=NOW, actor=actor)}


def test_each_check_finds_what_it_is_there_for(draft: Campaign) -> None:
    actor = builders.person(draft.workspace, "approver")
    assert found(draft, actor) == {}
    for number, wrong, code, level in CHECKS:
        at = transaction.savepoint()
        wrong(draft)
        assert found(draft, actor).get(code) == level, number
        transaction.savepoint_rollback(at)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("quarter", range(4))
def test_each_check_is_told_at_its_field_on_review_and_over_rest(draft: Campaign, quarter: int) -> None:
    """And activating says it again: an error blocks there by its code, a warning does not."""
    actor, call = builders.person(draft.workspace, "approver"), Caller(draft.workspace, "approver")
    browser, one = Client(), f"/api/campaigns/{draft.pk}/"
    browser.force_login(actor)
    for number, wrong, code, level in CHECKS[quarter::4]:
        at = transaction.savepoint()
        wrong(draft)
        now = Campaign.objects.get(pk=draft.pk)
        told = [row for row in validation.validate(now, now=timezone.now(), actor=actor) if row.code == code]
        assert told and told[0].level == level, number
        if number == "2.53":  # who lacks its label does not see the campaign at all
            assert browser.get(f"/campaigns/{draft.pk}/review/").status_code == 404
        else:
            _told_everywhere(browser, call, draft.pk, told[0], number)
            answer = call.post(f"{one}actions/activate/", {}).json()
            codes = {problem["code"] for problem in answer.get("errors", [])}
            assert number == "2.58" or (code in codes) == (level == ERROR), (number, answer)
        transaction.savepoint_rollback(at)


def _told_everywhere(browser: Client, call: Caller, pk: int, told: validation.Finding, number: str) -> None:
    review = unescape(browser.get(f"/campaigns/{pk}/review/").text)
    assert told.message in review, number
    rest = call.get(f"/api/campaigns/{pk}/findings/").json()["findings"]
    row = next(row for row in rest if row["code"] == told.code)
    assert (row["level"], row["message"], row["field"]) == (told.level, told.message, told.field), number
    if number == "2.58":
        return  # in review nothing is edited
    tab = unescape(browser.get(f"/campaigns/{pk}/edit/{told.source}/{told.query}").text)
    here = re.findall(rf'data-fresh="(?:at-{told.field}|others)">(.*?)data-fresh', tab + "data-fresh", re.S)
    assert any(told.message in part for part in here), (number, told)


def test_the_audience_of_an_activated_campaign_stays(draft: Campaign) -> None:
    """2.51"""
    live = lifecycle.apply(draft, "activate", actor=builders.person(draft.workspace, "approver"), now=NOW)
    other = builders.audience(draft.workspace, name="Others")
    with pytest.raises(CarillonError):
        drafts.save(live, revision=live.revision, actor=draft.owner, now=NOW, audience=other)
    assert Campaign.objects.get(pk=live.pk).audience != other


@pytest.mark.parametrize(
    ("role", "asks", "expected"),
    [
        ("viewer", False, {"permission_missing": ERROR}),
        ("manager", False, {"permission_to_publish": WARNING}),
        ("manager", True, {}),  # somebody is asked anyway
        ("approver", False, {}),
    ],
)
def test_rights_are_judged_for_who_looks(
    draft: Campaign, role: str, asks: bool, expected: dict[str, str]
) -> None:
    """2.54"""
    Workspace.objects.update(approval_required=asks)
    assert found(draft, builders.person(draft.workspace, role, f"other-{role}")) == expected


def test_what_is_frozen_must_be_what_would_be_sent(draft: Campaign) -> None:
    """2.58"""
    Workspace.objects.update(approval_required=True)
    draft.workspace.refresh_from_db()
    asked = lifecycle.apply(draft, "request_approval", actor=draft.owner, now=NOW)
    approver = builders.person(draft.workspace, "approver")
    assert found(asked, approver) == {}
    ChannelConfiguration.objects.update(sender_name="Somebody else")
    assert found(asked, approver) == {"version_missing": ERROR}


def test_where_only_rules_make_audiences_nothing_goes_to_an_upload(draft: Campaign) -> None:
    """2.56"""
    uploaded(draft)
    approver = builders.person(draft.workspace, "approver")
    with pytest.raises(Invalid, match="made by a rule"):
        lifecycle.apply(Campaign.objects.get(), "activate", actor=approver, now=NOW)
    assert Campaign.objects.get().status == "draft"
