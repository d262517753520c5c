"""What the campaign API answers and takes. The four documents of a draft (schedule, waves, languages,
experiment) are the JSON that the draft keeps: `schedule.py`, `waves.py` and `variants.py` say what they hold.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from campaigns import lifecycle, validation
from campaigns.models import Campaign, Status
from campaigns.models.campaign import WRITTEN
from common.api import SparseSerializer, StrictSerializer

LARGEST = 2**63 - 1


def number(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=LARGEST, **options)


class AnObject(serializers.DictField):
    """Any JSON object; what stands in it is read by the verb."""

    child = serializers.JSONField(allow_null=True)


class ActionShape(StrictSerializer):
    """One verb of the present state. A forbidden one says why."""

    verb = serializers.ChoiceField([*lifecycle.PRESSABLE])
    allowed = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)


class CampaignShape(SparseSerializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    type = serializers.ChoiceField(Campaign.Type.choices)
    category = serializers.ChoiceField(Campaign.Category.values)
    status = serializers.ChoiceField(Status.choices)
    draftStatus = serializers.ChoiceField(
        ["", *WRITTEN], help_text="Of the new version that is being written over a running campaign."
    )
    tags = serializers.ListField(child=serializers.CharField())
    labels = serializers.ListField(child=serializers.CharField())
    folder = serializers.IntegerField(allow_null=True)
    owner = serializers.EmailField(allow_null=True)
    audience = serializers.IntegerField(allow_null=True, help_text="null too where a label hides it.")
    hidesAudience = serializers.BooleanField()
    exclusions = serializers.ListField(child=serializers.IntegerField())
    reach = serializers.ChoiceField(Campaign.Reach.values)
    schedule = AnObject()
    waves = AnObject()
    rate = serializers.IntegerField(allow_null=True)
    ruleSet = serializers.IntegerField(allow_null=True)
    languages = AnObject()
    experiment = AnObject()
    startsAt = serializers.DateTimeField(allow_null=True)
    endsAt = serializers.DateTimeField(allow_null=True)
    createProfiles = serializers.BooleanField()
    highThroughput = serializers.BooleanField()
    enableWebhooks = serializers.BooleanField(
        help_text="Whether what becomes of its messages is told to the feedback webhooks."
    )
    onUncertain = serializers.ChoiceField(Campaign.OnUncertain.values)
    ignoresOpens = serializers.BooleanField()
    ignoresClicks = serializers.BooleanField()
    revision = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True, help_text="The number of what was frozen last.")
    liveVersion = serializers.IntegerField(allow_null=True)
    createdBy = serializers.CharField(allow_null=True)
    createdAt = serializers.DateTimeField()
    changedAt = serializers.DateTimeField()
    activatedAt = serializers.DateTimeField(allow_null=True)
    completedAt = serializers.DateTimeField(allow_null=True)
    actions = ActionShape(many=True)


class CampaignChange(StrictSerializer):
    """What is left out stays as it is. Tags, labels, folder and owner can be changed in any state."""

    name = serializers.CharField(required=False, max_length=150)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    tags = serializers.ListField(child=serializers.CharField(max_length=50), required=False, max_length=30)
    labels = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        max_length=50,
        help_text="Names; only labels that the credential's role holds.",
    )
    folder = number(required=False, allow_null=True)
    owner = serializers.CharField(
        required=False, max_length=254, help_text="The email address of somebody who holds a role here."
    )
    audience = number(required=False, allow_null=True)
    exclusions = serializers.ListField(child=number(), required=False, max_length=100)
    reach = serializers.ChoiceField(Campaign.Reach.values, required=False)
    schedule = AnObject(required=False, help_text="zone, per_person, rules, occurrences; {} for once.")
    waves = AnObject(required=False, help_text="sizes, count, mode, interval_minutes, starts; {} for none.")
    rate = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2000)
    ruleSet = number(required=False, allow_null=True)
    languages = AnObject(required=False, help_text="default, others, when_missing; {} for only one.")
    experiment = AnObject(
        required=False,
        help_text="treatments (key, title, percent), holdout, metric, window_hours, mode, winner; or {}.",
    )
    startsAt = serializers.DateTimeField(required=False, allow_null=True)
    endsAt = serializers.DateTimeField(required=False, allow_null=True)
    createProfiles = serializers.BooleanField(required=False)
    highThroughput = serializers.BooleanField(required=False)
    enableWebhooks = serializers.BooleanField(required=False)
    onUncertain = serializers.ChoiceField(Campaign.OnUncertain.values, required=False)
    ignoresOpens = serializers.BooleanField(required=False, help_text="Emails without the pixel.")
    ignoresClicks = serializers.BooleanField(required=False, help_text="Links stay as they are written.")


class CampaignWrite(CampaignChange):
    """Type and category are fixed from here on. It begins with one empty message over `channel`."""

    name = serializers.CharField(max_length=150)
    type = serializers.ChoiceField(Campaign.Type.choices)
    category = serializers.ChoiceField(Campaign.Category.values)
    channel = serializers.CharField(required=False, default="email", max_length=20)


class ActBody(StrictSerializer):
    comment = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, help_text="Needed to request changes."
    )
    dueAt = serializers.DateTimeField(required=False, help_text="For request_approval: decide by then.")
    queued = serializers.ChoiceField(
        ["recall", "finish"], required=False, help_text="For stop: what becomes of what is queued."
    )


class FindingShape(StrictSerializer):
    code = serializers.CharField()
    level = serializers.ChoiceField(validation.LEVELS)
    source = serializers.CharField(help_text="The part of the campaign it is about.")  # type: ignore[assignment]
    field = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class FindingsShape(StrictSerializer):
    findings = FindingShape(many=True)


class ReasonShape(StrictSerializer):
    code = serializers.CharField()
    reason = serializers.CharField()
    people = serializers.IntegerField()


class ForecastActionShape(StrictSerializer):
    position = serializers.IntegerField()
    channel = serializers.CharField()
    reached = serializers.IntegerField()
    excluded = ReasonShape(many=True)


class PointShape(StrictSerializer):
    at = serializers.DateTimeField()
    sent = serializers.IntegerField()


class ForecastShape(StrictSerializer):
    """Of the next run, as if it began with the people of now."""

    people = serializers.IntegerField()
    reached = serializers.IntegerField()
    notReached = serializers.IntegerField(help_text="Not written to before the run ends.")
    heldByQuietHours = serializers.IntegerField()
    beginsAt = serializers.DateTimeField()
    endsAt = serializers.DateTimeField(allow_null=True)
    rate = serializers.FloatField(allow_null=True, help_text="Messages a second; null: no limit.")
    actions = ForecastActionShape(many=True)
    curve = PointShape(many=True)


class SendShape(StrictSerializer):
    at = serializers.DateTimeField()
    wallClock = serializers.CharField(allow_blank=True)


class UpcomingShape(StrictSerializer):
    sentence = serializers.CharField()
    waves = serializers.CharField(allow_blank=True)
    sends = SendShape(many=True)
    faults = serializers.ListField(child=serializers.CharField())
