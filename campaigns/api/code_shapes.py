"""What a campaign as code holds, read strictly, and what an import answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audiences.models import Audience
from campaigns.api.campaign_shapes import AnObject, CampaignChange
from campaigns.ascode import document
from campaigns.models import Campaign
from channels.contents import SHAPES
from common.api import StrictSerializer


def named(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=700, required=False, allow_null=True, **options)


class ContentCode(StrictSerializer):
    treatment = serializers.CharField(required=False, allow_blank=True, default="", max_length=10)
    language = serializers.CharField(required=False, allow_blank=True, default="", max_length=35)
    content = AnObject()


class MessageCode(StrictSerializer):
    channel = serializers.ChoiceField([*SHAPES])
    configuration = named(help_text="The name of a channel configuration.")
    contents = ContentCode(many=True, required=False, default=list)


class AudienceCode(StrictSerializer):
    """An audience that is missing is made; one of this name that is there is used."""

    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(Audience.Kind.choices)
    rule = AnObject(required=False, help_text="Audiences in it are named, not numbered.")
    composition = AnObject(required=False)
    topic = serializers.CharField(required=False, max_length=100, help_text="The key of a topic.")


class CampaignCode(CampaignChange):
    """What is left out is empty, but for the labels, which stay."""

    name = serializers.CharField(max_length=150)
    type = serializers.ChoiceField(Campaign.Type.choices)
    category = serializers.ChoiceField(Campaign.Category.values)
    owner = None  # type: ignore[assignment]  # people are no part of a document
    folder = named(help_text="“Folder / folder inside it”.")  # type: ignore[assignment]
    audience = named(help_text="A name.")  # type: ignore[assignment]
    exclusions = serializers.ListField(
        child=serializers.CharField(max_length=100), required=False, max_length=100
    )
    ruleSet = named(help_text="A name.")  # type: ignore[assignment]


class CampaignDocument(StrictSerializer):
    carillon = serializers.IntegerField(min_value=document.FORMAT, max_value=document.FORMAT)
    campaign = CampaignCode()
    messages = MessageCode(many=True)
    audiences = AudienceCode(many=True, required=False, default=list)


class DifferenceShape(StrictSerializer):
    pointer = serializers.CharField(help_text="A place in the document (RFC 6901).")
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class MadeAudience(StrictSerializer):
    name = serializers.CharField()
    outcome = serializers.ChoiceField(["created", "changed", "used", "kept"])


class CampaignImported(StrictSerializer):
    id = serializers.IntegerField(allow_null=True, help_text="null for the dry run of a new campaign.")
    isDryRun = serializers.BooleanField()
    differences = DifferenceShape(many=True)
    audiences = MadeAudience(many=True, help_text="kept: it is defined otherwise, and stayed so.")
