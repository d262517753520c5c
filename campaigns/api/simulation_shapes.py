"""What the doors of previews and proofs take and answer, as OpenAPI shows it and as it is checked."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from common.api import StrictSerializer

MOST_PEOPLE, MOST_ADDRESSES, MOST_RECEIVERS = 10, 10, 10
CREATED, PROCESSING, SUBMITTED = "CREATED", "PROCESSING", "SUBMITTED"
PARTIALLY_FAILED, FAILED = "PARTIALLY_FAILED", "FAILED"
STATUSES = (CREATED, PROCESSING, SUBMITTED, PARTIALLY_FAILED, FAILED)
CHANNELS = ("email", "sms", "push")
FIELDS = {"email": "emailAddresses", "sms": "phoneNumbers", "push": "tokens"}


class PersonShape(StrictSerializer):
    userId = serializers.CharField(max_length=500)
    namespace = serializers.CharField(max_length=63, help_text="Of the userId; email, for one.")


class PreviewItemShape(PersonShape):
    profileAttributes = serializers.DictField(
        child=serializers.JSONField(), required=False, help_text="Given, no profile is looked up."
    )
    contextAttributes = serializers.DictField(child=serializers.JSONField(), required=False)


class PreviewsAskedShape(StrictSerializer):
    previewRequestItems = serializers.ListField(
        child=PreviewItemShape(), min_length=1, max_length=MOST_PEOPLE
    )


class WrittenShape(StrictSerializer):
    """What the channel has no use for is empty."""

    subject = serializers.CharField(help_text="A mail's subject, a notification's title.")
    html = serializers.CharField()
    text = serializers.CharField()
    url = serializers.CharField()
    image = serializers.CharField()
    extra = serializers.DictField(child=serializers.JSONField())


class VariantShape(StrictSerializer):
    channel = serializers.CharField()
    variantId = serializers.CharField(help_text="ACTION.TREATMENT.LANGUAGE; empty parts are the first.")
    treatment = serializers.CharField()
    language = serializers.CharField()


class PreviewShape(VariantShape):
    userId = serializers.CharField()
    namespace = serializers.CharField()
    content = WrittenShape(allow_null=True)
    error = serializers.CharField(help_text="Why it cannot be written; else empty.")


class PreviewsShape(StrictSerializer):
    previews = PreviewShape(many=True)


class TokenShape(StrictSerializer):
    token = serializers.CharField(max_length=480)
    platform = serializers.ChoiceField(["apns", "apnssandbox", "fcm"])


def _some(child: serializers.Field[Any, Any, Any, Any]) -> serializers.ListField:
    return serializers.ListField(child=child, max_length=MOST_ADDRESSES, required=False)


class ToEmailShape(StrictSerializer):
    channel = serializers.ChoiceField(["email"])
    emailAddresses = _some(serializers.CharField(max_length=2000))
    subjectPrefix = serializers.CharField(max_length=40, allow_blank=True, required=False)


class ToSmsShape(StrictSerializer):
    channel = serializers.ChoiceField(["sms"])
    phoneNumbers = _some(serializers.CharField(max_length=2000))


class ToPushShape(StrictSerializer):
    channel = serializers.ChoiceField(["push"])
    tokens = _some(TokenShape())


class ChannelsDataShape(StrictSerializer):
    """Each channel has its own fields; those of another one are refused in our own words."""

    channel = serializers.ChoiceField(CHANNELS)
    emailAddresses = _some(serializers.CharField(max_length=2000))
    subjectPrefix = serializers.CharField(max_length=40, allow_blank=True, required=False)
    phoneNumbers = _some(serializers.CharField(max_length=2000))
    tokens = _some(TokenShape())


class _ByChannel(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Describes them one by one."""

    target_class = ChannelsDataShape

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        each = (ToEmailShape, ToSmsShape, ToPushShape)
        return {"oneOf": [auto_schema.resolve_serializer(one, direction).ref for one in each]}


class ReceiverShape(PersonShape):
    channelsData = serializers.ListField(child=ChannelsDataShape(), min_length=1, max_length=len(FIELDS))
    profile = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        help_text="Given, no profile is looked up; without it the userId names a test profile.",
    )
    context = serializers.DictField(child=serializers.JSONField(), required=False)  # type: ignore[assignment]


class ProofsAskedShape(StrictSerializer):
    recipients = serializers.ListField(child=ReceiverShape(), min_length=1, max_length=MOST_RECEIVERS)


class ProofOfVariantShape(VariantShape):
    messageId = serializers.CharField()
    targeted = serializers.IntegerField()
    submitted = serializers.IntegerField(help_text="Those that a provider took.")
    status = serializers.ChoiceField(STATUSES)
    proofFailureReasons = serializers.ListField(child=serializers.CharField())


class ProofJobShape(StrictSerializer):
    proofJobId = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    proofs = ProofOfVariantShape(many=True)
