"""Whom we may write to on a channel, as SQL over `p`, the profiles table.

The fan-out asks by `reason`, the last look before sending by the same `verdict`, so the two cannot disagree.
"""

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
HASH = (
    "'sha256:' || encode(sha256(convert_to("
    "{workspace}::text || ':' || %s || ':' || {address}, 'UTF8')), 'hex')"
)


def reason(channel: str, category: str) -> Query:
    """An expression: the code of what keeps a message from `p`, NULL for those who may get it."""
    return verdict(
        workspace="p.workspace_id",
        profile="p.id",
        address=ADDRESSES[channel],
        channel=channel,
        category=category,
    )


def verdict(*, workspace: str, profile: str, address: str, channel: str, category: str) -> Query:
    """The same over other columns. These are names of our own; every value is bound."""
    found = Query(f"CASE WHEN COALESCE({address}, '') = '' THEN '{NO_ADDRESS}' WHEN ")
    found += suppressed(workspace=workspace, address=address, channel=channel)
    found += Query(f" THEN '{SUPPRESSED}' ")
    if category == "marketing":
        # “Not confirmed yet” for a whole channel: an address somebody gave and nobody has confirmed.
        found += Query(
            f"""WHEN EXISTS (SELECT 1 FROM audiences_consent c WHERE c.profile_id = {profile}
                AND c.channel = %s AND c.topic_id IS NULL AND c.state IN ('no', 'pending'))
                THEN '{NO_CONSENT}' """,
            (channel,),
        )
    return found + Query("END")


def suppressed(*, workspace: str, address: str, channel: str) -> Query:
    """A condition: the address, its domain, or its hash after an erasure is on the list.

    `ana+shop@…` is also held back by an entry for `ana@…`. Each EXISTS compares for equality alone, so that
    the planner hashes the list for a whole audience and uses its index for a batch.
    """

    def listed(wanted: str, *params: Any) -> Query:
        sql = f"""EXISTS (SELECT 1 FROM audiences_suppression s WHERE s.workspace_id = {workspace}
            AND s.channel = %s AND s.address = {wanted})"""
        return Query(sql, (channel, *params))

    tagless = f"regexp_replace({address}, '[+][^@]*@', '@')"
    has_tag = Query(f"strpos({address}, '+') > 1 AND ")

    def any_of(kind: str) -> Query:
        # Asked once per query: only who keeps domains, or has erased somebody, pays for looking them up.
        sql = f"""EXISTS (SELECT 1 FROM audiences_suppression s
            WHERE s.kind = '{kind}' AND s.channel = %s AND s.kind IN ('domain', 'hash')) AND """
        return Query(sql, (channel,))

    def hashed(of: str) -> Query:
        return listed(HASH.format(workspace=workspace, address=of), channel)

    parts = [
        *(Query("("), listed(address)),
        *(Query(" OR ("), any_of("domain"), listed(f"'@' || split_part({address}, '@', 2)"), Query(")")),
        *(Query(" OR ("), has_tag, listed(tagless), Query(") OR ("), any_of("hash"), Query("(")),
        *(hashed(address), Query(" OR ("), has_tag, hashed(tagless), Query("))))")),
    ]
    whole = Query("")
    for part in parts:
        whole += part
    return whole
