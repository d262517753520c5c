"""Previews and proofs as the reference product's clients ask for them: `/ajo/simulations/campaigns/…`.

They end in the same verbs as the pages' own (`samples`, `delivery/proofs`). A job of proofs is the runs that
were written together; its id is their numbers, so there is nothing more to keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.doors.callers import credential_of
from accounts.models import ApiCredential
from audiences import identities
from audiences.access import profiles_for
from audiences.models import Profile
from campaigns import access, samples, versions
from campaigns.access import MANAGE
from campaigns.api import simulation_shapes as shapes
from campaigns.delivery import proofs
from campaigns.models import Action, Campaign, Outcome
from channels.messages import Rendered
from channels.sandbox import RenderError
from common.doors import body_of
from common.errors import Invalid, NotFound, Problem
from common.text import is_storable

MOST_PREVIEWS = 100
JOB = re.compile(r"[1-9][0-9]{0,17}(-[1-9][0-9]{0,17}){0,99}")
TAKEN = (Outcome.ACCEPTED,)


class Previews(APIView):
    @extend_schema(
        operation_id="simulate_previews",
        request=shapes.PreviewsAskedShape,
        responses=shapes.PreviewsShape,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Each content of the campaign as it stands, for each of the people. Nothing is sent."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk, MANAGE)
        asked = body_of(request, shapes.PreviewsAskedShape)["previewRequestItems"]
        written = [
            (action, one)
            for action in campaign.actions.select_related("configuration")
            for one in versions.contents_of(action, campaign)
        ]
        if len(written) * len(asked) > MOST_PREVIEWS:
            detail = _("That would be more than %(most)s previews. Name fewer people.")
            raise Invalid(
                Problem("too_many_previews", detail % {"most": MOST_PREVIEWS}, "/previewRequestItems")
            )
        told: list[dict[str, Any]] = []
        for place, item in enumerate(asked):
            pointer = f"/previewRequestItems/{place}"
            given = _values(item, "profileAttributes", "contextAttributes", pointer)
            person = None if "profile" in given else _person(item, credential, campaign, pointer)
            named = {"userId": item["userId"], "namespace": item["namespace"]}
            told += [
                {**named, **_variant(action.position, action.channel, one)}
                | _preview(campaign, action, one["content"], person, given, credential)
                for action, one in written
            ]
        return Response({"previews": told})


class ProofJobs(APIView):
    @extend_schema(
        operation_id="simulate_proofs",
        request=shapes.ProofsAskedShape,
        responses={202: shapes.ProofJobShape},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sends every content of the channels named to the addresses given: all of the job, or nothing."""
        credential = credential_of(request)
        campaign = access.campaign_for(credential, pk, MANAGE)
        asked = body_of(request, shapes.ProofsAskedShape)["recipients"]
        with transaction.atomic():
            runs = [
                run
                for place, one in enumerate(asked)
                for run in _sent(campaign, one, f"/recipients/{place}", credential)
            ]
        return Response(_job(campaign, runs), status=202)


class OneProofJob(APIView):
    @extend_schema(operation_id="simulate_proofs_status", responses=shapes.ProofJobShape)
    def get(self, request: Request, pk: int, job: str) -> Response:
        campaign = access.campaign_for(credential_of(request), pk, MANAGE)
        numbers = [int(part) for part in job.split("-")] if JOB.fullmatch(job) else []
        told = _job(campaign, numbers) if numbers else {"proofs": []}
        if not told["proofs"]:
            raise NotFound(_("There is no such proof, or you may not see it."))
        return Response(told)


# ---- who and with what ----------------------------------------------------------------------------
def _values(item: Mapping[str, Any], profile: str, context: str, pointer: str) -> dict[str, Any]:
    """Under the names the contents read them by; only what was given."""
    given = {
        name: item[field] for name, field in (("profile", profile), ("context", context)) if field in item
    }
    if not is_storable(given):
        detail = _("It holds a character or number that cannot be stored.")
        raise Invalid(Problem("not_storable", detail, pointer))
    return given


def _person(item: Mapping[str, Any], credential: ApiCredential, campaign: Campaign, pointer: str) -> Profile:
    """Only for who may manage people. Raises Invalid for somebody unknown."""
    profiles_for(credential, campaign.workspace)
    try:
        found = identities.find(campaign.workspace, item["namespace"], item["userId"])
    except Invalid as error:
        places = {"unknown_namespace": "namespace"}
        raise Invalid(
            Problem(one.code, one.detail, f"{pointer}/{places.get(one.code, 'userId')}")
            for one in error.problems
        ) from error
    if found is None:
        detail = _("There is no profile “%(id)s”; give its attributes to do without.")
        raise Invalid(Problem("unknown_recipient", detail % {"id": item["userId"][:80]}, f"{pointer}/userId"))
    return found


# ---- previews -------------------------------------------------------------------------------------
def _variant(position: int, channel: str, content: Mapping[str, Any]) -> dict[str, Any]:
    treatment, language = content["treatment"], content["language"]
    name = f"{position}.{treatment}.{language}"
    return {"channel": channel, "variantId": name, "treatment": treatment, "language": language}


def _preview(
    campaign: Campaign,
    action: Action,
    kept: dict[str, Any],
    person: Profile | None,
    given: dict[str, Any],
    credential: ApiCredential,
) -> dict[str, Any]:
    try:
        message = samples.rendered(
            action,
            kept,
            person=person,
            audience=access.shown_audience(credential, campaign),
            sample=given,
            workspace=campaign.workspace,
            pinned=versions.pins(campaign),
        )
    except (Invalid, RenderError) as error:
        return {"content": None, "error": str(error.detail)}
    return {"content": _written(message), "error": ""}


def _written(message: Rendered) -> dict[str, Any]:
    return {name: getattr(message, name) for name in ("subject", "html", "text", "url", "image", "extra")}


# ---- proofs ---------------------------------------------------------------------------------------
def _sent(
    campaign: Campaign, one: Mapping[str, Any], pointer: str, credential: ApiCredential
) -> Iterator[int]:
    """The numbers of the runs of one recipient."""
    given = _values(one, "profile", "context", pointer)
    person = None if "profile" in given else _person(one, credential, campaign, pointer)
    for place, to in enumerate(one["channelsData"]):
        here, field = f"{pointer}/channelsData/{place}", shapes.FIELDS[to["channel"]]
        _require_fitting(to, field, here)
        positions = campaign.actions.filter(channel=to["channel"]).values_list("position", flat=True)
        if not positions:
            detail = _("The campaign has no message of this channel.")
            raise Invalid(Problem("unknown_action", detail, f"{here}/channel"))
        for position in positions:
            try:
                run = proofs.send(
                    campaign,
                    action=position,
                    addresses=_addresses(to.get(field, [])),
                    person=person,
                    sample=given,
                    prefix=to.get("subjectPrefix"),
                    actor=credential,
                    now=timezone.now(),
                )
            except Invalid as error:
                raise Invalid(
                    Problem(fault.code, fault.detail, _place(fault.pointer, pointer, here, field))
                    for fault in error.problems
                ) from error
            yield run.pk


def _require_fitting(to: Mapping[str, Any], field: str, pointer: str) -> None:
    allowed = {"channel", field} | ({"subjectPrefix"} if to["channel"] == "email" else set())
    if wrong := sorted(set(to) - allowed):
        detail = _("A proof on this channel has no “%(field)s”.")
        raise Invalid(Problem("unknown_field", detail % {"field": one}, f"{pointer}/{one}") for one in wrong)


def _addresses(given: Sequence[Any]) -> list[str]:
    return [one if isinstance(one, str) else f"{one['platform']}:{one['token']}" for one in given]


def _place(of_verb: str, pointer: str, here: str, field: str) -> str:
    """Where in the body something stands that the verb knows by its own name."""
    name, _slash, number = of_verb.partition("/")
    if name == "profile":
        return f"{pointer}/userId"
    if name == "addresses":
        return f"{here}/{field}/{number}" if number else f"{here}/{field}"
    return f"{here}/subjectPrefix" if name == "prefix" else f"{here}/channel"


def _job(campaign: Campaign, runs: Sequence[int]) -> dict[str, Any]:
    told = [
        one
        for run in dict.fromkeys(runs)
        for found in proofs.of_campaign(campaign, run_id=run)
        for one in _of_run(found)
    ]
    return {
        "proofJobId": "-".join(map(str, runs)),
        "status": _whole([one["status"] for one in told]),
        "proofs": told,
    }


def _of_run(found: proofs.Proof) -> Iterator[dict[str, Any]]:
    """One for each content."""
    position = found.run.version.definition["actions"][0]["position"]
    ordered = sorted(found.messages, key=lambda one: (one.treatment, one.language))
    for (treatment, language), group in groupby(ordered, key=lambda one: (one.treatment, one.language)):
        messages = list(group)
        variant = _variant(position, found.channel, {"treatment": treatment, "language": language})
        submitted = sum(one.outcome in TAKEN for one in messages)
        waiting = sum(one.outcome in ("", Outcome.DEFERRED) for one in messages)
        failed = [one for one in messages if one.outcome not in (*TAKEN, "", Outcome.DEFERRED)]
        yield {
            **variant,
            "messageId": f"{found.run.pk}.{variant['variantId']}",
            "targeted": len(messages),
            "submitted": submitted,
            "status": _status(len(messages), submitted, waiting),
            "proofFailureReasons": sorted({one.words for one in failed}),
        }


def _status(targeted: int, submitted: int, waiting: int) -> str:
    if waiting:
        return shapes.CREATED if waiting == targeted else shapes.PROCESSING
    if submitted == targeted:
        return shapes.SUBMITTED
    return shapes.PARTIALLY_FAILED if submitted else shapes.FAILED


def _whole(statuses: Sequence[str]) -> str:
    """Of a job, from its parts."""
    found = set(statuses)
    if len(found) == 1:
        return found.pop()
    if found & {shapes.CREATED, shapes.PROCESSING}:
        return shapes.PROCESSING
    return shapes.PARTIALLY_FAILED
