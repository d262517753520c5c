"""The REST doors of proofs: send one, and see what became of it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from audiences.models import Profile
from campaigns import access
from campaigns.access import MANAGE
from campaigns.delivery import proofs
from campaigns.models import Outcome
from common.api import StrictSerializer
from common.doors import pointing
from common.errors import Invalid, NotFound, Problem
from common.text import is_storable

POINTERS = {"person": "profile", "prefix": "subjectPrefix"}


class ProofPlace(StrictSerializer):
    treatment = serializers.CharField(max_length=20, allow_blank=True, default="")
    language = serializers.CharField(max_length=35, allow_blank=True, default="")


class ProofWrite(StrictSerializer):
    action = serializers.IntegerField(min_value=0, max_value=32_000, default=0, help_text="Its position.")
    contents = ProofPlace(
        many=True,
        required=False,
        help_text="Treatments and languages; without it all.",
    )
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=2000),
        max_length=proofs.MOST_ADDRESSES,
        default=list,
        help_text="Of the message's channel; empty: the test profile's own.",
    )
    profile = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, required=False, allow_null=True, help_text="A test profile's id."
    )
    sample = serializers.DictField(
        required=False,
        help_text="Values under `profile`, `audience` and `context`, before the test profile's.",
    )
    subjectPrefix = serializers.CharField(
        max_length=40, allow_blank=True, required=False, help_text="Before an email's subject; “[Proof]”."
    )


class ProofMessageShape(StrictSerializer):
    address = serializers.CharField()
    treatment = serializers.CharField()
    language = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["", *Outcome.values], help_text="Empty: on its way.")
    detail = serializers.CharField(source="words", help_text="The provider's words, or why it was not sent.")
    at = serializers.DateTimeField(allow_null=True)


class ProofShape(StrictSerializer):
    id = serializers.IntegerField(source="run.pk")
    channel = serializers.CharField()
    profile = serializers.SerializerMethodField()
    sentAt = serializers.DateTimeField(source="run.due_at")
    isOver = serializers.BooleanField(source="is_over")
    messages = ProofMessageShape(many=True)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_profile(self, one: proofs.Proof) -> int | None:
        return one.person.pk if one.person else None


class ProofsShape(StrictSerializer):
    results = ProofShape(many=True)


class Proofs(APIView):
    @extend_schema(operation_id="proofs_list", responses=ProofsShape)
    def get(self, request: Request, pk: int) -> Response:
        """The last ones, the newest first."""
        campaign = access.campaign_for(credential_of(request), pk, MANAGE)
        return Response(ProofsShape({"results": proofs.of_campaign(campaign)}).data)

    @extend_schema(operation_id="proofs_send", request=ProofWrite, responses={202: ProofShape})
    def post(self, request: Request, pk: int) -> Response:
        """Sends the campaign as it stands, to at most ten addresses. It is in no report and needs no consent;
        suppression and the allowed list hold. At most 100 messages an hour for each credential.
        """
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk, MANAGE)
        body = ProofWrite(data=request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(body.validated_data)
        places = given.get("contents")
        with pointing(POINTERS):
            if not is_storable(given.get("sample", {})):
                raise Invalid(Problem("bad_sample", _("The sample must be a JSON object."), "sample"))
            run = proofs.send(
                campaign,
                action=given["action"],
                places=None if places is None else [(one["treatment"], one["language"]) for one in places],
                addresses=given["addresses"],
                person=_person(given.get("profile"), campaign.workspace_id),
                sample=given.get("sample"),
                prefix=given.get("subjectPrefix"),
                actor=credential,
                now=timezone.now(),
            )
        return Response(ProofShape(proofs.of_campaign(campaign, run_id=run.pk)[0]).data, status=202)


class OneProof(APIView):
    @extend_schema(operation_id="proofs_read", responses=ProofShape)
    def get(self, request: Request, pk: int, number: int) -> Response:
        campaign = access.campaign_for(credential_of(request), pk, MANAGE)
        found = proofs.of_campaign(campaign, run_id=number) if number < 2**63 else []
        if not found:
            raise NotFound(_("There is no such proof, or you may not see it."))
        return Response(ProofShape(found[0]).data)


def _person(pk: int | None, workspace_id: int) -> Profile | None:
    if pk is None:
        return None
    person = Profile.objects.filter(workspace=workspace_id, pk=pk, is_test=True).first()
    if person is None:
        detail = _("Choose one of the workspace’s test profiles.")
        raise Invalid(Problem("unknown_profile", detail, "person"))
    return person
