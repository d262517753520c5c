"""What tells one mail service from another: its anymail back end, its settings, and how it says no.

A service whose call for many mails tells each recipient's fate has a Batch. The others are asked mail by
mail over kept connections: Mailgun, SparkPost and Unisender Go fill one text with each person's values,
which leaves no whole mail of one's own; SendGrid, MailerSend and SparkPost do not say who was turned down.
"""

from __future__ import annotations

import re
from typing import Any

from anymail.backends import (
    brevo,
    mailersend,
    mailgun,
    mailjet,
    mandrill,
    postmark,
    resend,
    scaleway,
    sendgrid,
    sparkpost,
    unisender_go,
)

from channels.messages import Fact, Fault, Outcome
from channels.providers import anymail_forms as forms
from channels.providers.anymail_service import Batch, Search, Service
from channels.providers.over_http import Meaning, at, text_at

LATER: Meaning = (Fact.LATER, None)
OURS: Meaning = (Fact.MISCONFIGURED, None)
NOBODY: Meaning = (Fact.REFUSED, Fault.ADDRESS)
STOPPED: Meaning = (Fact.REFUSED, Fault.OPTED_OUT)
REFUSED: Meaning = (Fact.REFUSED, None)


# ---- many mails in one call ---------------------------------------------------------------------
def _postmark_each(answer: Any) -> list[tuple[int, Any]]:
    """An answer for each, of which ErrorCode 0 is a success."""
    return [(200 if at(one, "ErrorCode") == 0 else 422, one) for one in answer]


def _mailjet_join(bodies: list[Any]) -> Any:
    return {"Messages": [{**body["Globals"], **body["Messages"][0]} for body in bodies]}


def _mailjet_each(answer: Any) -> list[tuple[int, Any]]:
    return [
        (200 if one.get("Status") == "success" else 400, {"Messages": [one]}) for one in answer["Messages"]
    ]


def _resend_each(answer: Any) -> list[tuple[int, Any]]:
    return [(200, one) for one in answer["data"]]


def _brevo_join(bodies: list[Any]) -> Any:
    """The first one’s sender and words stand for all, and each version has its own in their stead."""
    own = ("to", "bcc", "replyTo", "subject", "htmlContent", "textContent", "headers")
    versions = [{name: body[name] for name in own if name in body} for body in bodies]
    base = {name: bodies[0][name] for name in ("sender", "subject", "htmlContent", "textContent")
            if name in bodies[0]}  # fmt: skip
    return {**base, "messageVersions": versions}


def _brevo_each(answer: Any) -> list[tuple[int, Any]]:
    return [(201, {"messageId": one}) for one in answer["messageIds"]]


# ---- what became of a mail ----------------------------------------------------------------------
def _postmark_found(answer: Any, key: str) -> Outcome | None:
    """Whatever its status, it was taken (https://postmarkapp.com/developer/api/messages-api)."""
    for one in answer["Messages"]:
        if text_at(one, "Metadata", "carillon") == key:
            return Outcome(Fact.ACCEPTED, "", text_at(one, "Status"), text_at(one, "MessageID"))
    return None


def _mailgun_found(answer: Any, key: str) -> Outcome | None:
    """By its events: only one that was rejected was not taken (https://documentation.mailgun.com, Events)."""
    mine = [one for one in answer["items"] if text_at(one, "user-variables", "carillon") == key]
    if not mine:
        return None
    number = text_at(mine[0], "message", "headers", "message-id")
    rejected = [one for one in mine if one.get("event") == "rejected"]
    if len(rejected) == len(mine):
        return Outcome(Fact.REFUSED, "", text_at(rejected[0], "reject", "reason"))
    return Outcome(Fact.ACCEPTED, "", text_at(mine[0], "event"), f"<{number}>" if number else "")


def _mailjet_found(answer: Any, key: str) -> Outcome | None:
    """By the CustomID we gave it (https://dev.mailjet.com/email/reference/messages/). What has a number was
    taken, whatever became of it.
    """
    for one in answer["Data"]:
        if one.get("CustomID") == key:
            return Outcome(Fact.ACCEPTED, "", text_at(one, "Status"), str(one["ID"]))
    return None


# ---- what else a mail needs ---------------------------------------------------------------------
def _mailersend_dress(mail: Any, key: str) -> None:
    """It keeps no data of ours, but tags; free headers are for its largest customers, leaving is not."""
    mail.tags = [key]
    way = mail.extra_headers.pop("List-Unsubscribe", "")
    mail.extra_headers.pop("List-Unsubscribe-Post", None)
    mail.extra_headers.pop("X-Carillon-Message", None)
    if found := re.search(r"<https?://[^>]+>", way):
        mail.esp_extra = {"list_unsubscribe": found.group()}


def _mailjet_dress(mail: Any, key: str) -> None:
    mail.metadata = {"carillon": key}  # comes back with events
    mail.esp_extra = {"Globals": {"CustomID": key}}  # by which it can be asked later


def _mandrill_dress(mail: Any, key: str) -> None:
    mail.metadata = {"carillon": key}
    mail.esp_extra = {"message": {"merge": False}}


def _sparkpost_dress(mail: Any, key: str) -> None:
    """It takes what stands in double braces for its own template language."""
    mail.metadata = {"carillon": key}
    mail.subject, mail.body = _no_braces(mail.subject), _no_braces(mail.body)
    mail.alternatives = [(_no_braces(content), kind) for content, kind in mail.alternatives]


def _no_braces(text: str) -> str:
    names = {"{{": "{{opening_double_curly()}}", "}}": "{{closing_double_curly()}}"}
    return re.sub(r"\{\{|\}\}", lambda found: names[found.group()], text)


def _unisender_dress(mail: Any, key: str) -> None:
    mail.metadata = {"carillon": key}
    mail.esp_extra = {"template_engine": "none", "skip_unsubscribe": 1}


SERVICES = (
    Service(
        key="sendgrid",
        label="SendGrid",
        backend=sendgrid.EmailBackend,
        form=forms.SendGridForm,
        accepts=202,
        question="scopes",
        sign_in="Authorization: Bearer {secret}",
        shows="scopes.0",
        nobody=re.compile(r'"personalizations\.\d+\.to\.\d+\.email"'),
    ),
    Service(
        key="mailgun",
        label="Mailgun",
        backend=mailgun.EmailBackend,
        form=forms.MailgunForm,
        accepts=200,
        question="../v4/domains/{sender_domain}",
        sign_in="Authorization: Basic {basic}",
        shows="domain.name",
        nobody=re.compile(r"'to' parameter is not a valid address|to parameter is not a valid"),
        options=("sender_domain",),
        search=Search("{sender_domain}/events", {"recipient": "{recipient}", "limit": "25"}, _mailgun_found),
    ),
    Service(
        key="postmark",
        label="Postmark",
        backend=postmark.EmailBackend,
        form=forms.PostmarkForm,
        accepts=200,
        question="server",
        sign_in="X-Postmark-Server-Token: {secret}",
        shows="Name",
        nobody=re.compile(r"(Invalid|Error parsing) 'To'"),
        code="ErrorCode",
        secret="server_token",  # noqa: S106
        options=("message_stream",),
        codes={  # https://postmarkapp.com/developer/api/overview#error-codes
            "100": LATER,  # maintenance
            "400": OURS,  # the sender is not known
            "401": OURS,  # the sender is not confirmed
            "405": OURS,  # out of credits
            "412": OURS,  # the account is not approved yet
            "413": OURS,  # the account may not send
            "1235": OURS,  # no such message stream
        },
        batch=Batch("email/batch", 500, 200, list, _postmark_each),
        search=Search(
            "messages/outbound",
            {
                "count": "25",
                "offset": "0",
                "recipient": "{recipient}",
                "metadata_carillon": "{key}",
                "messagestream": "{message_stream}",
            },
            _postmark_found,
        ),
    ),
    Service(
        key="brevo",
        label="Brevo",
        backend=brevo.EmailBackend,
        form=forms.BrevoForm,
        accepts=201,
        question="account",
        sign_in="api-key: {secret}",
        shows="email",
        nobody=re.compile(r"email is not valid in to|valid email address in to"),
        code="code",
        batch=Batch("smtp/email", 500, 201, _brevo_join, _brevo_each),
    ),
    Service(
        key="mailjet",
        label="Mailjet",
        backend=mailjet.EmailBackend,
        form=forms.MailjetForm,
        accepts=200,
        question="../v3/REST/user",
        sign_in="Authorization: Basic {basic}",
        shows="Data.0.Email",
        nobody=re.compile(r'"ErrorRelatedTo":\s*\[\s*"To'),
        secret="secret_key",  # noqa: S106
        user="api_key",
        options=("api_key",),
        code="Messages.0.Errors.0.ErrorCode",
        codes={  # https://dev.mailjet.com/email/guides/send-api-v31/#error-codes
            "send-0008": OURS,  # the sender is not confirmed
            "mj-0002": OURS,  # the account may not send
        },
        dress=_mailjet_dress,
        batch=Batch("send", 50, 200, _mailjet_join, _mailjet_each),
        search=Search("../v3/REST/message", {"CustomID": "{key}", "ShowCustomID": "true"}, _mailjet_found),
    ),
    Service(
        key="mailersend",
        label="MailerSend",
        backend=mailersend.EmailBackend,
        form=forms.MailerSendForm,
        accepts=202,
        question="domains",
        sign_in="Authorization: Bearer {secret}",
        shows="data.0.name",
        nobody=re.compile(r'"to\.\d+\.email"'),
        secret="api_token",  # noqa: S106
        reason=r'"reasons?":\s*\[\s*"(\w+)"',
        reasons={"hard_bounced": NOBODY, "unsubscribed": STOPPED, "spam_complaint": STOPPED,
                 "blocklisted": REFUSED},
        dress=_mailersend_dress,
    ),
    Service(
        key="mandrill",
        label="Mandrill",
        backend=mandrill.EmailBackend,
        form=forms.MandrillForm,
        accepts=200,
        question="users/info.json",
        sign_in="Accept: application/json",
        asks=lambda secret: {"key": secret},
        shows="username",
        nobody=re.compile(r"(?!)"),
        code="name",
        codes={  # https://mailchimp.com/developer/transactional/docs/error-handling/ ; often with status 500
            "Invalid_Key": OURS,
            "PaymentRequired": OURS,
            "Unknown_Subaccount": OURS,
            "ValidationError": REFUSED,
            "GeneralError": LATER,
        },
        reason=r'"reject_reason":\s*"([\w-]+)"',
        reasons={"hard-bounce": NOBODY, "invalid": NOBODY, "unsub": STOPPED, "spam": STOPPED,
                 "invalid-sender": OURS, "unsigned": OURS, "test-mode-limit": OURS, "soft-bounce": REFUSED,
                 "custom": REFUSED, "rule": REFUSED},
        dress=_mandrill_dress,
    ),
    Service(
        key="resend",
        label="Resend",
        backend=resend.EmailBackend,
        form=forms.ResendForm,
        accepts=200,
        question="domains",
        sign_in="Authorization: Bearer {secret}",
        shows="data.0.name",
        nobody=re.compile(r"Invalid `to` field"),
        code="name",
        codes={  # https://resend.com/docs/api-reference/errors
            "missing_api_key": OURS,
            "restricted_api_key": OURS,
            "invalid_api_key": OURS,
            "invalid_from_address": OURS,
            "daily_quota_exceeded": LATER,
            "monthly_quota_exceeded": OURS,
            "rate_limit_exceeded": LATER,
        },
        proven="restricted_api_key",  # it may send and nothing else
        batch=Batch("emails/batch", 100, 200, list, _resend_each),
    ),
    Service(
        key="sparkpost",
        label="SparkPost",
        backend=sparkpost.EmailBackend,
        form=forms.SparkPostForm,
        accepts=200,
        question="account",
        sign_in="Authorization: {secret}",
        shows="results.company_name",
        nobody=re.compile(r'"rcpt_to_errors"|address\.email|recipient address'),
        code="errors.0.code",
        codes={  # https://developers.sparkpost.com/api/#header-transmissions
            "7001": OURS,  # the sending domain is not confirmed
            "1902": STOPPED,  # on their suppression list
        },
        later=frozenset({420}),  # the limit of the hour or day
        dress=_sparkpost_dress,
    ),
    Service(
        key="unisender_go",
        label="Unisender Go",
        backend=unisender_go.EmailBackend,
        form=forms.UnisenderGoForm,
        accepts=200,
        question="system/info.json",
        sign_in="X-API-KEY: {secret}",
        asks=lambda secret: {},
        shows="email",
        nobody=re.compile(r'"code":\s*204\b'),
        code="code",
        codes={"114": OURS, "102": OURS},
        reason=r'"failed_emails":\s*\{\s*"[^"]*":\s*"(\w+)"',
        reasons={"invalid": NOBODY, "permanent_unavailable": NOBODY, "unsubscribed": STOPPED,
                 "temporary_unavailable": REFUSED},
        dress=_unisender_dress,
    ),
    Service(
        key="scaleway",
        label="Scaleway",
        backend=scaleway.EmailBackend,
        form=forms.ScalewayForm,
        accepts=200,
        question="domains?project_id={project_id}",
        sign_in="X-Auth-Token: {secret}",
        shows="domains.0.name",
        nobody=re.compile(r'"argument_name":\s*"to'),
        secret="secret_key",  # noqa: S106
        options=("project_id",),
    ),
)  # fmt: skip
