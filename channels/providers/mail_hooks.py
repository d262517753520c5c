"""How each mail service reports: what proves a request to be its own, and where events stand in it.

What an event means is read in `mail_receipts.py`. A service without signatures signs in with a password of
ours; Scaleway, whose topics know neither, says a word in the address.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import signatures
from channels.messages import Arrival, Receipt
from channels.models import ChannelConfiguration
from channels.providers import mail_receipts
from channels.providers.base import Reading, secrets_of
from channels.providers.over_http import at, text_at
from channels.signatures import NotGenuine, Proof
from common.errors import Invalid, Problem

USER = "carillon"
PASSWORD_NOTE = gettext_lazy(
    "It signs in with the user name carillon and the password for receipts; where there is no room for them, "
    "write them into the address: https://carillon:PASSWORD@…"
)
TOKEN_NOTE = gettext_lazy(
    "Write ?token= and the password for receipts behind the address. The subscription is confirmed by itself."
)
SIGNED_NOTE = gettext_lazy("Enter its signing secret here afterwards; until then receipts are refused.")
KEY_NOTE = gettext_lazy("It signs with the API key.")
TEST_KEY = "test-webhook"  # Mandrill's, of the empty request that tries an address out


@dataclass(frozen=True)
class Hook:
    """`events` takes a request's body apart; `where` and `ticks` are the words of the service's own pages.
    `greets`: it asks with an empty GET or HEAD whether the address exists.
    """

    prove: Callable[[ChannelConfiguration, Arrival], Proof]
    events: Callable[[Any, Arrival], Any]
    read: Callable[[Any], Receipt | None]
    where: str
    ticks: str
    note: object
    greets: bool = False
    confirms: Callable[[Any], str] = lambda body: ""  # the address by which a subscription is confirmed

    def reading(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        """Raises NotGenuine, Invalid `bad_receipt` and SealBroken."""
        proof = self.prove(configuration, arrival)
        try:
            body = _body(arrival)
            found = self.events(body, arrival)
        except (ValueError, RecursionError) as error:
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        events = found if isinstance(found, list) else [found]
        receipts = tuple(receipt for one in events if (receipt := self.read(one)) is not None)
        return Reading(proof, receipts, confirm=self.confirms(body))


# ---- what proves it -----------------------------------------------------------------------------
def _secret(configuration: ChannelConfiguration) -> str:
    return secrets_of(configuration).get("webhook_secret", "")


def _by_password(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.basic(arrival, username=USER, password=_secret(configuration))


def _by_token(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.shared_token(arrival, _secret(configuration), query="token")


def _by_sendgrid(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.sendgrid(arrival, str(configuration.settings.get("verification_key") or ""))


def _by_mailgun(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.mailgun(arrival, _secret(configuration))


def _by_mailersend(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.body_hmac(arrival, _secret(configuration), header="signature")


def _by_mandrill(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    """An empty request is believed by the key that everybody knows: it says nothing."""
    try:
        return signatures.mandrill(arrival, _secret(configuration))
    except NotGenuine:
        if _mandrill_events(None, arrival) != []:
            raise
        return signatures.mandrill(arrival, TEST_KEY)


def _by_resend(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.standard_webhooks(arrival, _secret(configuration), prefix="svix")


def _by_unisender(configuration: ChannelConfiguration, arrival: Arrival) -> Proof:
    return signatures.unisender_go(arrival, secrets_of(configuration).get("api_key", ""))


# ---- where events stand -------------------------------------------------------------------------
def _body(arrival: Arrival) -> Any:
    """None for a form, whose fields are read by whoever knows them. Raises ValueError and RecursionError."""
    kind = arrival.headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if kind == "application/x-www-form-urlencoded" else json.loads(arrival.body)


def _as_it_is(body: Any, arrival: Arrival) -> Any:
    return body


def _mailgun_events(body: Any, arrival: Arrival) -> Any:
    told = at(body, "event-data")
    return {**told, "token": text_at(body, "signature", "token")} if isinstance(told, dict) else []


def _mandrill_events(body: Any, arrival: Arrival) -> Any:
    try:
        fields = dict(parse_qsl(arrival.body.decode("utf-8", "replace"), keep_blank_values=True))
        return json.loads(fields.get("mandrill_events", ""))
    except (ValueError, RecursionError):
        return None


def _resend_events(body: Any, arrival: Arrival) -> Any:
    """What happened is numbered in a header; only that number is the same when it is sent again."""
    return {**body, "id": arrival.headers.get("svix-id", "")} if isinstance(body, dict) else []


def _sparkpost_events(body: Any, arrival: Arrival) -> Any:
    wrapped = [at(one, "msys") for one in body] if isinstance(body, list) else []
    return [event for one in wrapped if isinstance(one, dict) for event in one.values()]


def _unisender_events(body: Any, arrival: Arrival) -> Any:
    if at(body, "event_name") == "transactional_email_status":
        return body
    users = at(body, "events_by_user")
    lists = [at(user, "events") for user in users] if isinstance(users, list) else []
    told = [one for events in lists if isinstance(events, list) for one in events]
    return [at(one, "event_data") for one in told if at(one, "event_name") == "transactional_email_status"]


def _scaleway_events(body: Any, arrival: Arrival) -> Any:
    """A topic's message, which holds the event as a text of JSON."""
    return json.loads(_message_of(body)) if at(body, "Type") == "Notification" else []


def _message_of(body: Any) -> str:
    message = at(body, "Message")
    return message if isinstance(message, str) else "null"


def _scaleway_confirms(body: Any) -> str:
    """Of Scaleway's own, and no other: whoever knows our word must not send us anywhere."""
    address = at(body, "SubscribeURL") if at(body, "Type") == "SubscriptionConfirmation" else None
    if not isinstance(address, str):
        return ""
    try:
        parts = urlsplit(address)
        is_theirs = (parts.hostname or "").endswith(".scaleway.com") and parts.port in (None, 443)
    except ValueError:
        return ""
    return address if parts.scheme == "https" and is_theirs and "@" not in parts.netloc else ""


HOOKS = {
    "sendgrid": Hook(
        _by_sendgrid, _as_it_is, mail_receipts.sendgrid, "Settings → Mail Settings → Event Webhooks",
        "Delivered, Deferred, Bounced, Dropped, Spam Reports, Unsubscribed, Group Unsubscribes; "
        "Signed Event Webhook",
        gettext_lazy("Enter its verification key here afterwards; until then receipts are refused."),
    ),
    "mailgun": Hook(
        _by_mailgun, _mailgun_events, mail_receipts.mailgun, "Send → Sending → Webhooks",
        "Delivered, Permanent Failure, Temporary Failure, Spam Complaints, Unsubscribes",
        SIGNED_NOTE,
    ),
    "postmark": Hook(
        _by_password, _as_it_is, mail_receipts.postmark, "Server → Message Stream → Webhooks",
        "Delivery, Bounce, Spam complaint, Subscription change", PASSWORD_NOTE,
    ),
    "brevo": Hook(
        _by_password, _as_it_is, mail_receipts.brevo, "Transactional → Settings → Webhook",
        "Delivered, Deferred, Soft bounced, Hard bounced, Blocked, Invalid email, Error, Complaint, "
        "Unsubscribed", PASSWORD_NOTE,
    ),
    "mailjet": Hook(
        _by_password, _as_it_is, mail_receipts.mailjet, "Account settings → Event notifications (webhooks)",
        "Sent, Bounce, Blocked, Spam, Unsub; Group events", PASSWORD_NOTE,
    ),
    "mailersend": Hook(
        _by_mailersend, _as_it_is, mail_receipts.mailersend, "Domains → Manage → Webhooks",
        "delivered, deferred, soft bounced, hard bounced, unsubscribed, spam complaint", SIGNED_NOTE,
    ),
    "mandrill": Hook(
        _by_mandrill, _mandrill_events, mail_receipts.mandrill, "Settings → Webhooks",
        "Message Is Delivered, Delayed, Bounced, Soft-Bounced, Marked As Spam, Rejected, Recipient "
        "Unsubscribes", SIGNED_NOTE, greets=True,
    ),
    "resend": Hook(
        _by_resend, _resend_events, mail_receipts.resend, "Webhooks",
        "email.delivered, email.delivery_delayed, email.bounced, email.failed, email.suppressed, "
        "email.complained", SIGNED_NOTE,
    ),
    "sparkpost": Hook(
        _by_password, _sparkpost_events, mail_receipts.sparkpost, "Configuration → Webhooks",
        "Delivery, Delay, Bounce, Out of Band, Policy Rejection, Generation Failure, Generation Rejection, "
        "Spam Complaint, List Unsubscribe, Link Unsubscribe", PASSWORD_NOTE,
    ),
    "unisender_go": Hook(
        _by_unisender, _unisender_events, mail_receipts.unisender_go, "Webhooks",
        "delivered, soft_bounced, hard_bounced, unsubscribed, spam", KEY_NOTE, greets=True,
    ),
    "scaleway": Hook(
        _by_token, _scaleway_events, mail_receipts.scaleway,
        "Topics and Events → Topic → Subscription (HTTPS); Transactional Email → Domain → Webhooks",
        "email_delivered, email_deferred, email_dropped, email_mailbox_not_found, email_spam, "
        "email_blocklisted", TOKEN_NOTE, confirms=_scaleway_confirms,
    ),
}  # fmt: skip
