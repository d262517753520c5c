"""Mail through Amazon SES, by its API v2: https://docs.aws.amazon.com/ses/latest/APIReference-V2/

Whole mails are handed over, one a call: its call for many (SendBulkEmail) fills one template with each
person's values, which leaves no whole mail of one's own. SES signs with DKIM and writes Date and Message-ID
itself, so nothing is signed here. Receipts come from a configuration set's events through a topic of SNS.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy

from channels import mime, sns
from channels.http import Answer, Request
from channels.messages import Arrival, Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers import mail_receipts
from channels.providers.base import Part, Reading, Step, secrets_of
from channels.providers.email_form import EmailForm
from channels.providers.over_http import (
    AddressField,
    ClosedLane,
    HttpLane,
    Meaning,
    NotWritable,
    SecretField,
    as_json,
    asked,
    at,
    meant,
    opened,
    parsed,
    text_at,
)
from common.errors import Invalid, Problem
from common.wording import worded as _

TAG = "carillon"  # by which events name the message; a tag's value holds no dots
LATER: Meaning = (Fact.LATER, None)
OURS: Meaning = (Fact.MISCONFIGURED, None)
CODES: dict[str, Meaning] = {
    # https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
    "AccountSuspendedException": OURS,
    "LimitExceededException": LATER,
    "MailFromDomainNotVerifiedException": OURS,
    "NotFoundException": OURS,  # no such configuration set
    "SendingPausedException": OURS,
    "TooManyRequestsException": LATER,
    # https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
    "AccessDeniedException": OURS,
    "ExpiredTokenException": OURS,
    "IncompleteSignature": OURS,
    "InternalFailure": LATER,
    "InvalidClientTokenId": OURS,
    "InvalidSignatureException": OURS,
    "MissingAuthenticationToken": OURS,
    "NotAuthorized": OURS,
    "OptInRequired": OURS,
    "RequestExpired": OURS,  # our clock is wrong
    "ServiceUnavailable": LATER,
    "SignatureDoesNotMatch": OURS,
    "ThrottlingException": LATER,
    "UnrecognizedClientException": OURS,
}
NOT_VERIFIED = re.compile(r"not verified", re.IGNORECASE)
BAD_RECIPIENT = re.compile(r"(Illegal address|Domain contains|Local address contains|Missing final)", re.I)


class AmazonSesForm(EmailForm):
    secret_fields = ("secret_access_key",)
    secret_goes_to = ("api_url",)
    parts = (
        Part(
            gettext_lazy("Receipts"),
            ("configuration_set", "topic_arn"),
            gettext_lazy("Bounces and complaints come from a configuration set’s events, through SNS."),
        ),
        Part(gettext_lazy("Address of the service"), ("api_url",)),
    )
    last = ()

    access_key_id = forms.RegexField(label=gettext_lazy("Access key ID"), regex=r"^[A-Za-z0-9]{16,128}$")
    secret_access_key = SecretField(label=gettext_lazy("Secret access key"))
    region = forms.RegexField(
        label=gettext_lazy("Region"),
        regex=r"^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$",
        help_text=gettext_lazy("Such as ap-northeast-1."),
    )
    configuration_set = forms.RegexField(
        label=gettext_lazy("Configuration set"),
        regex=r"^[A-Za-z0-9_-]{1,64}$",
        required=False,
        help_text=gettext_lazy("Its events tell of deliveries, bounces and complaints."),
    )
    topic_arn = forms.CharField(
        label=gettext_lazy("Topic (ARN)"),
        max_length=400,
        required=False,
        help_text=gettext_lazy("The SNS topic of the events; without it receipts are refused."),
    )
    api_url = AddressField(
        label=gettext_lazy("API address"),
        required=False,
        help_text=gettext_lazy("Empty: the region’s own."),
    )

    def clean_topic_arn(self) -> str:
        text = str(self.cleaned_data["topic_arn"])
        if text and not sns.TOPIC.fullmatch(text):
            detail = _("Give a name such as arn:aws:sns:ap-northeast-1:123456789012:mail.")
            raise ValidationError(detail, code="bad_topic")
        return text


class AmazonSes:
    key = "amazon_ses"
    channels = ("email",)
    label = "Amazon SES"
    about = gettext_lazy("Mail through Amazon SES.")
    Form = AmazonSesForm
    takes_mime = True

    def open(self, configuration: ChannelConfiguration) -> SesLane | ClosedLane:
        return opened(SesLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in at %(service)s") % {"service": self.label}
            return [await asked(name, lane, lane.signed("GET", "account"), lane.read_account)]
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        topic = str(configuration.settings.get("topic_arn") or "")
        proof = sns.proven(arrival, topic)
        told = sns.notification(arrival)
        if told["Type"] != "Notification":
            return Reading(proof, confirm=sns.confirmation(told, topic))
        try:
            event = json.loads(told["Message"])
        except (ValueError, RecursionError) as error:
            if "successfully validated" in told["Message"].lower():  # said once, when a topic is connected
                return Reading(proof)
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        found = mail_receipts.amazon_ses(event, told["MessageId"])
        return Reading(proof, () if found is None else (found,))

    @property
    def receipts_note(self) -> str:
        return _(
            "At Amazon: create an SNS topic and a subscription (HTTPS) to this address, which is confirmed "
            "by itself; then add the topic to the configuration set as an event destination. Tick: Hard "
            "bounces, Complaints, Deliveries, Delivery delays, Rejects. Opens and clicks are counted here "
            "already."
        )


class SesLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen = configuration.settings
        secret = secrets_of(configuration)["secret_access_key"].strip()
        if not secret:
            raise ValueError("no secret")
        self.hidden = (secret,)
        self.region = str(chosen["region"])
        # botocore is heavy: only a worker that sends through SES loads it.
        from botocore.auth import SigV4Auth
        from botocore.credentials import Credentials

        self.signer = SigV4Auth(Credentials(str(chosen["access_key_id"]), secret), "ses", self.region)
        ending = ".cn" if self.region.startswith("cn-") else ""
        regional = f"https://email.{self.region}.amazonaws.com{ending}"
        self.base = str(chosen.get("api_url") or regional).rstrip("/")
        self.configuration_set = str(chosen.get("configuration_set") or "")

    def write(self, message: Rendered) -> Request:
        return self.signed("POST", "outbound-emails", as_json(self._body(message)))

    def _body(self, message: Rendered) -> dict[str, Any]:
        to: dict[str, list[str]] = {"ToAddresses": [_address(message.recipient, Fault.ADDRESS)]}
        if message.bcc not in ("", message.recipient):
            to["BccAddresses"] = [_address(message.bcc, Fault.CONTENT)]
        body: dict[str, Any] = {"Destination": to, "Content": {"Raw": {"Data": _octets(message)}}}
        if mail_receipts.KEY.fullmatch(message.key):
            body["EmailTags"] = [{"Name": TAG, "Value": message.key.replace(".", "-")}]
        if self.configuration_set:
            body["ConfigurationSetName"] = self.configuration_set
        return body

    def signed(self, method: str, path: str, body: bytes = b"") -> Request:
        url = f"{self.base}/v2/email/{path}"
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
        self.signer.add_auth(request)
        return Request(method, url, dict(request.headers.items()), body)

    def read(self, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            number = text_at(parsed(answer), "MessageId") if answer.is_whole else ""
            if answer.status != 200 or not number:
                return self.unreadable(answer)
            return Outcome(Fact.ACCEPTED, "200", "", provider_id=number)
        code, words = _code(answer), self.words(answer)
        if code in ("MessageRejected", "BadRequestException"):
            fact, fault = _rejected(words)
            return Outcome(fact, code, words, fault=fault)
        outcome = self.by_status(answer)
        return meant(CODES, code, words, outcome) if code else outcome

    def read_account(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status != 200:
            return self.read(answer)
        if not isinstance(at(body, "SendingEnabled"), bool):
            return self.unreadable(answer)
        if not at(body, "SendingEnabled"):
            return Outcome(Fact.MISCONFIGURED, "", _("Amazon has stopped this account from sending."))
        # They are told as 200.0; -1 is without a limit.
        sent, most = (
            text_at(body, "SendQuota", name).removesuffix(".0")
            for name in ("SentLast24Hours", "Max24HourSend")
        )
        quota = {"region": self.region, "sent": sent, "most": "∞" if most == "-1" else most}
        words = [_("Signed in: %(region)s, %(sent)s of %(most)s mails sent in 24 hours.") % quota]
        if at(body, "ProductionAccessEnabled") is False:
            words.append(_("The account is in Amazon’s sandbox: it may write to confirmed addresses only."))
        return Outcome(Fact.ACCEPTED, "", " ".join(words))


def _code(answer: Answer) -> str:
    """`x-amzn-errortype` is `MessageRejected:http://…` or the bare name; a gateway says it in the body."""
    told = answer.headers.get("x-amzn-errortype", "") or text_at(parsed(answer), "__type")
    return told.partition(":")[0].rpartition("#")[2].strip()


def _rejected(words: str) -> tuple[Fact, Fault | None]:
    """One code stands for a sender nobody confirmed, an address that is none, and content they refuse."""
    if NOT_VERIFIED.search(words):
        return OURS
    return Fact.REFUSED, Fault.ADDRESS if BAD_RECIPIENT.search(words) else None


def _address(text: str, fault: Fault) -> str:
    try:
        return mime.checked_address(text)
    except ValueError as error:
        raise NotWritable(str(error), fault) from error


def _octets(message: Rendered) -> str:
    if not (message.bodies or message.text.strip() or message.html.strip()):
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    try:
        octets = mime.build(message, now=timezone.now())
    except ValueError as error:
        raise NotWritable(str(error), Fault.CONTENT) from error
    return base64.b64encode(octets).decode()
