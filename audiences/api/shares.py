"""The REST doors of an audience's shares. Only who may manage the audience comes in, as on its page."""

from __future__ import annotations

from accounts.api.shares import share_views
from accounts.models import ApiCredential
from audiences import access, sharing
from audiences.models import Audience


def _managed(credential: ApiCredential, pk: int) -> Audience:
    return access.audience_for(credential, pk, access.MANAGE)


shares, one_share = share_views("audiences", _managed, sharing.SHARING)
