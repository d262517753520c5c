"""The pages of audiences: the list, one audience."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audiences import access, evaluate, reachability
from audiences.models import Audience
from audiences.rules.describe import sentence
from audiences.views.common import actor_of, workspace_of


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = access.list_for(actor_of(request), workspace_of(request)).select_related("created_by")
    return render(request, "audiences/list.html", {"audiences": rows})


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    audience = access.audience_for(actor_of(request), pk)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    definition = evaluate.definition(audience)
    reach = evaluate.reach(
        definition, workspace_id=audience.workspace_id, channel="email", category="marketing"
    )
    page = {
        "audience": audience,
        "people": evaluate.recount(audience, timezone.now()),
        "reached": reach.pop("", 0),
        "reasons": sorted(reach.items()),
        "labels": reachability.REASON_LABELS,
        "sample": evaluate.sample(definition, audience.workspace_id, 5),
        "imports": audience.imports.order_by("-pk")[:5],
    }
    if audience.kind == Audience.Kind.RULE:
        page["sentence"] = sentence(audience.rule, audience.workspace)
        page["json"] = json.dumps(audience.rule, indent=2, ensure_ascii=False)
    return render(request, "audiences/detail.html", page)
