"""The REST doors of a configuration's shares. Only who may manage the configuration comes in."""

from __future__ import annotations

from accounts.api.shares import share_views
from accounts.models import ApiCredential
from channels import access, sharing
from channels.models import ChannelConfiguration


def _managed(credential: ApiCredential, pk: int) -> ChannelConfiguration:
    return access.configuration_for(credential, pk, access.MANAGE)


shares, one_share = share_views("channel_configurations", _managed, sharing.SHARING)
