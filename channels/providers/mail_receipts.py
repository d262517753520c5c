"""What mail services tell of a mail later, read one event at a time.

Each function takes one event, with the field names of the service's documentation, and returns a Receipt, or
None for what says nothing about a person's mail. The message is named by our own key, which travels with the
mail as data that the service gives back, and by the service's number of it.

Their words for a failure are not taken at face value: what a receiving server said about us (policy, block
list, signature, content) is no fault of the address, also where the service calls it a hard bounce.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

from channels.bounce_rules import ADMIN, HARD, KINDS, SOFT, Kind, kind_of
from channels.messages import Fault, Happened, Receipt
from channels.providers.over_http import at, moment, text_at
from common.text import whole_number

KEY = re.compile(r"[0-9]{1,9}[.][0-9]{1,4}[.][0-9]{1,15}")
ABOUT_US = {50, 51, 52, 54}  # blocked, listed, taken for spam, relaying denied
GIVES_NO_REASON = {1, 40}
DELIVERED, FAILED, DELAYED = Happened.DELIVERED, Happened.FAILED, Happened.DELAYED
OPENED, CLICKED = Happened.OPENED, Happened.CLICKED
UNSUBSCRIBED, COMPLAINED, SENT = Happened.UNSUBSCRIBED, Happened.COMPLAINED, Happened.SENT


def blamed(code: str, words: str, *, is_hard: bool) -> Fault | None:
    """Whose fault a bounce is: the address's only where the service calls it hard and nothing speaks
    against that; for now the mailbox's where the server's words say so.
    """
    return _fault(kind_of(code, words), is_hard=is_hard)


def _fault(kind: Kind, *, is_hard: bool) -> Fault | None:
    if kind.number in ABOUT_US or kind.weight == ADMIN:
        return Fault.SENDER
    if kind.weight == SOFT:
        return Fault.MAILBOX
    is_gone = is_hard and (kind.weight == HARD or kind.number in GIVES_NO_REASON)
    return Fault.ADDRESS if is_gone else None


# ---- SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event ---------
SENDGRID: Mapping[str, Happened] = {
    "delivered": DELIVERED, "deferred": DELAYED, "bounce": FAILED, "dropped": FAILED, "open": OPENED,
    "click": CLICKED, "spamreport": COMPLAINED, "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}  # fmt: skip
SENDGRID_DROPPED = {
    "bounced address": Fault.ADDRESS, "invalid": Fault.ADDRESS, "unsubscribed address": Fault.OPTED_OUT,
    "spam reporting address": Fault.OPTED_OUT, "spam content": Fault.CONTENT,
}  # fmt: skip


def sendgrid(one: Any) -> Receipt | None:
    happened, words = SENDGRID.get(text_at(one, "event")), text_at(one, "reason")
    code, fault = text_at(one, "status"), None
    if text_at(one, "event") == "dropped":
        fault = SENDGRID_DROPPED.get(words.lower())
    elif happened is FAILED:
        fault = blamed(code, words, is_hard=text_at(one, "type") in ("", "bounce"))
    number = text_at(one, "anymail_id") or text_at(one, "sg_message_id").partition(".")[0]
    return _receipt(
        happened, text_at(one, "sg_event_id"), number, text_at(one, "carillon"), code,
        words or text_at(one, "response"), fault, _seconds(at(one, "timestamp")),
    )  # fmt: skip


# ---- Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks ---------
MAILGUN: Mapping[str, Happened] = {
    "delivered": DELIVERED, "failed": FAILED, "rejected": FAILED, "opened": OPENED, "clicked": CLICKED,
    "unsubscribed": UNSUBSCRIBED, "complained": COMPLAINED,
}  # fmt: skip
MAILGUN_KEPT_BACK = {
    "suppress-bounce": Fault.ADDRESS, "suppress-unsubscribe": Fault.OPTED_OUT,
    "suppress-complaint": Fault.OPTED_OUT,
}  # fmt: skip


def mailgun(one: Any) -> Receipt | None:
    event, status = text_at(one, "event"), at(one, "delivery-status")
    happened, fault = MAILGUN.get(event), None
    code = f"{text_at(status, 'code')} {text_at(status, 'enhanced-code')}".strip()
    words = text_at(status, "message") or text_at(status, "description") or text_at(one, "reject", "reason")
    if event == "rejected":
        fault = Fault.SENDER
    elif event == "failed" and text_at(one, "severity") == "temporary":
        happened = DELAYED
    elif event == "failed":
        reason = text_at(one, "reason")
        fault = MAILGUN_KEPT_BACK.get(reason) or blamed(code, words, is_hard=reason == "bounce")
    number = text_at(one, "message", "headers", "message-id").strip("<>")
    return _receipt(
        happened, text_at(one, "token"), number and f"<{number}>",
        text_at(one, "user-variables", "carillon"), code, words, fault, _seconds(at(one, "timestamp")),
    )  # fmt: skip


# ---- Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview ----------------------
POSTMARK: Mapping[str, Happened] = {"Delivery": DELIVERED, "Open": OPENED, "Click": CLICKED,
                                    "SpamComplaint": COMPLAINED}  # fmt: skip
# https://postmarkapp.com/developer/api/bounce-api#bounce-types. A “SpamNotification” is a server's word, or
# a filter's, that the mail is spam; the person's own complaint is “SpamComplaint”.
POSTMARK_BOUNCES: Mapping[str, tuple[Happened, Fault | None]] = {
    "HardBounce": (FAILED, Fault.ADDRESS),
    "BadEmailAddress": (FAILED, Fault.ADDRESS),
    "SoftBounce": (FAILED, Fault.MAILBOX),
    "Undeliverable": (FAILED, None),
    "Unknown": (FAILED, None),
    "ManuallyDeactivated": (FAILED, None),
    "SpamNotification": (FAILED, Fault.SENDER),
    "Blocked": (FAILED, Fault.SENDER),
    "DMARCPolicy": (FAILED, Fault.SENDER),
    "Unconfirmed": (FAILED, Fault.SENDER),
    "VirusNotification": (FAILED, Fault.CONTENT),
    "SMTPApiError": (FAILED, Fault.CONTENT),
    "TemplateRenderingFailed": (FAILED, Fault.CONTENT),
    "Transient": (DELAYED, None),
    "DnsError": (DELAYED, None),
    "Unsubscribe": (UNSUBSCRIBED, None),
    "SpamComplaint": (COMPLAINED, None),
}


def postmark(one: Any) -> Receipt | None:
    record, kind, fault = text_at(one, "RecordType"), text_at(one, "Type"), None
    happened, words = POSTMARK.get(record), text_at(one, "Details") or text_at(one, "Description")
    if record == "Bounce":
        happened, fault = POSTMARK_BOUNCES.get(kind, (None, None))
        if fault in (Fault.ADDRESS, Fault.MAILBOX) and words:
            fault = blamed("", words, is_hard=kind != "SoftBounce")
    elif record == "SubscriptionChange" and at(one, "SuppressSending") is True:
        happened, fault, kind = *_postmark_stopped(one), text_at(one, "SuppressionReason")
    number, key = text_at(one, "MessageID"), text_at(one, "Metadata", "carillon")
    when = next(
        (found for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
         if (found := text_at(one, name))), ""
    )  # fmt: skip
    event_id = f"{number}:{record}:{kind}:{text_at(one, 'ID') or when}:{text_at(one, 'OriginalLink')}"
    return _receipt(happened, event_id, number, key, kind, words, fault, moment(when))


def _postmark_stopped(one: Any) -> tuple[Happened | None, Fault | None]:
    """What the person did themselves; what we took off the list by hand says nothing of them."""
    reason = text_at(one, "SuppressionReason")
    if reason == "ManualSuppression":
        return (UNSUBSCRIBED if text_at(one, "Origin") == "Recipient" else None), None
    return {"HardBounce": (FAILED, Fault.ADDRESS), "SpamComplaint": (COMPLAINED, None)}.get(
        reason, (None, None)
    )


# ---- Brevo: https://developers.brevo.com/docs/transactional-webhooks -----------------------------
BREVO: Mapping[str, Happened] = {
    "delivered": DELIVERED, "deferred": DELAYED, "hard_bounce": FAILED, "soft_bounce": FAILED,
    "blocked": FAILED, "invalid_email": FAILED, "error": FAILED, "spam": COMPLAINED, "complaint": COMPLAINED,
    "unique_opened": OPENED, "opened": OPENED, "unique_proxy_open": OPENED, "proxy_open": OPENED,
    "click": CLICKED, "unsubscribed": UNSUBSCRIBED, "unsubscribe": UNSUBSCRIBED,
}  # fmt: skip


def brevo(one: Any) -> Receipt | None:
    event, words, number = text_at(one, "event"), text_at(one, "reason"), text_at(one, "message-id")
    happened, fault = BREVO.get(event), None
    if event == "invalid_email":
        fault = Fault.ADDRESS
    elif event in ("hard_bounce", "soft_bounce"):
        fault = blamed("", words, is_hard=event == "hard_bounce")
    milliseconds = at(one, "ts_epoch")
    event_id = f"{number}:{event}:{milliseconds}:{text_at(one, 'link')}"
    when = _seconds(milliseconds / 1000) if isinstance(milliseconds, int | float) else None
    key = _in_json(at(one, "X-Mailin-custom"))
    return _receipt(happened, event_id, number, key, event, words, fault, when)


# ---- Mailjet: https://dev.mailjet.com/email/guides/webhooks/ -------------------------------------
MAILJET: Mapping[str, Happened] = {
    "sent": DELIVERED, "open": OPENED, "click": CLICKED, "bounce": FAILED, "blocked": FAILED,
    "spam": COMPLAINED, "unsub": UNSUBSCRIBED,
}  # fmt: skip
MAILJET_ERRORS: Mapping[str, Fault] = {
    "user unknown": Fault.ADDRESS, "mailbox inactive": Fault.ADDRESS, "invalid domain": Fault.ADDRESS,
    "no mail host": Fault.ADDRESS, "typofix": Fault.ADDRESS, "quota exceeded": Fault.MAILBOX,
    "spam reporter": Fault.OPTED_OUT,
    "relay/access denied": Fault.SENDER, "sender blocked": Fault.SENDER, "content blocked": Fault.CONTENT,
    "policy issue": Fault.SENDER, "preblocked": Fault.SENDER,
}  # fmt: skip


def mailjet(one: Any) -> Receipt | None:
    event, error = text_at(one, "event"), text_at(one, "error")
    happened, fault = MAILJET.get(event), None
    is_hard = at(one, "hard_bounce") is True or event == "blocked"
    if error == "greylisted" and not is_hard:
        happened = DELAYED
    elif happened is FAILED:
        fault = MAILJET_ERRORS.get(error)
        fault = Fault.MAILBOX if fault is Fault.ADDRESS and not is_hard else fault
    number, when = text_at(one, "MessageID"), at(one, "time")
    event_id = f"{number}:{event}:{when}:{error}:{text_at(one, 'url')}"
    words = text_at(one, "comment") or text_at(one, "smtp_reply")
    return _receipt(
        happened, event_id, number, _in_json(at(one, "Payload")), error, words, fault, _seconds(when)
    )


# ---- MailerSend: https://developers.mailersend.com/api/v1/webhooks.html --------------------------
MAILERSEND: Mapping[str, Happened] = {
    "sent": SENT, "delivered": DELIVERED, "deferred": DELAYED, "soft_bounced": FAILED,
    "hard_bounced": FAILED, "opened": OPENED, "clicked": CLICKED, "unsubscribed": UNSUBSCRIBED,
    "spam_complaint": COMPLAINED,
}  # fmt: skip


def mailersend(one: Any) -> Receipt | None:
    told = at(one, "data")
    event, mail, more = text_at(told, "type"), at(told, "email"), at(told, "morph")
    happened, words = MAILERSEND.get(event), text_at(more, "reason") or text_at(more, "readable_reason")
    fault = blamed("", words, is_hard=event == "hard_bounced") if happened is FAILED else None
    tags = at(mail, "tags")
    key = next((tag for tag in tags if _is_key(tag)), "") if isinstance(tags, list) else ""
    when = moment(at(told, "created_at"))
    return _receipt(
        happened, text_at(told, "id"), text_at(mail, "message", "id"), key, event, words, fault, when
    )


# ---- Mandrill: https://mailchimp.com/developer/transactional/docs/webhooks/ ----------------------
MANDRILL: Mapping[str, Happened] = {
    "send": SENT, "delivered": DELIVERED, "deferral": DELAYED, "hard_bounce": FAILED, "soft_bounce": FAILED,
    "reject": FAILED, "open": OPENED, "click": CLICKED, "spam": COMPLAINED, "unsub": UNSUBSCRIBED,
}  # fmt: skip


def mandrill(one: Any) -> Receipt | None:
    event, mail, number = text_at(one, "event"), at(one, "msg"), text_at(one, "_id")
    happened, words, fault = MANDRILL.get(event), text_at(mail, "diag"), None
    if event in ("hard_bounce", "soft_bounce"):
        fault = blamed("", words, is_hard=event == "hard_bounce")
    event_id = f"{number}:{event}:{text_at(one, 'ts')}:{text_at(one, 'url')}"
    code = text_at(mail, "bounce_description") or event
    return _receipt(
        happened, event_id, number, text_at(mail, "metadata", "carillon"), code, words, fault,
        _seconds(at(one, "ts")),
    )  # fmt: skip


# ---- Resend: https://resend.com/docs/dashboard/webhooks/event-types ------------------------------
RESEND: Mapping[str, Happened] = {
    "email.sent": SENT, "email.delivered": DELIVERED, "email.delivery_delayed": DELAYED,
    "email.bounced": FAILED, "email.failed": FAILED, "email.suppressed": FAILED, "email.opened": OPENED,
    "email.clicked": CLICKED, "email.complained": COMPLAINED,
}  # fmt: skip


def resend(one: Any) -> Receipt | None:
    """What stands on Resend's own list stays unjudged: it does not say how it came there."""
    event, told = text_at(one, "type"), at(one, "data")
    bounce, fault = at(told, "bounce"), None
    code, words = text_at(bounce, "subType"), text_at(bounce, "message")
    if event == "email.bounced" and "suppress" not in code.lower():
        fault = blamed("", words, is_hard=text_at(bounce, "type") == "Permanent")
    elif event == "email.failed":
        fault, words = Fault.SENDER, text_at(told, "failed", "reason")
    key = _in_headers(at(told, "headers"))
    return _receipt(
        RESEND.get(event), text_at(one, "id"), text_at(told, "email_id"), key, code, words, fault,
        moment(at(one, "created_at")),
    )  # fmt: skip


# ---- SparkPost: https://developers.sparkpost.com/api/webhooks/ -----------------------------------
SPARKPOST: Mapping[str, Happened] = {
    "delivery": DELIVERED, "delay": DELAYED, "bounce": FAILED, "out_of_band": FAILED,
    "policy_rejection": FAILED, "generation_failure": FAILED, "generation_rejection": FAILED, "open": OPENED,
    "amp_open": OPENED, "click": CLICKED, "amp_click": CLICKED, "spam_complaint": COMPLAINED,
    "list_unsubscribe": UNSUBSCRIBED, "link_unsubscribe": UNSUBSCRIBED,
}  # fmt: skip


def sparkpost(one: Any) -> Receipt | None:
    """Its classes of bounces are the ones of our own rules, which were learned there."""
    event, kind = text_at(one, "type"), text_at(one, "bounce_class")
    happened, fault = SPARKPOST.get(event), None
    words = text_at(one, "raw_reason") or text_at(one, "reason")
    if event in ("bounce", "out_of_band"):
        number = whole_number(kind)
        found = None if number is None else KINDS.get(number)
        fault = _fault(found, is_hard=found.weight == HARD) if found else None
        if kind in ("60", "80", "100"):  # somebody's machine answered
            return None
        if kind == "90":
            happened = UNSUBSCRIBED
    elif event == "generation_failure":
        fault = Fault.CONTENT
    return _receipt(
        happened, text_at(one, "event_id"), text_at(one, "transmission_id"),
        text_at(one, "rcpt_meta", "carillon"), text_at(one, "error_code") or kind, words, fault,
        _seconds(at(one, "timestamp")),
    )  # fmt: skip


# ---- Unisender Go: https://godocs.unisender.ru/web-api-ref#callback-format -----------------------
UNISENDER: Mapping[str, Happened] = {
    "sent": SENT, "delivered": DELIVERED, "soft_bounced": DELAYED, "hard_bounced": FAILED, "opened": OPENED,
    "clicked": CLICKED, "unsubscribed": UNSUBSCRIBED, "spam": COMPLAINED,
}  # fmt: skip
UNISENDER_ERRORS: Mapping[str, Fault] = {
    "err_user_unknown": Fault.ADDRESS, "err_user_inactive": Fault.ADDRESS,
    "err_domain_inactive": Fault.ADDRESS, "err_mailbox_full": Fault.MAILBOX,
    "err_unsubscribed": Fault.OPTED_OUT,
    "err_spam_rejected": Fault.SENDER, "err_spam_skipped": Fault.SENDER, "err_blacklisted": Fault.SENDER,
}  # fmt: skip


def unisender_go(one: Any) -> Receipt | None:
    event, code = text_at(one, "status"), text_at(one, "delivery_info", "delivery_status")
    happened, words = UNISENDER.get(event), text_at(one, "delivery_info", "destination_response")
    fault = UNISENDER_ERRORS.get(code) if happened is FAILED else None
    if fault is Fault.ADDRESS:
        fault = blamed("", words, is_hard=True)
    number = text_at(one, "metadata", "anymail_id") or text_at(one, "job_id")
    when = text_at(one, "event_time")
    event_id = f"{number}:{text_at(one, 'email')}:{event}:{code}:{when}:{text_at(one, 'url')}"
    key = text_at(one, "metadata", "carillon")
    return _receipt(happened, event_id, number, key, code, words, fault, moment(when))


# ---- Scaleway: https://www.scaleway.com/en/docs/transactional-email/reference-content/webhook-events-payloads/
SCALEWAY: Mapping[str, Happened] = {
    "email_delivered": DELIVERED, "email_deferred": DELAYED, "email_dropped": FAILED,
    "email_mailbox_not_found": FAILED, "email_spam": FAILED, "email_blocklisted": FAILED,
}  # fmt: skip


def scaleway(one: Any) -> Receipt | None:
    """“email_spam” is a server's word, or Scaleway's own; a person's complaint it does not pass on."""
    event, code = text_at(one, "type"), text_at(one, "email_response_code")
    happened, words, fault = SCALEWAY.get(event), text_at(one, "email_response_message"), None
    if event in ("email_dropped", "email_mailbox_not_found"):
        fault = blamed(code, words, is_hard=True)
    elif event == "email_spam":
        fault = Fault.SENDER
    return _receipt(
        happened, text_at(one, "id"), text_at(one, "email_id"), _in_headers(at(one, "email_headers")),
        code or event, words, fault, moment(at(one, "created_at")),
    )  # fmt: skip


# ---- Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
AMAZON_SES: Mapping[str, tuple[str, Happened]] = {
    "Send": ("send", SENT), "Delivery": ("delivery", DELIVERED), "DeliveryDelay": ("deliveryDelay", DELAYED),
    "Bounce": ("bounce", FAILED), "Complaint": ("complaint", COMPLAINED), "Reject": ("reject", FAILED),
    "Rendering Failure": ("failure", FAILED), "Open": ("open", OPENED), "Click": ("click", CLICKED),
    "Subscription": ("subscription", UNSUBSCRIBED),
}  # fmt: skip
# Its own list of the account does not say how an address came there: that stays unjudged.
AMAZON_SES_BOUNCES: Mapping[str, Fault | None] = {
    "Suppressed": Fault.ADDRESS, "OnAccountSuppressionList": None, "UnsubscribedRecipient": Fault.OPTED_OUT,
    "MailboxFull": Fault.MAILBOX, "MessageTooLarge": Fault.CONTENT, "ContentRejected": Fault.CONTENT,
    "AttachmentRejected": Fault.CONTENT,
}  # fmt: skip


def amazon_ses(one: Any, event_id: str) -> Receipt | None:
    """An event, numbered by its notification. What befell a blind copy is nothing of the person's."""
    name, happened = AMAZON_SES.get(text_at(one, "eventType") or text_at(one, "notificationType"), ("", None))
    told, mail, fault = at(one, name), at(one, "mail"), None
    if not _amazon_is_theirs(told, mail):
        return None
    code = text_at(told, "bounceSubType") or text_at(told, "delayType") or name
    words = text_at(told, "reason") or text_at(told, "smtpResponse") or text_at(told, "errorMessage")
    if name == "bounce":
        code, words, fault = _amazon_bounce(told)
    elif name in ("reject", "failure"):
        fault = Fault.CONTENT
    elif name == "complaint" and text_at(told, "complaintFeedbackType") == "not-spam":
        return None
    elif name == "complaint" and text_at(told, "complaintSubType") == "OnAccountSuppressionList":
        happened, fault = FAILED, Fault.OPTED_OUT  # it was not sent: there was a complaint before
    key = text_at(mail, "tags", "carillon", 0).replace("-", ".")
    when = moment(text_at(told, "timestamp") or text_at(mail, "timestamp"))
    return _receipt(happened, event_id, text_at(mail, "messageId"), key, code, words, fault, when)


def _amazon_bounce(told: Any) -> tuple[str, str, Fault | None]:
    """Code, words and whose fault it is, where a server's words weigh more than Amazon's word for them."""
    kind, first = text_at(told, "bounceSubType"), at(told, "bouncedRecipients", 0)
    words = text_at(first, "diagnosticCode")
    if kind in AMAZON_SES_BOUNCES:
        return kind, words, AMAZON_SES_BOUNCES[kind]
    fault = blamed(text_at(first, "status"), words, is_hard=text_at(told, "bounceType") == "Permanent")
    return text_at(first, "status") or kind, words, fault


def _amazon_is_theirs(told: Any, mail: Any) -> bool:
    lists = (at(told, "bouncedRecipients"), at(told, "complainedRecipients"), at(told, "delayedRecipients"))
    named = [text_at(one, "emailAddress") for found in lists if isinstance(found, list) for one in found]
    delivered, to = at(told, "recipients"), at(mail, "commonHeaders", "to")
    named += [one for one in delivered if isinstance(one, str)] if isinstance(delivered, list) else []
    if not named or not isinstance(to, list):
        return True
    addresses = {parseaddr(one)[1].lower() for one in to if isinstance(one, str)}
    return any(parseaddr(one)[1].lower() in addresses for one in named)


# ---- parts --------------------------------------------------------------------------------------
def _receipt(
    happened: Happened | None,
    event_id: str,
    number: str,
    key: str,
    code: str,
    words: str,
    fault: Fault | None,
    when: datetime | None,
) -> Receipt | None:
    """None for what is no news, and for what names no mail."""
    key = key if _is_key(key) else ""
    if happened is None or not (number or key):
        return None
    event_id = event_id or hashlib.sha256(f"{number}:{key}:{happened}:{when}".encode()).hexdigest()
    return Receipt(event_id, happened, number, key, code[:40], words[:500], fault, when)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and KEY.fullmatch(value) is not None


def _in_json(value: Any) -> str:
    """Our key in data that comes back as a text of JSON."""
    try:
        return text_at(json.loads(value), "carillon")
    except (TypeError, ValueError, RecursionError):
        return ""


def _in_headers(lines: Any) -> str:
    """Our key in the headers of the mail, where a service gives those back."""
    named = lines if isinstance(lines, list) else []
    found = [at(one, "value") for one in named if text_at(one, "name").lower() == "x-metadata"]
    return _in_json(found[0]) if found else ""


def _seconds(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
