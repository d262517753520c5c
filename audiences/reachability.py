"""Whom we may write to on a channel, as SQL over `p`, the profiles table.

The fan-out asks by `reason`, the last look before sending by the same `verdict`, so the two cannot disagree.
WAYS says for each channel where its address comes from and what keeps a message from a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from audiences.addresses import held_in, newest
from audiences.addresses import sql as sql_of
from audiences.models import Profile
from audiences.query import Query
from channels import origins
from channels.models import ChannelConfiguration

# Reasons of exclusion, by the codes of the reference catalogue (9.7). It knows none for channels beyond
# email, SMS and push: 050029 and 050109 are ours, in its ranges.
NO_ADDRESS, NO_NUMBER, NO_TOKEN, NO_NAME = "050020", "050153", "050030", "050029"
NO_CONSENT, NO_SMS_CONSENT, NO_PUSH_CONSENT, NO_OTHER_CONSENT = "050101", "050104", "050111", "050109"
SUPPRESSED, DOMAIN_SUPPRESSED, OTHER_SUPPRESSED = "050102", "050105", "050107"
REASON_LABELS: dict[str, Any] = {
    NO_ADDRESS: _("No email address"),
    NO_NUMBER: _("No phone number"),
    NO_TOKEN: _("No device that takes push messages"),
    NO_NAME: _("No address for this channel"),
    SUPPRESSED: _("On the suppression list"),
    DOMAIN_SUPPRESSED: _("The domain is on the suppression list"),
    OTHER_SUPPRESSED: _("On the suppression list of this channel"),
    NO_CONSENT: _("No consent for email marketing"),
    NO_SMS_CONSENT: _("No consent for SMS marketing"),
    NO_PUSH_CONSENT: _("No consent for push marketing"),
    NO_OTHER_CONSENT: _("No consent for marketing on this channel"),
}


@dataclass(frozen=True)
class Way:
    """How a channel reaches a person: `address` is SQL over `p`, of where it stands unless the workspace or a
    configuration says otherwise; the codes say what may stand in between.

    `namespace` is where the address is kept when it is a row of Identity; the newest row counts.
    """

    label: Any
    address: str
    no_address: str = NO_NAME
    no_consent: str = NO_OTHER_CONSENT
    suppressed: str = OTHER_SUPPRESSED
    namespace: str = ""


KNOWN_BY = "COALESCE(NULLIF(p.external_id, ''), p.id::text)"  # nobody is without one
WAYS: dict[str, Way] = {
    "email": Way(_("Email"), "p.email", NO_ADDRESS, NO_CONSENT, SUPPRESSED),
    "sms": Way(_("SMS"), "p.phone", NO_NUMBER, NO_SMS_CONSENT),
    "whatsapp": Way(_("WhatsApp"), "p.phone", NO_NUMBER),
    "line": Way(_("LINE"), newest("line_id"), namespace="line_id"),
    "push": Way(_("Mobile push"), newest("push_token"), NO_TOKEN, NO_PUSH_CONSENT, namespace="push_token"),
    "webpush": Way(_("Web push"), newest("webpush"), NO_TOKEN, NO_PUSH_CONSENT, namespace="webpush"),
    "webhook": Way(_("Webhook"), "COALESCE(NULLIF(p.external_id, ''), p.email)"),
    "direct_mail": Way(_("Direct mail"), KNOWN_BY),
    "inapp": Way(_("In-app inbox"), KNOWN_BY),
}
CHANNELS: dict[str, Any] = {channel: way.label for channel, way in WAYS.items()}
# As a channel is called inside a sentence.
WORDS: dict[str, Any] = {
    **CHANNELS,
    "email": _("email"),
    "push": _("mobile push"),
    "webpush": _("web push"),
    "webhook": _("webhook"),
    "direct_mail": _("direct mail"),
    "inapp": _("in-app inbox"),
}
HASH = (
    "'sha256:' || encode(sha256(convert_to("
    "{workspace}::text || ':' || %s || ':' || {address}, 'UTF8')), 'hex')"
)


def in_use(workspace: Workspace) -> list[str]:
    """Email, and every other channel that the workspace has an active configuration of, as in WAYS."""
    active = ChannelConfiguration.objects.filter(
        workspace=workspace, status=ChannelConfiguration.Status.ACTIVE
    )
    used = {"email", *active.values_list("channel", flat=True)}
    return [channel for channel in WAYS if channel in used]


def address(channel: str, workspace: Workspace, configuration: int | None = None) -> str:
    """SQL over `p`: where a message over the channel, or through that configuration of it, goes."""
    chosen = origins.order(workspace, channel, configuration)
    return sql_of(chosen) if chosen else WAYS[channel].address


def addresses_of(person: Profile) -> dict[str, str]:
    """The person's address on each channel that could reach them, in one query."""
    columns = ", ".join(address(channel, person.workspace) for channel in WAYS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM audiences_profile p WHERE p.id = %s", (person.pk,))
        found = cursor.fetchone() or ("",) * len(WAYS)
    return {channel: address for channel, address in zip(WAYS, found, strict=True) if address}


def address_of(person: Profile, channel: str, configuration: int) -> str:
    """Where a message to the person through the configuration would go; empty for nowhere."""
    column = address(channel, person.workspace, configuration)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM audiences_profile p WHERE p.id = %s", (person.pk,))
        (found,) = cursor.fetchone() or ("",)
    return found or ""


def every_address_of(person: Profile) -> list[tuple[str, str]]:
    """(channel, address) of every address a message could go to, whichever configuration carries it."""
    found = [("email", person.email), ("sms", person.phone), ("whatsapp", person.phone)]
    by_namespace = {way.namespace: channel for channel, way in WAYS.items() if way.namespace}
    for identity in person.identities.filter(namespace__in=by_namespace):
        found.append((by_namespace[identity.namespace], identity.value))
    found += held_in(person, person.workspace)
    return list(dict.fromkeys((channel, address) for channel, address in found if address))


def reason(
    channel: str,
    category: str,
    *,
    workspace: Workspace,
    configuration: int | None = None,
    to_complainers: bool = False,
) -> Query:
    """An expression: the code of what keeps a message from `p`, NULL for those who may get it.

    `to_complainers`: an address that is on the list for a complaint, and for nothing else, is written to.
    """
    way, whole = WAYS[channel], address(channel, workspace, configuration)
    found = verdict(
        workspace="p.workspace_id",
        profile="p.id",
        address="held.address" if way.namespace else whole,
        channel=channel,
        category=category,
        to_complainers=to_complainers,
    )
    if not way.namespace:
        return found
    # The address is read once, not for each question about it.
    return Query(f"(SELECT {found.sql} FROM (SELECT {whole} AS address OFFSET 0) held)", found.params)


def verdict(
    *, workspace: str, profile: str, address: str, channel: str, category: str, to_complainers: bool = False
) -> Query:
    """The same over other columns. These are names of our own; every value is bound."""
    way = WAYS[channel]
    found = Query(f"CASE WHEN COALESCE({address}, '') = '' THEN '{way.no_address}' WHEN ")
    found += suppressed(workspace=workspace, address=address, channel=channel, to_complainers=to_complainers)
    found += Query(f" THEN '{way.suppressed}' ")
    if channel == "email":
        found += Query("WHEN ") + by_domain(workspace=workspace, address=address)
        found += Query(f" THEN '{DOMAIN_SUPPRESSED}' ")
    if category == "marketing":
        # “Not confirmed yet” for a whole channel: an address somebody gave and nobody has confirmed.
        found += Query(
            f"""WHEN EXISTS (SELECT 1 FROM audiences_consent c WHERE c.profile_id = {profile}
                AND c.channel = %s AND c.topic_id IS NULL AND c.state IN ('no', 'pending'))
                THEN '{way.no_consent}' """,
            (channel,),
        )
    return found + Query("END")


def suppressed(*, workspace: str, address: str, channel: str, to_complainers: bool = False) -> Query:
    """A condition: the address, or its hash after an erasure, is on the list.

    `ana+shop@…` is also held back by an entry for `ana@…`. Each EXISTS compares for equality alone, so that
    the planner hashes the list for a whole audience and uses its index for a batch.
    """
    of: dict[str, Any] = {"workspace": workspace, "channel": channel, "but_complaints": to_complainers}
    tagless = f"regexp_replace({address}, '[+][^@]*@', '@')"
    has_tag = Query(f"strpos({address}, '+') > 1 AND ")
    hashed, hashed_tagless = (HASH.format(workspace=workspace, address=one) for one in (address, tagless))
    found = Query("(") + _listed(address, **of)
    if channel == "email":
        found += Query(" OR (") + has_tag + _listed(tagless, **of) + Query(")")
    found += Query(" OR (") + _any_of("hash", channel) + Query("(") + _listed(hashed, channel, **of)
    if channel == "email":
        found += Query(" OR (") + has_tag + _listed(hashed_tagless, channel, **of) + Query(")")
    return found + Query(")))")


def by_domain(*, workspace: str, address: str) -> Query:
    """A condition: the whole domain of an email address is on the list."""
    domain = _listed(f"'@' || split_part({address}, '@', 2)", workspace=workspace, channel="email")
    return Query("(") + _any_of("domain", "email") + domain + Query(")")


def _listed(wanted: str, *params: Any, workspace: str, channel: str, but_complaints: bool = False) -> Query:
    but = " AND s.reason <> 'complaint'" if but_complaints else ""
    sql = f"""EXISTS (SELECT 1 FROM audiences_suppression s WHERE s.workspace_id = {workspace}
        AND s.channel = %s AND s.address = {wanted}{but})"""
    return Query(sql, (channel, *params))


def _any_of(kind: str, channel: str) -> Query:
    # Asked once per query: only who keeps domains, or has erased somebody, pays for looking them up.
    sql = f"""EXISTS (SELECT 1 FROM audiences_suppression s
        WHERE s.kind = '{kind}' AND s.channel = %s AND s.kind IN ('domain', 'hash')) AND """
    return Query(sql, (channel,))
