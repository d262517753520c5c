"""What the trigger API takes and answers, as OpenAPI shows it; the bodies are read by `bodies.py`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from campaigns.delivery.triggered import MOST_RECIPIENTS
from common.api import StrictSerializer


class CampaignId(serializers.RegexField):
    """Written as a text, as the reference product writes it."""

    def __init__(self, **options: Any) -> None:
        super().__init__("^[0-9]{1,18}$", **options)


class HealthShape(StrictSerializer):
    status = serializers.CharField()


class PushShape(StrictSerializer):
    appID = serializers.CharField(required=False)
    platform = serializers.ChoiceField(["fcm", "apns", "apnssandbox"])
    token = serializers.CharField(max_length=480)


class ChannelAddress(StrictSerializer):
    """Stands above the person's own address, for this message only."""

    emailAddress = serializers.EmailField(required=False)
    mobilePhoneNumber = serializers.CharField(required=False, help_text="With its country: +886 912 345 678.")
    pushInfo = PushShape(required=False)


class RecipientShape(StrictSerializer):
    type = serializers.ChoiceField(["aep", "external"])
    userId = serializers.CharField(max_length=500)
    namespace = serializers.CharField(max_length=63, help_text="Of the userId; email, for one.")
    channelData = ChannelAddress(required=False)
    profile = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        help_text="What the content reads as `profile.…`, above what is kept; up to 200 KB.",
    )
    context = serializers.DictField(  # type: ignore[assignment]
        child=serializers.JSONField(),
        required=False,
        help_text="What the content reads as `context.…`; up to 200 KB.",
    )
    mergePolicyName = serializers.CharField(required=False, help_text="Accepted, without effect.")
    mergePolicySchema = serializers.CharField(required=False, help_text="Accepted, without effect.")


class UnitaryShape(StrictSerializer):
    requestId = serializers.CharField(max_length=255, help_text="The same id and body is the same call.")
    campaignId = CampaignId()
    recipients = serializers.ListField(child=RecipientShape(), min_length=1, max_length=MOST_RECIPIENTS)


class ExternalRecipientShape(RecipientShape):
    type = serializers.ChoiceField(["external"])


class HighThroughputShape(UnitaryShape):
    recipients = serializers.ListField(
        child=ExternalRecipientShape(), min_length=1, max_length=MOST_RECIPIENTS
    )


class ExecutionShape(StrictSerializer):
    executionId = serializers.CharField()
    requestId = serializers.CharField()
    createdAt = serializers.DateTimeField()
    createdBy = serializers.CharField(allow_null=True)
    modifiedAt = serializers.DateTimeField()
    modifiedBy = serializers.CharField(allow_null=True)
    deduplicated = serializers.BooleanField(required=False, help_text="True when the call was known.")


class AttemptShape(StrictSerializer):
    at = serializers.DateTimeField()
    outcome = serializers.CharField()
    code = serializers.CharField(help_text="The provider's, or an exclusion reason's.")
    reason = serializers.CharField()
    detail = serializers.CharField(allow_null=True)
    retryAt = serializers.DateTimeField(allow_null=True)
    providerId = serializers.CharField(allow_null=True)


class MessageEventShape(StrictSerializer):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    url = serializers.CharField(allow_null=True)
    machine = serializers.CharField(help_text="The rule that took it for a machine's; empty: a person's.")


class MessageShape(StrictSerializer):
    messageId = serializers.CharField()
    campaignId = CampaignId()
    channel = serializers.CharField()
    address = serializers.CharField(allow_blank=True)
    treatment = serializers.CharField(allow_blank=True)
    language = serializers.CharField(allow_blank=True)
    state = serializers.CharField(help_text="queued, or the last outcome.")
    subject = serializers.CharField(allow_blank=True, help_text="As it would be written now.")
    attempts = AttemptShape(many=True)
    events = MessageEventShape(many=True)


class ExecutionStatusShape(ExecutionShape):
    campaignId = CampaignId()
    kind = serializers.CharField()
    messages = MessageShape(many=True)


class NamedAudienceShape(StrictSerializer):
    id = serializers.CharField()


class WhenShape(StrictSerializer):
    executeAt = serializers.DateTimeField(help_text="With its offset from UTC; within twelve months.")


class ToAudienceShape(StrictSerializer):
    campaignId = CampaignId()
    requestId = serializers.CharField(max_length=255, required=False)
    audience = NamedAudienceShape(required=False, help_text="In place of the campaign's own.")
    context = serializers.DictField(child=serializers.JSONField(), required=False)  # type: ignore[assignment]
    schedule = WhenShape(required=False)


class RunStatusShape(StrictSerializer):
    executionId = serializers.CharField()
    status = serializers.ChoiceField(["Succeeded", "InProgress", "Failed"])
    createdAt = serializers.DateTimeField()
    campaignId = CampaignId()
    audienceId = serializers.CharField(allow_blank=True)
    targetedProfileCount = serializers.IntegerField()


class ScheduleShape(StrictSerializer):
    scheduleId = serializers.CharField()
    scheduleStatus = serializers.ChoiceField(["Scheduled", "Triggered", "Cancelled"])
    audience = NamedAudienceShape()
    campaignId = CampaignId()
    executeAt = serializers.DateTimeField()
    executionDetails = RunStatusShape(allow_null=True)
