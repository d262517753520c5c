"""What channels hold of one person's messages until they are fetched: rows of direct mail, items of an inbox.

A file that has been delivered holds nothing here any more: its rows are emptied with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from channels.models import InboxItem, MailRow


def forget(keys: Sequence[str]) -> None:
    """By the messages' keys, `run.action.person`. A file still to be written is written without them."""
    MailRow.objects.filter(key__in=keys).delete()
    InboxItem.objects.filter(key__in=keys).delete()
