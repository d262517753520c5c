"""The files that mails carry, out of the library; apart from its verbs, which load what draws pictures."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.files.storage import default_storage

from campaigns.models import Asset
from channels.messages import Attachment


def fetch(workspace_id: int, tokens: Sequence[str]) -> dict[str, Attachment]:
    """What the library has of them, for `channels.attachments`. One that the storage has lost is missing."""
    found = {}
    for row in Asset.objects.filter(workspace_id=workspace_id, token__in=tokens):
        try:
            with default_storage.open(row.path()) as file:
                found[row.token] = Attachment(row.name, row.kind, file.read())
        except FileNotFoundError:
            continue
    return found
