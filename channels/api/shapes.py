"""What the channel API answers and takes, as OpenAPI shows it. No shape that is answered holds a secret."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from channels.access import MANAGE
from channels.models import ChannelConfiguration, ConfigurationVersion, MailFile, SendingDomain
from common.api import SparseSerializer, StrictSerializer
from common.doors import Acting

Kind, Status = ChannelConfiguration.Kind, ChannelConfiguration.Status


class ConfigurationChange(StrictSerializer):
    """What is left out stays as it is; so does every setting that is left out."""

    name = serializers.CharField(required=False, max_length=100)
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)
    kind = serializers.ChoiceField(Kind.choices, required=False)
    senderName = serializers.CharField(source="sender_name", required=False, allow_blank=True, max_length=100)
    senderEmail = serializers.CharField(
        source="sender_email", required=False, allow_blank=True, max_length=254
    )
    replyTo = serializers.CharField(source="reply_to", required=False, allow_blank=True, max_length=254)
    marketingActions = serializers.ListField(
        source="marketing_actions",
        required=False,
        child=serializers.CharField(max_length=60),
        max_length=20,
    )
    labels = serializers.ListField(
        required=False, child=serializers.CharField(max_length=100), max_length=50, help_text="Names."
    )
    settings = serializers.DictField(
        required=False,
        help_text="The provider's own fields. Passwords and keys are written here and never read back.",
    )


class ConfigurationWrite(ConfigurationChange):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(Kind.choices, default=Kind.MARKETING)
    provider = serializers.CharField(max_length=40)
    channel = serializers.CharField(
        required=False, max_length=20, help_text="The provider's first, if left out."
    )


class Deactivation(StrictSerializer):
    sure = serializers.BooleanField(
        default=False,
        help_text="While campaigns that run send by it: whether their messages shall wait. Else 409.",
    )


class StepShape(StrictSerializer):
    name = serializers.CharField()
    verdict = serializers.ChoiceField(["good", "warning", "failed"])
    said = serializers.CharField()


class ChangeShape(StrictSerializer):
    field = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class VersionShape(SparseSerializer):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(ConfigurationVersion.State.choices)
    changes = ChangeShape(many=True)
    steps = StepShape(source="dialogue", many=True)
    createdAt = serializers.DateTimeField(source="created_at")


class ConfigurationShape(SparseSerializer):
    moving = frozenset({"recentUpdate"})
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    channel = serializers.CharField()
    kind = serializers.ChoiceField(Kind.choices)
    status = serializers.ChoiceField(Status.choices)
    provider = serializers.CharField()
    settings = serializers.DictField()
    hasSecret = serializers.SerializerMethodField()
    senderName = serializers.CharField(source="sender_name")
    senderEmail = serializers.CharField(source="sender_email")
    replyTo = serializers.CharField(source="reply_to")
    marketingActions = serializers.ListField(source="marketing_actions", child=serializers.CharField())
    labels = serializers.SerializerMethodField()
    serving = serializers.IntegerField(allow_null=True, help_text="The number of the version that serves.")
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")
    actions = serializers.ListField(child=serializers.CharField(), help_text="What may be done with it now.")

    def get_hasSecret(self, row: ChannelConfiguration) -> bool:
        return row.credential_id is not None

    def get_labels(self, row: ChannelConfiguration) -> list[str]:
        return [label.name for label in row.labels.all()]


class ConfigurationDetail(ConfigurationShape):
    """With how the last check went."""

    recentUpdate = VersionShape(source="recent_update", allow_null=True)


class TestShape(StrictSerializer):
    __test__ = False  # not for pytest
    steps = StepShape(many=True)


class MailFileShape(Acting):
    right = MANAGE
    id = serializers.IntegerField()
    name = serializers.CharField(source="__str__")
    state = serializers.ChoiceField(MailFile.State.choices)
    reason = serializers.CharField(help_text="Why the latest try failed.")
    tries = serializers.IntegerField()
    rows = serializers.IntegerField()
    size = serializers.IntegerField(help_text="In octets.")
    createdAt = serializers.DateTimeField(source="created_at")
    closedAt = serializers.DateTimeField(source="closed_at", allow_null=True)
    deliveredAt = serializers.DateTimeField(source="delivered_at", allow_null=True)

    def possible(self, row: MailFile) -> list[str]:
        return ["retry"] if row.state == MailFile.State.FAILED else []


class DomainWrite(StrictSerializer):
    name = serializers.CharField(max_length=253)
    spf = serializers.CharField(max_length=200, default="mx", help_text="SPF mechanisms of what sends.")


class DomainChange(StrictSerializer):
    spf = serializers.CharField(max_length=200)


class RecordShape(StrictSerializer):
    purpose = serializers.CharField(source="record.purpose")
    type = serializers.CharField(source="record.kind")
    name = serializers.CharField(source="record.name")
    value = serializers.CharField(source="record.value")
    required = serializers.BooleanField(source="record.required")  # type: ignore[assignment]
    verdict = serializers.CharField(
        source="finding.verdict", help_text="good, warning, wrong, missing, unknown; empty: not checked yet."
    )
    found = serializers.ListField(source="finding.found", child=serializers.CharField())
    words = serializers.CharField()
    advice = serializers.CharField()


class DomainShape(Acting):
    right = MANAGE
    moving = frozenset({"state", "checkedAt", "verifiedAt", "records"})  # what DNS said when it was asked
    id = serializers.IntegerField()
    name = serializers.CharField()
    spf = serializers.CharField()
    state = serializers.ChoiceField(SendingDomain.State.choices)
    checkedAt = serializers.DateTimeField(source="checked_at", allow_null=True)
    verifiedAt = serializers.DateTimeField(source="verified_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    records = serializers.SerializerMethodField()

    def possible(self, domain: SendingDomain) -> list[str]:
        return ["change", "check", "delete"]

    def get_records(self, domain: SendingDomain) -> list[dict[str, Any]]:
        from channels import domains

        return list(RecordShape(domains.shown(domain), many=True).data)
