"""The REST doors of where addresses are taken from: for the workspace, and for one configuration."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.doors.callers import credential_of
from accounts.models import Workspace
from audiences import addresses
from channels import access, origins
from channels.models import ChannelConfiguration
from common.api import IF_MATCH, SparseSerializer, StrictSerializer, fields_of
from common.doors import body_of, pointing, shown, unchanged

SOURCES = (
    "The first that has a value counts: email, phone, line_id, attribute:<key> of the type email or phone, "
    "or for LINE namespace:<key>. Empty: the channel's own field."
)


def _sources(help_text: str = SOURCES) -> serializers.ListField:
    child = serializers.CharField(max_length=80)
    return serializers.ListField(
        child=child, required=False, default=list, max_length=addresses.MOST, help_text=help_text
    )


class AddressesWrite(StrictSerializer):
    """All channels anew: what is left out takes its own field."""

    email, sms, whatsapp, line = _sources(), _sources(), _sources(), _sources()


class AddressesShape(SparseSerializer):
    email, sms, whatsapp, line = _sources(), _sources(), _sources(), _sources()
    choices = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="What each channel may take."
    )


class ConfigurationAddressesWrite(StrictSerializer):
    sources = _sources(f"{SOURCES} For a configuration: what the workspace says.")


class ConfigurationAddressesShape(SparseSerializer):
    channel = serializers.CharField()
    sources = serializers.ListField(child=serializers.CharField())


class Addresses(APIView):
    @extend_schema(
        operation_id="addresses_read", parameters=[fields_of(AddressesShape)], responses=AddressesShape
    )
    def get(self, request: Request) -> Response:
        credential = credential_of(request)
        require(credential, access.VIEW, credential.workspace)
        return shown(request, _told(credential.workspace), AddressesShape)

    @extend_schema(
        operation_id="addresses_write",
        parameters=[IF_MATCH],
        request=AddressesWrite,
        responses=AddressesShape,
    )
    def put(self, request: Request) -> Response:
        """Counts for every message that is written from now on."""
        credential = credential_of(request)
        workspace = credential.workspace
        require(credential, access.MANAGE, workspace)
        given = body_of(request, AddressesWrite)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        with unchanged(request, workspace, AddressesShape, told=_told), pointing():
            for channel, sources in given.items():
                addresses.choose(workspace, channel, sources, pointer=channel, **by)
        workspace.refresh_from_db()
        return shown(request, _told(workspace), AddressesShape)


class ConfigurationAddresses(APIView):
    @extend_schema(
        operation_id="channel_configurations_addresses_read",
        parameters=[fields_of(ConfigurationAddressesShape)],
        responses=ConfigurationAddressesShape,
    )
    def get(self, request: Request, pk: int) -> Response:
        row = access.configuration_for(credential_of(request), pk)
        return shown(request, _told_of(row), ConfigurationAddressesShape)

    @extend_schema(
        operation_id="channel_configurations_addresses_write",
        parameters=[IF_MATCH],
        request=ConfigurationAddressesWrite,
        responses=ConfigurationAddressesShape,
    )
    def put(self, request: Request, pk: int) -> Response:
        credential = credential_of(request)
        row = access.configuration_for(credential, pk, access.MANAGE)
        sources = body_of(request, ConfigurationAddressesWrite)["sources"]
        with (
            unchanged(request, row, ConfigurationAddressesShape, told=_told_of),
            pointing(),
        ):
            addresses.choose(
                row.workspace, row.channel, sources, configuration=row, actor=credential, now=timezone.now()
            )
        return shown(request, _told_of(row), ConfigurationAddressesShape)


def _told(workspace: Workspace) -> dict[str, Any]:
    chosen = {
        channel: list(origins.order(workspace, channel) or (own,)) for channel, own in addresses.OWN.items()
    }
    return {**chosen, "choices": {channel: [*addresses.offered(workspace, channel)] for channel in chosen}}


def _told_of(row: ChannelConfiguration) -> dict[str, Any]:
    held = Workspace.objects.values_list("address_from", flat=True).get(pk=row.workspace_id)
    return {"channel": row.channel, "sources": held.get(str(row.pk), [])}
