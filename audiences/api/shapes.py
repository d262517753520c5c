"""What the people API answers and takes, as OpenAPI shows it. Bulk bodies are read by `bodies.py`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audiences import conversions, events, upsert
from audiences.access import MANAGE
from audiences.models import AttributeDefinition
from common.api import SparseSerializer, StrictSerializer
from common.doors import Acting


class IdentityShape(StrictSerializer):
    namespace = serializers.CharField(max_length=63)
    value = serializers.CharField(max_length=500)


UNTRACKED = "What they open and click is not recorded."


class ProfileShape(SparseSerializer):
    """Attributes by key, in the form of their type; null takes a value away."""

    id = serializers.IntegerField(read_only=True)
    identities = IdentityShape(many=True)
    locale = serializers.CharField(required=False, allow_blank=True, max_length=35)
    timeZone = serializers.CharField(required=False, allow_blank=True, max_length=64)
    isTest = serializers.BooleanField(required=False)
    isUntracked = serializers.BooleanField(required=False, help_text=UNTRACKED)
    attributes = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    createdAt = serializers.DateTimeField(read_only=True)
    changedAt = serializers.DateTimeField(read_only=True)


class ProfileWrite(StrictSerializer):
    """What is left out stays as it is."""

    identities = IdentityShape(many=True, required=False)
    locale = serializers.CharField(required=False, allow_blank=True, max_length=35)
    timeZone = serializers.CharField(required=False, allow_blank=True, max_length=64)
    isTest = serializers.BooleanField(required=False)
    isUntracked = serializers.BooleanField(required=False, help_text=UNTRACKED)
    attributes = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)


class ProfileChange(StrictSerializer):
    """What is left out stays as it is."""

    locale = serializers.CharField(required=False, allow_blank=True, max_length=35)
    timeZone = serializers.CharField(required=False, allow_blank=True, max_length=64)
    isTest = serializers.BooleanField(required=False)
    isUntracked = serializers.BooleanField(required=False, help_text=UNTRACKED)
    attributes = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)


class BulkProfiles(StrictSerializer):
    profiles = serializers.ListField(child=ProfileWrite(), min_length=1, max_length=upsert.MOST_ITEMS)
    createProfiles = serializers.BooleanField(default=True)


class ItemFault(StrictSerializer):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProfileResult(StrictSerializer):
    index = serializers.IntegerField()
    status = serializers.ChoiceField([upsert.CREATED, upsert.CHANGED, upsert.UNCHANGED, upsert.REJECTED])
    id = serializers.IntegerField(allow_null=True)
    errors = ItemFault(many=True)  # type: ignore[assignment]


class BulkProfilesAnswer(StrictSerializer):
    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ProfileResult(many=True)


class EventWrite(StrictSerializer):
    """`profileId` or `identity` says who; the same `key` and time sent again is the same event."""

    name = serializers.RegexField(events.NAME, max_length=63)
    at = serializers.DateTimeField(help_text="With its offset from UTC; at most a day ahead.")
    profileId = serializers.IntegerField(required=False)
    identity = IdentityShape(required=False)
    properties = serializers.DictField(child=serializers.JSONField(), required=False)
    key = serializers.CharField(required=False, allow_null=True, max_length=events.MOST_KEY)


class BulkEvents(StrictSerializer):
    events = serializers.ListField(child=EventWrite(), min_length=1, max_length=events.MOST_EVENTS)
    createProfiles = serializers.BooleanField(default=False)


class EventResult(StrictSerializer):
    index = serializers.IntegerField()
    status = serializers.ChoiceField([events.RECORDED, events.REPEATED, events.REJECTED])
    id = serializers.IntegerField(allow_null=True, help_text="The person's.")
    errors = ItemFault(many=True)  # type: ignore[assignment]


class BulkEventsAnswer(StrictSerializer):
    recorded = serializers.IntegerField()
    repeated = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EventResult(many=True)


class EventShape(SparseSerializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    at = serializers.DateTimeField()
    properties = serializers.DictField(child=serializers.JSONField())
    key = serializers.CharField(allow_null=True)
    receivedAt = serializers.DateTimeField(source="received_at")


class ConversionShape(StrictSerializer):
    """`misfits` people hold a value that does not fit; which these are is shown on the page only."""

    state = serializers.CharField(help_text="checking, converting, done or refused")
    type = serializers.CharField()
    percent = serializers.IntegerField(source="share")
    seen = serializers.IntegerField(source="seen_count")
    people = serializers.IntegerField(source="people_count", allow_null=True)
    misfits = serializers.IntegerField(source="misfit_count")
    reason = serializers.CharField(help_text="misfits, in_use or imported when refused, else empty")
    startedAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)


class AttributeWrite(StrictSerializer):
    key = serializers.CharField(max_length=63)
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=100
    )
    type = serializers.ChoiceField(AttributeDefinition.Type.choices, default=AttributeDefinition.Type.TEXT)
    choices = serializers.ListField(child=serializers.CharField(max_length=100), required=False)


class AttributeShape(Acting):
    right = MANAGE
    moving = frozenset({"index", "conversion"})
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.ChoiceField(AttributeDefinition.Type.choices)
    choices = serializers.ListField(child=serializers.CharField())
    index = serializers.ChoiceField(AttributeDefinition.Index.choices, source="index_state")
    createdAt = serializers.DateTimeField(source="created_at")
    conversion = serializers.SerializerMethodField()

    @extend_schema_field(ConversionShape(allow_null=True))
    def get_conversion(self, one: AttributeDefinition) -> Any:
        found = conversions.last_of(one)
        return ConversionShape(found).data if found else None


class AttributeChange(StrictSerializer):
    """What is left out stays as it is."""

    label = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=100
    )
    type = serializers.ChoiceField(AttributeDefinition.Type.choices, required=False)
    choices = serializers.ListField(child=serializers.CharField(max_length=100), required=False)


class NamespaceWrite(StrictSerializer):
    key = serializers.CharField(max_length=63)
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=100
    )


class NamespaceShape(Acting):
    right = MANAGE
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    isSingle = serializers.BooleanField(
        source="is_single", help_text="Whether a person has one of it at most."
    )
    isBuiltIn = serializers.SerializerMethodField()

    def possible(self, namespace: Any) -> list[str]:
        return [] if namespace.pk is None else ["delete"]

    def get_isBuiltIn(self, namespace: Any) -> bool:
        return namespace.pk is None
