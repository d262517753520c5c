"""The REST doors of approvals: what waits, what was said at a campaign, and the policies.

Deciding is an action of the campaign, for people only: a credential has no word of its own.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import MANAGE_WORKSPACE, require
from accounts.doors.callers import credential_of, rights_of
from campaigns import access, policybook, queue
from campaigns.api.campaign_shapes import number
from campaigns.models import ApprovalDecision, ApprovalPolicy, ApprovalRequest
from common.api import IF_MATCH, SparseSerializer, StrictSerializer, fields_of, page_of
from common.doors import (
    CHANGED,
    SEARCH,
    Acting,
    body_of,
    listed,
    listing,
    searched,
    shown,
    unchanged,
    whole,
)
from common.errors import NotFound

ORDERS = {**CHANGED, "name": "name", "priority": "priority"}
SAID = {"created": "pk"}
MATCHES = ["all", "any"]
VERBS = {"activate": True, "deactivate": False}


# ---- what waits -------------------------------------------------------------------------------


class DecisionShape(StrictSerializer):
    by = serializers.IntegerField(source="by_id")
    verdict = serializers.ChoiceField(choices=ApprovalDecision.Verdict.choices)
    comment = serializers.CharField()
    at = serializers.DateTimeField()


class RequestShape(SparseSerializer):
    id = serializers.IntegerField()
    campaign = serializers.IntegerField(source="campaign_id")
    fingerprint = serializers.CharField(help_text="SHA-256 of the version that is to be approved.")
    policy = serializers.IntegerField(source="policy_id", allow_null=True)
    requestedBy = serializers.IntegerField(source="requested_by_id", allow_null=True)
    message = serializers.CharField()
    dueAt = serializers.DateTimeField(source="due_at", allow_null=True)
    requestedAt = serializers.DateTimeField(source="requested_at")
    decisions = DecisionShape(many=True)


class QueueShape(StrictSerializer):
    results = RequestShape(many=True)


class Queue(APIView):
    @extend_schema(operation_id="approvals_list", parameters=[fields_of(RequestShape)], responses=QueueShape)
    def get(self, request: Request) -> Response:
        """Every open request of a campaign that the credential may see; what is due first in front."""
        credential = credential_of(request)
        require(credential, access.VIEW, credential.workspace)
        rows: list[ApprovalRequest] = queue.open_requests(credential, credential.workspace)
        return Response({"results": whole(request, rows, RequestShape)})


class CommentShape(SparseSerializer):
    id = serializers.IntegerField()
    author = serializers.IntegerField(source="author_id")
    text = serializers.CharField()
    at = serializers.DateTimeField()


class Comments(APIView):
    @extend_schema(
        operation_id="comments_list",
        parameters=listing(CommentShape, SAID),
        responses=page_of(CommentShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        """What people said to each other about the campaign."""
        rows = access.campaign_for(credential_of(request), pk).comments.all()
        return listed(request, rows, CommentShape, SAID)


# ---- policies ---------------------------------------------------------------------------------


class ConditionWrite(StrictSerializer):
    field = serializers.CharField(max_length=30)
    value = serializers.JSONField()


class ConditionsWrite(StrictSerializer):
    match = serializers.ChoiceField(choices=MATCHES, default="all")
    rows = ConditionWrite(many=True, default=list)


class PersonWrite(StrictSerializer):
    user = number(required=False)
    role = number(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"user", "role", "of"} & set(attrs)) != 1:
            raise serializers.ValidationError(_("Name one person, one role or one group."), code="one_of")
        return attrs


class ApproverWrite(PersonWrite):
    match = serializers.ChoiceField(choices=MATCHES, required=False)
    of = PersonWrite(many=True, required=False, allow_empty=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        super().validate(attrs)
        if ("match" in attrs) != ("of" in attrs):
            raise serializers.ValidationError(_("A group says “match” and “of”."), code="group")
        return attrs


class ApproversWrite(StrictSerializer):
    match = serializers.ChoiceField(choices=MATCHES)
    of = ApproverWrite(many=True, allow_empty=False)


class PolicyWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    priority = serializers.IntegerField(min_value=-32768, max_value=32767, default=0)
    isDefault = serializers.BooleanField(source="is_default", default=False)
    conditions = ConditionsWrite(default=dict)
    approvers = ApproversWrite()
    remindHours = serializers.IntegerField(source="remind_hours", min_value=0, max_value=32767, default=24)


class PolicyShape(Acting):
    right = MANAGE_WORKSPACE
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    priority = serializers.IntegerField()
    isDefault = serializers.BooleanField(source="is_default")
    conditions = serializers.JSONField()
    approvers = serializers.JSONField()
    remindHours = serializers.IntegerField(source="remind_hours")
    isActive = serializers.BooleanField(source="is_active")
    activatedAt = serializers.DateTimeField(source="activated_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    changedAt = serializers.DateTimeField(source="changed_at")

    def possible(self, row: ApprovalPolicy) -> list[str]:
        return ["deactivate"] if row.is_active else ["change", "activate", "delete"]


class Policies(APIView):
    @extend_schema(
        operation_id="approval_policies_list",
        parameters=listing(PolicyShape, ORDERS, SEARCH),
        responses=page_of(PolicyShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = searched(request, policybook.policies_for(credential, credential.workspace))
        return listed(request, rows, PolicyShape, ORDERS, rights=rights_of(request))

    @extend_schema(operation_id="approval_policies_create", request=PolicyWrite, responses={201: PolicyShape})
    def post(self, request: Request) -> Response:
        """It asks for nothing before it is activated."""
        credential = credential_of(request)
        policybook.policies_for(credential, credential.workspace)
        return _answer(request, _save(request, None), status=201)


class OnePolicy(APIView):
    @extend_schema(
        operation_id="approval_policies_read", parameters=[fields_of(PolicyShape)], responses=PolicyShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return _answer(request, _policy(request, pk))

    @extend_schema(
        operation_id="approval_policies_change",
        parameters=[IF_MATCH],
        request=PolicyWrite,
        responses=PolicyShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        """409 while it is active."""
        return _answer(request, _save(request, _policy(request, pk)))

    @extend_schema(operation_id="approval_policies_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """409 while it is active."""
        policybook.delete(_policy(request, pk), actor=credential_of(request), now=timezone.now())
        return Response(status=204)


class ActOnPolicy(APIView):
    @extend_schema(
        operation_id="approval_policies_act",
        parameters=[OpenApiParameter("verb", str, OpenApiParameter.PATH, enum=[*VERBS])],
        request=None,
        responses=PolicyShape,
    )
    def post(self, request: Request, pk: int, verb: str) -> Response:
        """`activate` or `deactivate`."""
        policy = _policy(request, pk)
        if verb not in VERBS:
            raise NotFound(_("There is no such verb."))
        policybook.switch(policy, on=VERBS[verb], actor=credential_of(request), now=timezone.now())
        return _answer(request, _policy(request, pk))


def _answer(request: Request, policy: ApprovalPolicy, status: int = 200) -> Response:
    return shown(request, policy, PolicyShape, rights_of(request), status=status)


def _policy(request: Request, pk: int) -> ApprovalPolicy:
    credential = credential_of(request)
    return policybook.policy_for(credential, credential.workspace, pk)


def _save(request: Request, policy: ApprovalPolicy | None) -> ApprovalPolicy:
    credential, values = credential_of(request), plain(body_of(request, PolicyWrite))
    with unchanged(request, policy, PolicyShape) if policy else nullcontext():
        return policybook.save(
            policy, workspace=credential.workspace, actor=credential, now=timezone.now(), **values
        )


def plain(value: Any) -> Any:
    """The validated body as the plain JSON that a policy keeps."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
