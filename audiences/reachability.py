"""Whom we may write to on a channel, as SQL over `p`, the profiles table. The last look asks the same."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from audiences.query import Query

# Reasons of exclusion, by the codes of the reference catalogue (9.7).
NO_ADDRESS, SUPPRESSED, NO_CONSENT = "050020", "050102", "050101"
REASON_LABELS: dict[str, Any] = {
    NO_ADDRESS: _("No email address"),
    SUPPRESSED: _("On the suppression list"),
    NO_CONSENT: _("No consent for email marketing"),
}
ADDRESSES = {"email": "p.email"}


def reason(channel: str, category: str) -> Query:
    """An expression: the code of what keeps a message from `p`, NULL for those who may get it."""
    address = ADDRESSES[channel]
    # Only our own column name and codes are put into the text; every value is bound.
    sql = f"""CASE
        WHEN COALESCE({address}, '') = '' THEN '{NO_ADDRESS}'
        WHEN EXISTS (SELECT 1 FROM audiences_suppression s WHERE s.workspace_id = p.workspace_id
                     AND s.channel = %s AND s.address = {address}) THEN '{SUPPRESSED}'
        WHEN %s = 'marketing' AND EXISTS (SELECT 1 FROM audiences_consent c WHERE c.profile_id = p.id
                     AND c.channel = %s AND c.state = 'no') THEN '{NO_CONSENT}' END"""
    return Query(sql, (channel, category, channel))
