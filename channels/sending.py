"""How a mail is dressed, whichever provider carries it: further addresses, headers, ways to leave, retries.

These settings stand beside the provider's own in a configuration's `settings`, under the names of the fields
of EmailForm (see `providers/email_form.py`). Texts with values of the person in them are
templates, compiled once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from channels import verp
from channels.kinds import clean_email
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError, Template, compile_template
from common.errors import Invalid, Problem

# Headers a configuration may add. Those that say who wrote, to whom, when and how stay ours.
ALLOWED = {
    "feedback-id", "list-id", "list-help", "list-owner", "list-archive", "organization", "precedence",
    "auto-submitted", "importance", "priority", "sensitivity", "keywords", "comments", "reply-by", "expires",
}  # fmt: skip
OWN_NAME = re.compile(r"x-[a-z0-9-]{1,58}\Z")
RESERVED = ("x-carillon",)
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
MOST_HEADERS, MOST_PARAMETERS, LONGEST_HEADER, LONGEST_PARAMETER = 10, 10, 1_000, 5_000
MARKETING_HOURS, MOST_HOURS = 6.0, 84.0
MOST_WAITS, LONGEST_WAIT_MINUTES = 20, 1440
SOFT_BOUNCES, SOFT_BOUNCE_DAYS, MOST_DAYS = 5, 30, 90  # what an address may have before it is suppressed
# What is decided here alone: a change of it needs no check.
AT_ONCE = ("retry_hours", "retry_waits", "soft_bounces", "soft_bounce_days", "to_complainers")
NAMES = (
    "error_address", "reply_to_template", "bcc", "mail_headers", "without_mailto", "without_one_click",
    "url_parameters",
)  # fmt: skip


def problems(kind: str, settings: dict[str, Any], sender_email: str) -> Iterable[Problem]:
    """What depends on the rest of the configuration."""
    hours = settings.get("retry_hours")
    if kind == ChannelConfiguration.Kind.MARKETING and hours and float(hours) < MARKETING_HOURS:
        yield Problem(
            "retry_too_short", _("Marketing is tried again for at least 6 hours."), "settings/retry_hours"
        )
    if kind == ChannelConfiguration.Kind.MARKETING and settings.get("to_complainers"):
        detail = _("Marketing never goes to people who complained.")
        yield Problem("marketing_to_complainers", detail, "settings/to_complainers")
    home = sender_email.rpartition("@")[2].lower()
    where = str(settings.get("error_address") or "").rpartition("@")[2]
    if where and where != home and not where.endswith(f".{home}") and not home.endswith(f".{where}"):
        detail = _("The bounce address must be of the sender’s domain, or of one above or below it.")
        yield Problem("bad_error_address", detail, "settings/error_address")


# ---- what people enter --------------------------------------------------------------------------
def compiled(text: str) -> Template:
    return compile_template(text, html=False)


def headers_of(text: str) -> dict[str, Template]:
    """Raises Invalid `bad_header`, or the template's fault."""
    found: dict[str, Template] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        lower = name.strip().lower()
        is_known = lower in ALLOWED or (OWN_NAME.match(lower) and not lower.startswith(RESERVED))
        if not colon or not is_known or not value.strip() or len(value) > LONGEST_HEADER:
            detail = _("“%(line)s” cannot be set. A name that begins with X-, or one of: %(known)s.")
            shown = {"line": line[:80], "known": ", ".join(sorted(ALLOWED))}
            raise Invalid(Problem("bad_header", detail % shown, "mail_headers"))
        found[name.strip()] = compiled(value.strip())
    if len(found) > MOST_HEADERS:
        raise Invalid(Problem("too_many_headers", _("At most 10 headers can be added."), "mail_headers"))
    return found


def parameters_of(text: str) -> dict[str, Template]:
    """Raises Invalid `bad_parameter`, or the template's fault."""
    found: dict[str, Template] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not PARAMETER.match(name.strip()) or len(value.encode()) > LONGEST_PARAMETER:
            detail = _("“%(line)s” is no parameter. Write it like utm_source=newsletter, at most 5 KB.")
            raise Invalid(Problem("bad_parameter", detail % {"line": line[:80]}, "url_parameters"))
        found[name.strip()] = compiled(value.strip())
    if len(found) > MOST_PARAMETERS:
        detail = _("At most 10 parameters can be added.")
        raise Invalid(Problem("too_many_parameters", detail, "url_parameters"))
    return found


def waits_of(text: str) -> tuple[int, ...]:
    """Minutes between tries. Raises Invalid `bad_waits`."""
    parts = [one for one in re.split(r"[\s,、，]+", text) if one]
    is_well = len(parts) <= MOST_WAITS and all(re.fullmatch(r"[0-9]{1,4}", one) for one in parts)
    waits = tuple(map(int, parts)) if is_well else ()
    if not is_well or not all(1 <= one <= LONGEST_WAIT_MINUTES for one in waits):
        detail = _("Give at most 20 numbers of minutes from 1 to 1440, such as 1, 5, 15, 60.")
        raise Invalid(Problem("bad_waits", detail, "retry_waits"))
    return waits


# ---- what they mean -----------------------------------------------------------------------------
def to_complainers(configuration: ChannelConfiguration) -> bool:
    """Whether its mails go to addresses that are suppressed for a complaint, and for nothing else."""
    is_asked = configuration.settings.get("to_complainers") is True
    return is_asked and configuration.kind == ChannelConfiguration.Kind.TRANSACTIONAL


def soft_bounces(settings: Mapping[str, Any]) -> tuple[int, int]:
    """How many within how many days take an address off the road."""
    most, days = settings.get("soft_bounces"), settings.get("soft_bounce_days")
    return int(most or SOFT_BOUNCES), int(days or SOFT_BOUNCE_DAYS)


@dataclass(frozen=True)
class Sending:
    error_address: str
    reply_to: Template | None
    bcc: str
    headers: dict[str, Template]
    has_mailto: bool
    has_one_click: bool
    parameters: dict[str, Template]


def of(configuration: ChannelConfiguration) -> Sending:
    """Read once as long as the settings stay the same. Raises Invalid for settings no form has checked."""
    held = configuration.settings.get
    return _read(*(held(name) for name in NAMES))


@lru_cache(maxsize=128)
def _read(*values: Any) -> Sending:
    error_address, reply_to, bcc, headers, without_mailto, without_one_click, parameters = values
    return Sending(
        error_address=error_address or "",
        reply_to=compiled(reply_to) if reply_to else None,
        bcc=bcc or "",
        headers=headers_of(headers or ""),
        has_mailto=bool(error_address) and not without_mailto,
        has_one_click=not without_one_click,
        parameters=parameters_of(parameters or ""),
    )


class Dress(NamedTuple):
    """What is put on one person's mail."""

    headers: Mapping[str, str] = MappingProxyType({})
    reply_to: str = ""  # empty: the configuration's own
    envelope_sender: str = ""
    bcc: str = ""


UNDRESSED = Dress()


def dress(configuration: ChannelConfiguration, *, key: str, values: dict[str, Any], leave: str) -> Dress:
    """What the configuration adds to the message named `key`. `leave` is its address for unsubscribing by
    one click; without one there is no way to leave in it.
    """
    if configuration.channel != "email":
        return UNDRESSED
    sending, headers = of(configuration), dict[str, str]()
    if leave:
        headers |= _ways_to_leave(sending, key, leave)
    if sending.headers:
        headers |= {name: text for name, text in _filled(sending.headers, values).items() if text}
    if signed := verp.token(verp.BOUNCE, key):
        headers["X-Carillon-Message"] = signed
    where = verp.address(sending.error_address, verp.BOUNCE, key) if sending.error_address else ""
    return Dress(headers, _reply_to(sending, values), where, sending.bcc)


def parameters(configuration: ChannelConfiguration, values: dict[str, Any]) -> dict[str, str]:
    """What is added to a tracked link of the configuration's messages."""
    return _filled(of(configuration).parameters, values)


def names(configuration: ChannelConfiguration) -> set[str]:
    """What its templates read, such as `profile.city`."""
    sending = of(configuration)
    found = [*sending.headers.values(), *sending.parameters.values()]
    found += [sending.reply_to] if sending.reply_to else []
    return {name for template in found for name in template.names}


def _filled(templates: dict[str, Template], values: dict[str, Any]) -> dict[str, str]:
    """Without those that cannot be worked out for a person: nobody's message is held up by an extra."""
    found: dict[str, str] = {}
    for name, template in templates.items():
        try:
            found[name] = " ".join(template.render(values).split())[:LONGEST_PARAMETER]
        except RenderError:
            continue
    return found


def _ways_to_leave(sending: Sending, key: str, leave: str) -> dict[str, str]:
    """RFC 2369, RFC 8058."""
    ways = [f"<{leave}>"] if sending.has_one_click else []
    if sending.has_mailto and verp.token(verp.LEAVE, key):
        ways.append(f"<mailto:{verp.address(sending.error_address, verp.LEAVE, key)}?subject=unsubscribe>")
    found = {"List-Unsubscribe": ", ".join(ways)} if ways else {}
    if sending.has_one_click:
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return found


def _reply_to(sending: Sending, values: dict[str, Any]) -> str:
    """A person without a usable value gets the configuration's own."""
    if sending.reply_to is None:
        return ""
    try:
        return clean_email(sending.reply_to.render(values).strip())
    except (Invalid, RenderError):
        return ""
