"""What the audience API answers and takes, as OpenAPI shows it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from audiences.explain import Explained
from audiences.models import AttributeDefinition, Audience
from common.api import EmailOfSomebody, SparseSerializer, StrictSerializer


class ChannelReason(StrictSerializer):
    reason = serializers.CharField(help_text="The code.")
    label = serializers.CharField(help_text="In words.")  # type: ignore[assignment]
    people = serializers.IntegerField()


class ChannelReach(StrictSerializer):
    channel = serializers.CharField()
    reached = serializers.IntegerField(help_text="Whom marketing would reach.")
    excluded = ChannelReason(many=True)


class SizeShape(SparseSerializer):
    at = serializers.DateTimeField()
    people = serializers.IntegerField()
    milliseconds = serializers.IntegerField()


class EvaluationShape(SizeShape):
    reach = ChannelReach(many=True)


@extend_schema_serializer(component_name="Explained")
class ExplainedShape(StrictSerializer):
    """One condition or group. `children` are the parts a group is made of, in the same shape."""

    sentence = serializers.CharField()
    met = serializers.BooleanField()
    children = serializers.SerializerMethodField()

    @extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/Explained"}})
    def get_children(self, part: Explained) -> list[dict[str, Any]]:
        return [dict(ExplainedShape(child).data) for child in part.children]


class MemberShape(StrictSerializer):
    id = serializers.IntegerField()
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    externalId = serializers.CharField(source="external_id", allow_null=True)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Tree(serializers.JSONField):
    """A rule or composition as it was parsed; whoever reads it names each fault by its place."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class AudienceChange(StrictSerializer):
    """What is left out stays as it is."""

    name = serializers.CharField(required=False, max_length=100)
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)
    rule = Tree(required=False)
    composition = Tree(required=False)
    topic = serializers.CharField(required=False, max_length=63, help_text="The topic's key.")
    tags = serializers.ListField(required=False, child=serializers.CharField(max_length=51), max_length=20)
    owner = EmailOfSomebody(required=False, allow_null=True)
    labels = serializers.ListField(required=False, child=serializers.CharField(max_length=100), max_length=50)
    refresh = serializers.ChoiceField(Audience.Refresh.choices, required=False)
    everybody = serializers.BooleanField(
        required=False, help_text="Confirms a rule that finds every person of the workspace."
    )
    changedAt = serializers.DateTimeField(
        source="changed_at", required=False, help_text="As last read: another change in between gives 409."
    )


class AudienceWrite(AudienceChange):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(Audience.Kind.choices, default=Audience.Kind.RULE)
    state = serializers.ChoiceField(
        [Audience.State.DRAFT, Audience.State.PUBLISHED], default=Audience.State.PUBLISHED
    )
    changedAt = None  # type: ignore[assignment]


class AudienceShape(SparseSerializer):
    moving = frozenset({"people", "evaluatedAt", "nextEvaluationAt"})
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(Audience.Kind.choices)
    state = serializers.ChoiceField(Audience.State.choices)
    rule = serializers.JSONField()
    composition = serializers.JSONField()
    topic = serializers.CharField(source="topic.key", default=None, allow_null=True)
    memberFields = serializers.DictField(
        source="fields",
        child=serializers.ChoiceField(AttributeDefinition.Type.choices),
        help_text="What an uploaded list keeps with its people: types by key; `audience.KEY` in messages.",
    )
    tags = serializers.ListField(child=serializers.CharField())
    owner = serializers.EmailField(source="owner.email", default=None, allow_null=True)
    labels = serializers.SerializerMethodField()
    refresh = serializers.ChoiceField(Audience.Refresh.choices)
    people = serializers.IntegerField(source="counted", allow_null=True)
    evaluatedAt = serializers.DateTimeField(source="counted_at", allow_null=True)
    nextEvaluationAt = serializers.DateTimeField(source="next_evaluation_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")
    actions = serializers.ListField(child=serializers.CharField(), required=False)

    def get_labels(self, audience: Audience) -> list[str]:
        return [label.name for label in audience.labels.all()]
