"""The doctor's page and its REST door, for those who manage the workspace."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import MANAGE_WORKSPACE, require
from accounts.models import ApiCredential
from accounts.views.administration import where
from common.api import StrictSerializer
from config import doctor
from config.doctor.finding import Severity


@login_required
@require_safe
@never_cache
def show_doctor(request: HttpRequest) -> HttpResponse:
    actor, workspace = where(request)
    require(actor, MANAGE_WORKSPACE, workspace)
    now = timezone.now()
    found = doctor.examine(actor=actor, workspace=workspace, now=now)
    groups = [(severity, list(alike)) for severity, alike in groupby(found, key=lambda one: one.severity)]
    return render(request, "doctor.html", {"groups": groups, "now": now})


class DoctorFinding(StrictSerializer):
    code = serializers.CharField(help_text="Stays the same in every version and language.")
    severity = serializers.ChoiceField(choices=Severity.values)
    what = serializers.CharField()
    where = serializers.CharField(help_text="The part, row or setting.")
    advice = serializers.CharField(help_text="What to do.")


class DoctorFindings(StrictSerializer):
    results = DoctorFinding(many=True)


class Doctor(APIView):
    @extend_schema(operation_id="doctor", responses=DoctorFindings)
    def get(self, request: Request) -> Response:
        """What is wrong with the installation and with the credential's workspace, the worst first."""
        credential = cast(ApiCredential, request.user)
        require(credential, MANAGE_WORKSPACE, credential.workspace)
        found = doctor.examine(actor=credential, workspace=credential.workspace, now=timezone.now())
        return Response(DoctorFindings({"results": [asdict(one) for one in found]}).data)
