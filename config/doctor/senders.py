"""Whether workspaces may send, and whether what they send with is in order."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from accounts import switch
from accounts.access import Actor, may, visible_to
from accounts.models import Workspace
from channels import breaker, domains, records
from channels.access import VIEW
from channels.models import ChannelConfiguration, SendingDomain
from config.doctor.finding import Finding, Severity

Status = ChannelConfiguration.Status
NOT_THERE = (records.WRONG, records.MISSING)


def findings(*, actor: Actor, workspace: Workspace | None) -> Iterator[Finding]:
    for one in Workspace.objects.order_by("name") if workspace is None else [workspace]:
        yield from _switch(one)
        rows = ChannelConfiguration.objects.filter(workspace=one).select_related("workspace").order_by("name")
        for configuration in visible_to(actor, rows, VIEW):
            yield from _configuration(configuration)
        if may(actor, VIEW, one):
            yield from _domains(one)


def _switch(workspace: Workspace) -> Iterator[Finding]:
    standing = switch.standing(workspace)
    if not standing.is_on:
        yield Finding(
            "main_switch_off",
            Severity.WARNING,
            standing.in_words(),
            workspace.name,
            _("Allow sending on the page of the main switch once the reason is gone."),
        )


def _configuration(row: ChannelConfiguration) -> Iterator[Finding]:
    where = f"{row.workspace}: {row.name}"
    is_live = row.status == Status.ACTIVE
    has_passed = row.versions.filter(state="passed").exists()
    if row.status in (Status.DRAFT, Status.FAILED) or (is_live and not has_passed):
        failed = row.status == Status.FAILED
        yield Finding(
            "configuration_failed" if failed else "configuration_untested",
            Severity.WARNING,
            _("Its last check failed.") if failed else _("It was never checked against the provider."),
            where,
            _("Open the configuration, submit it, and read the dialogue with the provider."),
        )
    if is_live and (standing := breaker.standing(row.pk)).is_open:
        yield Finding(
            "provider_away",
            Severity.ERROR,
            _("The provider takes nothing: %(reason)s") % {"reason": standing.reason},
            where,
            _("Look at the provider’s state and the credentials; a message tries again every half minute."),
        )
    if is_live and row.channel == "email" and row.provider != "sandbox":
        verdict, words = domains.verdict_on_sender(row)
        if verdict != "good":
            severity = Severity.ERROR if verdict == "failed" else Severity.WARNING
            yield Finding("sender_not_verified", severity, words, where, _advice_on_dns())


def _domains(workspace: Workspace) -> Iterator[Finding]:
    for domain in SendingDomain.objects.filter(workspace=workspace, state=SendingDomain.State.FAILED):
        wrong = sorted(name for name, said in domain.findings.items() if said["verdict"] in NOT_THERE)
        yield Finding(
            "dns_wrong",
            Severity.ERROR if domains.senders_from(domain) else Severity.WARNING,
            _("DNS does not say what it should: %(records)s") % {"records": ", ".join(wrong) or "–"},
            f"{workspace}: {domain.name}",
            _advice_on_dns(),
        )


def _advice_on_dns() -> str:
    return _("Set the records that the page of the sending domain shows, then press “Check now”.")
