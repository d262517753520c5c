"""The REST doors of channel configurations: list, make, read, change, delete, their verbs and versions.

A PATCH of an active configuration is a new version: the answer's `recentUpdate` says whether it passed its
check, and the settings are those that serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import labels_held, require
from accounts.doors.callers import credential_of
from accounts.models import AccessLabel, ApiCredential
from channels import access, configurations, lifecycle, versions
from channels.api.shapes import (
    ConfigurationChange,
    ConfigurationDetail,
    ConfigurationShape,
    ConfigurationWrite,
    Deactivation,
    TestShape,
    VersionShape,
)
from channels.configurations import Values
from channels.models import ChannelConfiguration, spoken_steps
from channels.providers import registry
from channels.providers.base import ProviderForm
from common.api import IF_MATCH, choice_of, chosen_fields, fields_of, only, ordered, page_of
from common.doors import NAMED, NEWEST, SEARCH, body_of, listed, listing, searched, shown, unchanged
from common.errors import Invalid, Problem

PRESSED = ("submit", "reactivate", "deactivate", "duplicate")
CAMEL = {
    "sender_name": "senderName",
    "sender_email": "senderEmail",
    "reply_to": "replyTo",
    "marketing_actions": "marketingActions",
}
FILTERS = [
    OpenApiParameter("status", str, enum=ChannelConfiguration.Status.values),
    OpenApiParameter("channel", str),
    OpenApiParameter("createdBy", str, description="An email address."),
    OpenApiParameter("label", str, description="The name of an access label."),
    OpenApiParameter("marketingAction", str),
]
BY_TEXT = {
    "channel": "channel",
    "createdBy": "created_by__email__iexact",
    "label": "labels__name",
    "marketingAction": "marketing_actions__contains",
}


class Configurations(APIView):
    @extend_schema(
        operation_id="channel_configurations_list",
        parameters=listing(ConfigurationShape, NAMED, *FILTERS, SEARCH),
        responses=page_of(ConfigurationShape),
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        rows = access.list_for(credential, credential.workspace).prefetch_related("labels")
        if status := choice_of(request, "status", ChannelConfiguration.Status.values):
            rows = rows.filter(status=status)
        for name, field in BY_TEXT.items():
            if text := request.query_params.get(name, "").replace("\0", ""):
                rows = rows.filter(**{field: [text] if field.endswith("contains") else text})
        wanted, pages = chosen_fields(request, ConfigurationShape), ordered(request, NAMED, "-created")
        found: Any = pages.paginate_queryset(searched(request, rows), request) or []
        _add_actions(found, credential)
        return pages.get_paginated_response(
            [only(row, wanted) for row in ConfigurationShape(found, many=True).data]
        )

    @extend_schema(
        operation_id="channel_configurations_create",
        request=ConfigurationWrite,
        responses={201: ConfigurationDetail},
    )
    def post(self, request: Request) -> Response:
        """A draft; `submit` tests and activates it."""
        credential = credential_of(request)
        require(credential, access.MANAGE, credential.workspace)
        given = body_of(request, ConfigurationWrite)
        with _pointing(given["provider"]):
            values = _values(given, {}, credential)
            made = configurations.create(
                workspace=credential.workspace, values=values, actor=credential, now=timezone.now()
            )
        return _answer(request, made, status=201)


class OneConfiguration(APIView):
    @extend_schema(
        operation_id="channel_configurations_read",
        parameters=[fields_of(ConfigurationDetail)],
        responses=ConfigurationDetail,
    )
    def get(self, request: Request, pk: int) -> Response:
        return _answer(request, access.configuration_for(credential_of(request), pk))

    @extend_schema(
        operation_id="channel_configurations_change",
        parameters=[IF_MATCH],
        request=ConfigurationChange,
        responses=ConfigurationDetail,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """A draft is saved. Of an active one a new version is tested, and serves when it has passed."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        given = body_of(request, ConfigurationChange)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        version = None
        with unchanged(request, row, ConfigurationDetail, told=lambda it: _told(it, credential)):
            base = versions.base_of(row)
            kept = ("name", "channel", "description", "marketing_actions")
            known = {
                **{name: getattr(row, name) for name in kept},
                **{name: getattr(base, name) for name in versions.PLAIN},
            }
            with _pointing(row.provider):
                values = _values({**known, **given}, base.settings, credential)
                if row.status == ChannelConfiguration.Status.ACTIVE:
                    version = configurations.prepare(row, values=values, **by)
                else:
                    configurations.change(row, values=values, **by)
        if version:
            versions.check(version, **by)
        return _answer(request, access.configuration_for(credential, pk))

    @extend_schema(operation_id="channel_configurations_delete", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Only a draft or a failed one that never carried a message; else 409."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        configurations.delete(row, actor=credential, now=timezone.now())
        return Response(status=204)


class Test(APIView):
    __test__ = False  # not for pytest

    @extend_schema(operation_id="channel_configurations_test", request=None, responses=TestShape)
    def post(self, request: Request, pk: int) -> Response:
        """Holds the real dialogue, up to where a message would be handed over. Changes nothing."""
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        steps = spoken_steps(configurations.test(row, actor=credential))
        return Response(TestShape({"steps": steps}).data)


class Versions(APIView):
    @extend_schema(
        operation_id="channel_configurations_versions",
        parameters=listing(VersionShape, NEWEST),
        responses=page_of(VersionShape),
    )
    def get(self, request: Request, pk: int) -> Response:
        row = access.configuration_for(credential_of(request), pk)
        return listed(request, row.versions.all(), VersionShape, NEWEST)


class Press(APIView):
    """One verb of the table of states; see `verb_view`."""

    verb = ""

    def post(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        if self.verb == "deactivate":
            done: Any = lifecycle.deactivate(row, is_sure=body_of(request, Deactivation)["sure"], **by)
        else:
            done = getattr(configurations, self.verb)(row, **by)
        made = done.pk if self.verb == "duplicate" else pk
        status = 201 if self.verb == "duplicate" else 200
        return _answer(request, access.configuration_for(credential, made), status=status)


def verb_view(verb: str) -> Any:
    """A view class of its own, so that OpenAPI shows each verb under its name."""
    done = {201 if verb == "duplicate" else 200: ConfigurationDetail}
    body = Deactivation if verb == "deactivate" else None

    class Verb(Press):
        @extend_schema(operation_id=f"channel_configurations_{verb}", request=body, responses=done)
        def post(self, request: Request, pk: int) -> Response:
            return super().post(request, pk)

    return Verb.as_view(verb=verb)


# ---- parts --------------------------------------------------------------------------------------
def _values(given: dict[str, Any], stored: dict[str, Any], credential: ApiCredential) -> Values:
    settings = _settings(given["provider"], {**stored, **given.get("settings", {})})
    labels = given.get("labels")
    return Values(
        **{
            **given,
            "settings": settings.plain_settings(),
            "secret": settings.secret(),
            "mailbox_secrets": settings.mailbox_secrets(),
            "marketing_actions": tuple(given.get("marketing_actions", ())),
            "labels": None if labels is None else _labels(labels, credential),
        }
    )


def _settings(provider: str, given: dict[str, Any]) -> ProviderForm:
    """The provider's own form, filled from JSON and valid. Raises Invalid with pointers below /settings."""
    form_class = registry.get(provider).Form
    fields = form_class.base_fields
    problems = []
    for name, value in given.items():
        if name not in fields:
            detail = _("There is no such field; the fields are: %(known)s.") % {"known": ", ".join(fields)}
            problems.append(Problem("unknown_field", detail, f"/settings/{name}"))
        elif not isinstance(fields[name], _TAKES.get(type(value), forms.Field)):
            problems.append(Problem("bad_setting", _("Give a text or a number."), f"/settings/{name}"))
    if problems:
        raise Invalid(problems)
    form = form_class({name: _as_entered(value) for name, value in given.items()})
    for name, faults in form.errors.as_data().items():
        pointer = "/settings" if name == "__all__" else f"/settings/{name}"
        for fault in faults:
            problems += [Problem(fault.code or "bad_setting", text, pointer) for text in fault.messages]
    if problems:
        raise Invalid(problems)
    return form


# What only some fields can take; any takes a text, a number, and null for nothing.
_TAKES: dict[type, type[forms.Field]] = {
    dict: forms.JSONField,
    list: forms.JSONField,
    bool: forms.BooleanField,
}


def _as_entered(value: Any) -> Any:
    """As a browser would send it: a form's own reading of numbers expects no integer of any size."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if value is None else str(value) if is_number else value


def _labels(names: list[str], credential: ApiCredential) -> tuple[AccessLabel, ...]:
    """By name. A label that is not held is as unknown as one that does not exist."""
    known = {label.name: label for label in labels_held(credential, credential.workspace)}
    problems = [
        Problem("unknown_label", _("There is no such label among those you hold."), f"/labels/{place}")
        for place, name in enumerate(names)
        if name not in known
    ]
    if problems:
        raise Invalid(problems)
    return tuple(known[name] for name in dict.fromkeys(names))


@contextmanager
def _pointing(provider: str) -> Iterator[None]:
    """A verb names fields; a caller wants a JSON pointer into the body."""
    try:
        yield
    except Invalid as error:
        raise Invalid(
            Problem(p.code, p.detail, _pointer(p.pointer, provider)) for p in error.problems
        ) from error


def _pointer(field: str, provider: str) -> str:
    if not field or field.startswith("/"):
        return field
    if field == "secret":
        form = registry.get(provider).Form
        return "/settings/" + next(filter(None, (form.secret_field, *form.secret_fields)), "")
    return "/" + CAMEL.get(field, field)


def _answer(request: Request, row: ChannelConfiguration, *, status: int = 200) -> Response:
    return shown(request, _told(row, credential_of(request)), ConfigurationDetail, status=status)


def _add_actions(rows: list[ChannelConfiguration], credential: ApiCredential) -> None:
    found = lifecycle.possible_in_list(rows, timezone.now())
    possible = {row: found[row.pk] for row in rows}
    for row, actions in access.doable_in_list(credential, credential.workspace, possible).items():
        row.actions = actions  # type: ignore[attr-defined]


def _told(row: ChannelConfiguration, credential: ApiCredential) -> ChannelConfiguration:
    possible = lifecycle.possible(row, timezone.now())
    row.actions = access.doable(credential, row, possible)  # type: ignore[attr-defined]
    row.recent_update = row.versions.first()  # type: ignore[attr-defined]
    return row
