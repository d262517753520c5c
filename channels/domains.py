"""The verbs of a sending domain: add, change, check, delete; and what its state means for a configuration.

DNS is asked with no lock held. A domain is verified while every required record is good. When DNS does not
answer nothing changes: an outage elsewhere must not stop a sender whose records are right.
"""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

import idna
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.access import SYSTEM, Actor, require
from accounts.models import User, Workspace
from channels import dkim, records, sealing
from channels.access import MANAGE
from channels.lookup import Lookup
from channels.models import ChannelConfiguration, Credential, DkimKey, SendingDomain
from channels.records import Finding, Record
from common.errors import IllegalTransition, Invalid, Problem
from common.wording import worded as _

State = SendingDomain.State
AGAIN, AT_A_TIME = timedelta(days=1), 10
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
MECHANISM = re.compile(r"(?:(a|mx)(?::(?P<host>[^/]+))?|include:(?P<name>\S+)|ip[46]:(?P<network>\S+))\Z")


@dataclass(frozen=True)
class Shown:
    """A record beside what was found of it at the last check."""

    record: Record
    finding: Finding

    @property
    def label(self) -> str:
        return str(records.LABELS[self.record.purpose])

    @property
    def words(self) -> str:
        return str(records.REASONS[self.finding.reason][0])

    @property
    def advice(self) -> str:
        return str(records.REASONS[self.finding.reason][1])


def add(*, workspace: Workspace, name: str, spf: str = "mx", actor: Actor, now: datetime) -> SendingDomain:
    """With a pair of keys each for RSA and Ed25519; the private halves are sealed. It is not checked yet."""
    require(actor, MANAGE, workspace)
    domain = SendingDomain(
        workspace=workspace,
        name=clean_domain(name),
        spf=clean_spf(spf),
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
    )
    keys = {algorithm: dkim.generate(algorithm) for algorithm in DkimKey.Algorithm.values}
    mark = secrets.token_hex(3)  # two workspaces may send from one domain, each with its own keys
    with transaction.atomic():
        _save(domain)
        for algorithm, key in keys.items():
            label = f"{domain.name} {algorithm}"[:100]
            credential = sealing.keep(key.private, workspace=workspace, name=label, credential=None, now=now)
            selector = f"carillon-{mark}" + ("-ed" if algorithm == "ed25519" else "")
            DkimKey.objects.create(
                domain=domain,
                algorithm=algorithm,
                selector=selector,
                public=key.public,
                credential=credential,
                created_at=now,
            )
        _record("create", domain, actor, now)
    return domain


@transaction.atomic
def change(domain: SendingDomain, *, spf: str, actor: Actor, now: datetime) -> SendingDomain:
    """Who may send for it. The next check asks for the new record."""
    require(actor, MANAGE, domain.workspace)
    row = SendingDomain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
    if (cleaned := clean_spf(spf)) == row.spf:
        return row
    row.spf = cleaned
    row.save(update_fields=["spf"])
    _record("change", row, actor, now)
    return row


def check(domain: SendingDomain, *, actor: Actor, now: datetime) -> SendingDomain:
    """Asks DNS for every record and moves the domain to the state that follows."""
    require(actor, MANAGE, domain.workspace)
    wanted, lookup = records.expected(domain), Lookup()
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = dict(zip(wanted, pool.map(lambda one: records.judge(one, lookup), wanted), strict=True))
    with transaction.atomic():
        row = SendingDomain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
        before, row.state = row.state, state_after(row, found)
        row.findings = {
            one.purpose: {
                "verdict": said.verdict,
                "reason": said.reason,
                "found": [t[:500] for t in said.found][:5],
            }
            for one, said in found.items()
        }
        row.checked_at = now
        if row.state == State.VERIFIED:
            row.verified_at = row.verified_at or now
        row.save(update_fields=["state", "findings", "checked_at", "verified_at"])
        if row.state != before:
            _record("check", row, actor, now, before=before, after=row.state)
    return row


def check_again(now: datetime) -> int:
    """Checks, as the clock, some of those last checked over a day ago, longest ago first. How many."""
    rows = SendingDomain.objects.select_related("workspace").filter(checked_at__lt=now - AGAIN)
    due = list(rows.order_by("checked_at")[:AT_A_TIME])
    for domain in due:
        check(domain, actor=SYSTEM, now=now)
    return len(due)


def state_after(domain: SendingDomain, found: dict[Record, Finding]) -> str:
    """Verified: all that is required is good. Failed: something is wrong, or was good and is gone."""
    verdicts = {said.verdict for one, said in found.items() if one.required}
    if verdicts <= {records.GOOD, records.WARNING}:
        return State.VERIFIED
    if records.UNKNOWN in verdicts:
        return domain.state
    return State.FAILED if records.WRONG in verdicts or domain.verified_at else State.PENDING


@transaction.atomic
def delete(domain: SendingDomain, *, actor: Actor, now: datetime) -> None:
    """Refused while an active configuration sends from it."""
    require(actor, MANAGE, domain.workspace)
    users = senders_from(domain)
    if users:
        detail = _("It cannot be deleted while these send from it: %(names)s.")
        raise IllegalTransition(
            detail % {"names": ", ".join(str(user) for user in users)},
            code="domain_in_use",
            state=domain.state,
        )
    credentials = list(domain.dkim_keys.values_list("credential", flat=True))
    _record("delete", domain, actor, now)
    domain.delete()
    Credential.objects.filter(pk__in=credentials).delete()


def senders_from(domain: SendingDomain) -> list[ChannelConfiguration]:
    rows = ChannelConfiguration.objects.filter(
        workspace=domain.workspace,
        status=ChannelConfiguration.Status.ACTIVE,
        sender_email__iendswith=f"@{domain.name}",
    )
    return list(rows.order_by("name"))


def shown(domain: SendingDomain) -> list[Shown]:
    """Every record to copy with what DNS said of it last, in the order they are to be made."""
    unasked = {"verdict": "", "reason": "absent", "found": []}
    pairs = ((record, domain.findings.get(record.purpose, unasked)) for record in records.expected(domain))
    return [
        Shown(record, Finding(said["verdict"], said["reason"], tuple(said["found"])))
        for record, said in pairs
    ]


def of_sender(configuration: ChannelConfiguration) -> SendingDomain | None:
    name = configuration.sender_email.rpartition("@")[2].lower()
    rows = SendingDomain.objects.filter(workspace=configuration.workspace_id, name=name)
    return rows.prefetch_related("dkim_keys__credential").first()


def verdict_on_sender(configuration: ChannelConfiguration) -> tuple[str, str]:
    """`(good | warning | failed, words)`. In production marketing email leaves from verified domains only."""
    domain = of_sender(configuration)
    name = configuration.sender_email.rpartition("@")[2]
    if domain and domain.state == State.VERIFIED:
        return "good", _("%(domain)s is verified.") % {"domain": name}
    is_needed = settings.PRODUCTION and configuration.kind == ChannelConfiguration.Kind.MARKETING
    if domain is None:
        said = _("%(domain)s is not among the sending domains. Add it and set its DNS records.")
    else:
        said = _("%(domain)s is not verified. Set the DNS records that its page shows.")
    return "failed" if is_needed else "warning", said % {"domain": name}


def signer_for(configuration: ChannelConfiguration) -> dkim.Signer | None:
    """Signs with every key of the sender's domain that DNS showed; None when there is none."""
    domain = of_sender(configuration) if configuration.workspace_id else None
    if domain is None:
        return None
    known = (records.GOOD, records.WARNING)
    keys = tuple(
        (key.selector, dkim.load(sealing.unseal(key.credential.sealed, row=key.credential.pk)))
        for key in domain.dkim_keys.all()
        if domain.findings.get(f"dkim_{key.algorithm}", {}).get("verdict") in known
    )
    return dkim.Signer(domain.name, keys) if keys else None


# ---- what people enter --------------------------------------------------------------------------
def clean_domain(text: str) -> str:
    """Lower case, in its ASCII form. Raises Invalid `bad_domain`, for a false xn-- too."""
    name = text.strip().rstrip(".").lower()
    try:
        if not name.isascii() or "xn--" in name:
            name = idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        name = ""
    labels = name.split(".")
    is_host = len(labels) > 1 and len(name) <= 200 and all(map(LABEL.match, labels))
    if not is_host or labels[-1].isdigit():
        detail = _("“%(text)s” is not a domain. Write it like news.example.com.") % {"text": text[:80]}
        raise Invalid(Problem("bad_domain", detail, "name"))
    return name


def clean_spf(text: str) -> str:
    """Mechanisms such as `mx include:_spf.example.com ip4:192.0.2.1`. Raises Invalid `bad_spf`."""
    if odd := next((one for one in text if not one.isprintable() and one not in "\t\r\n"), ""):
        detail = _("Character U+%(code)s cannot be in a DNS record. Delete it and type the servers again.")
        raise Invalid(Problem("bad_spf", detail % {"code": f"{ord(odd):04X}"}, "spf"))
    terms = text.lower().split()
    if not 0 < len(terms) <= 8 or len(text) > 200 or not all(map(_is_mechanism, terms)):
        detail = _("Name the servers that send, like: mx include:_spf.example.com ip4:192.0.2.1")
        raise Invalid(Problem("bad_spf", detail, "spf"))
    return " ".join(terms)


def _is_mechanism(term: str) -> bool:
    parts = MECHANISM.match(term)
    if parts is None:
        return False
    if network := parts["network"]:
        try:
            named = ip_network(network, strict=False)
            return named.version == int(term[2]) and named.prefixlen > 0 and "%" not in network
        except ValueError:
            return False
    name = parts["host"] or parts["name"] or "a.b"
    return "." in name and all(
        re.match(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\Z", one) for one in name.split(".")
    )


def _save(domain: SendingDomain) -> None:
    try:
        with transaction.atomic():
            domain.save()
    except IntegrityError as error:
        detail = _("This domain is here already.")
        raise Invalid(Problem("domain_taken", detail, "name")) from error


def _record(verb: str, domain: SendingDomain, actor: Actor, now: datetime, **details: str) -> None:
    audit.record(actor=actor, verb=verb, obj=domain, workspace=domain.workspace, now=now, **details)
