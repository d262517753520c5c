"""What each number of a report means, in one table that pages, REST, CSV and PDF show beside the number.

The definitions are those of the reference product (catalogue 9.2), except where it contradicts itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from channels.messages import Fault


class Meaning(NamedTuple):
    """`base` is the number its rate is a share of; `more` says where to find its messages."""

    label: Any
    definition: Any
    base: str = ""
    more: dict[str, str] = {}


MEANINGS: dict[str, Meaning] = {
    "targeted": Meaning(
        _("Targeted"),
        _(
            "Everybody in the audience when the run began, once for each channel tried for them, before"
            " anybody was left out."
        ),
    ),
    "excluded": Meaning(
        _("Excluded"),
        _("Left out before sending, each for one reason. Of those targeted."),
        "targeted",
        {"outcome": "excluded"},
    ),
    "sent": Meaning(
        _("Sent"),
        _("Messages that were tried to be handed over: accepted, failed or uncertain. Of those targeted."),
        "targeted",
        {"outcome": "sent"},
    ),
    "accepted": Meaning(
        _("Accepted"),
        _("Handed over to the provider, which took them. Of those targeted."),
        "targeted",
        {"outcome": "accepted"},
    ),
    "delivered": Meaning(
        _("Delivered"),
        _("Accepted, and not sent back since. Of those accepted."),
        "accepted",
        {"outcome": "delivered"},
    ),
    "bounced": Meaning(
        _("Bounced"),
        _("Sent back by the mailbox after the provider took them. Of those sent."),
        "sent",
        {"event": "bounce"},
    ),
    "failed": Meaning(
        _("Failed"),
        _("Refused by the provider, or never handed over. Of those sent."),
        "sent",
        {"outcome": "failed"},
    ),
    "cancelled": Meaning(
        _("Cancelled"), _("Not sent, because the campaign was stopped."), "targeted", {"outcome": "cancelled"}
    ),
    "expired": Meaning(
        _("Expired"), _("Not sent before their time ran out."), "targeted", {"outcome": "expired"}
    ),
    "uncertain": Meaning(
        _("Uncertain"),
        _("The line or the worker was lost while they were handed over: nobody knows."),
        "targeted",
        {"outcome": "uncertain"},
    ),
    "to_go": Meaning(_("Still to go"), _("Not settled yet."), "targeted", {"outcome": "to_go"}),
    "retried": Meaning(
        _("Tried again"), _("Messages that needed more than one try."), "sent", {"outcome": "retried"}
    ),
    "opened": Meaning(
        _("Opened"),
        _("Messages of which a person loaded the picture; each counts once. Of those delivered."),
        "delivered",
        {"event": "open", "who": "people"},
    ),
    "opened_by_any": Meaning(
        _("Opened by anybody"),
        _("The same with machines, such as Apple Mail Privacy Protection and scanners."),
        "delivered",
        {"event": "open"},
    ),
    "opened_estimated": Meaning(
        _("Opened, estimated"),
        _(
            "Opened by people, and of the messages that only machines opened as large a share as people"
            " opened of the others. Of those delivered."
        ),
        "delivered",
    ),
    "opens": Meaning(
        pgettext_lazy("number", "Opens"),
        _("How often people loaded the picture, again and again included."),
        more={"event": "open", "who": "people"},
    ),
    "clicked": Meaning(
        _("Clicked"),
        _("Messages of which a person followed a tracked link; each counts once. Of those delivered."),
        "delivered",
        {"event": "click", "who": "people"},
    ),
    "clicked_by_any": Meaning(
        _("Clicked by anybody"),
        _("The same with machines, such as security scanners that try every link."),
        "delivered",
        {"event": "click"},
    ),
    "clicks": Meaning(
        pgettext_lazy("number", "Clicks"),
        _("How often people followed a tracked link, again and again included."),
        more={"event": "click", "who": "people"},
    ),
    "clicked_of_opened": Meaning(
        _("Clicked of opened"),
        _("Messages clicked ÷ messages opened, both by people."),
        "opened",
        {"event": "click", "who": "people"},
    ),
    "unsubscribed": Meaning(
        _("Unsubscribed"),
        _("People who left by the message’s link or their mail program’s button. Of those delivered."),
        "delivered",
        {"event": "unsubscribe"},
    ),
    "complained": Meaning(
        _("Complained"),
        _("Messages marked as junk, as far as the mailbox provider tells. Of those delivered."),
        "delivered",
        {"event": "complaint"},
    ),
}
FUNNEL = ("targeted", "accepted", "delivered", "opened", "clicked")
BALANCE = ("accepted", "failed", "excluded", "cancelled", "expired", "uncertain", "to_go")
# Why messages came back, and what nobody told.
FAULTS: dict[str, Any] = {
    Fault.ADDRESS: _("Hard: the address is no more"),
    Fault.MAILBOX: _("Soft: the mailbox could not take it then"),
    Fault.OPTED_OUT: _("The person told the carrier to stop"),
    Fault.CONTENT: _("The message itself was refused"),
    Fault.SENDER: _("The sender was refused"),
    "": _("No reason was told"),
}
DEVICES = {
    "phone": pgettext_lazy("device", "Phone"),
    "tablet": _("Tablet"),
    "computer": _("Computer"),
    "proxy": _("Hidden by a mail provider’s proxy"),
    "other": _("Other or unknown"),
}
