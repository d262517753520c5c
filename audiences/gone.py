"""Takes addresses out of use that a provider found to be no more, or whose owner complained.

An email address or a number goes on the suppression list, which outlives the person. A device's token, a
browser's subscription or a LINE id that is gone is nobody's any more: the identity itself is removed, and
the person keeps their other devices. A complaint is remembered by the list in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db import connection

from audiences import suppression
from audiences.addresses import namespaces_in_use
from audiences.reachability import WAYS
from common.errors import Invalid

HAS_NO_LIST = {"direct_mail", "inapp", "webhook"}  # their addresses are names of ours, and never wrong
RETIRE = """
DELETE FROM audiences_identity i USING unnest(%s::text[]) AS t(value)
WHERE i.workspace_id = %s AND i.namespace = ANY(%s) AND i.value = t.value
"""


def take_out(
    workspace_id: int, channel: str, addresses: Sequence[str], *, reason: str, now: datetime
) -> None:
    """`reason` is `bounce` or `complaint`. Doing it again changes nothing."""
    wanted = sorted({address for address in addresses if address})
    namespace = WAYS[channel].namespace
    if namespace and reason == "bounce":
        with connection.cursor() as cursor:
            cursor.execute(
                RETIRE, (wanted, workspace_id, namespaces_in_use(workspace_id, channel, namespace))
            )
        return
    if channel in HAS_NO_LIST:
        return
    for address in wanted:
        with suppress(Invalid):  # what was never an address cannot be written to either
            suppression.suppress(
                workspace_id=workspace_id, channel=channel, address=address, reason=reason, now=now
            )
