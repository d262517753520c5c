"""Sends to phones and tablets through Firebase Cloud Messaging (HTTP v1).

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages; errors:
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. Sign-in with a service account's key:
https://developers.google.com/identity/protocols/oauth2/service-account. FCM knows no key against second
copies; our own stands in the notification's tag, so that a second one takes the place of the first.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels.http import Answer, Request
from channels.kinds import PLATFORMS
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import (
    CODE,
    AddressField,
    ClosedLane,
    Meaning,
    NotWritable,
    as_json,
    at,
    in_words,
    meant,
    opened,
    parsed,
    text_at,
)
from channels.providers.signing_in import SigningInLane
from common.wording import worded as _

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MAX_PAYLOAD = 4000  # of 4,096 bytes
REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
CODES: dict[str, Meaning] = {
    "UNREGISTERED": (REFUSED, Fault.ADDRESS),  # the app is gone from that device
    "SENDER_ID_MISMATCH": (REFUSED, Fault.SENDER),  # the token was given out for another project
    "INVALID_ARGUMENT": (REFUSED, Fault.CONTENT),
    "QUOTA_EXCEEDED": (LATER, None),
    "UNAVAILABLE": (LATER, None),
    "INTERNAL": (LATER, None),
    "THIRD_PARTY_AUTH_ERROR": (MISCONFIGURED, None),  # the project's own APNs key or web push key
    "PERMISSION_DENIED": (MISCONFIGURED, None),
    "UNAUTHENTICATED": (MISCONFIGURED, None),
    "NOT_FOUND": (MISCONFIGURED, None),  # no such project
}
NOBODY = "fcm-rehearsal-that-is-nobodys-token"


class FcmForm(ProviderForm):
    secret_fields = ("service_account",)
    secret_goes_to = ("project_id", "api_url", "token_url")

    service_account = forms.CharField(
        label=gettext_lazy("Service account’s key"),
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 6, **CODE}),
        help_text=gettext_lazy(
            "The whole JSON file from Firebase → Project settings → Service accounts. Stored sealed and "
            "never shown. Leave it empty to keep the stored one."
        ),
    )
    project_id = forms.RegexField(
        label=gettext_lazy("Project ID"),
        regex=r"^[a-z][a-z0-9-]{4,29}$",
        error_messages={"invalid": gettext_lazy("Write it like fernhill-shop-1a2b3.")},
    )
    api_url = AddressField(label=gettext_lazy("API address"), initial="https://fcm.googleapis.com")
    token_url = AddressField(
        label=gettext_lazy("Sign-in address"), initial="https://oauth2.googleapis.com/token"
    )

    def clean_service_account(self) -> str:
        text: str = self.cleaned_data["service_account"].strip()
        if text:
            try:
                account_of(text)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                detail = _("This is not a service account’s key: JSON with client_email and private_key.")
                raise ValidationError(detail, code="bad_key") from error
        return text


def account_of(text: str) -> tuple[str, str, str]:
    """Address, key and the key's id. Raises ValueError, KeyError, TypeError or AttributeError."""
    body = json.loads(text)
    email, key = body["client_email"], body["private_key"]
    if not isinstance(email, str) or "@" not in email:
        raise ValueError("no address")
    if not isinstance(load_pem_private_key(key.encode(), password=None), rsa.RSAPrivateKey):
        raise TypeError("no RSA key")
    return email, key, str(body.get("private_key_id") or "")


class Fcm:
    key = "fcm"
    channels = ("push",)
    label = gettext_lazy("Firebase Cloud Messaging")
    about = gettext_lazy("Notifications to Android and iOS apps through a Firebase project.")
    Form = FcmForm

    def open(self, configuration: ChannelConfiguration) -> FcmLane | ClosedLane:
        return opened(FcmLane, configuration, unset=(jwt.PyJWTError,))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """Signs in, and has a message to nobody checked (`validate_only`), which shows that we may send."""
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in as %(account)s") % {"account": lane.email}
            if (trouble := await lane.sign_in(is_anew=True)) is not None:
                return [Step(name, False, in_words(trouble))]
            outcome = await lane.exchange(lane.rehearsal(), lane.read_rehearsal)
            lane.forget(outcome)
            is_ok = outcome.fact is Fact.ACCEPTED
            said = outcome.detail if is_ok else in_words(outcome)
            question = _("Ask whether a message of project %(project)s would be taken")
            return [
                Step(name, True, _("Signed in.")),
                Step(question % {"project": lane.project}, is_ok, said),
            ]
        finally:
            await lane.close()


class FcmLane(SigningInLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or another error when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.email, self.private_key, self.key_id = account_of(secrets["service_account"])
        self.project, self.token_url = str(chosen["project_id"]), str(chosen["token_url"])
        self.url = f"{str(chosen['api_url']).rstrip('/')}/v1/projects/{self.project}/messages:send"
        self.hidden = (self.private_key, self.private_key.replace("\n", "\\n"), self.key_id)
        self.identity = f"{self.token_url} {self.email} {self.private_key}"

    def question(self) -> Request:
        now = int(time.time())
        claims = {"iss": self.email, "scope": SCOPE, "aud": self.token_url, "iat": now, "exp": now + 3600}
        headers = {"kid": self.key_id} if self.key_id else None
        signed = jwt.encode(claims, self.private_key, algorithm="RS256", headers=headers)
        form = urlencode({"grant_type": GRANT, "assertion": signed})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return Request("POST", self.token_url, headers, form.encode())

    def write(self, message: Rendered) -> Request:
        return Request("POST", self.url, self.headers, as_json({"message": written(message)}))

    def read(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if 200 <= answer.status < 300:
            name = text_at(body, "name")
            return Outcome(Fact.ACCEPTED, "200", provider_id=name) if name else self.unreadable(answer)
        code, detail = problem_of(body)
        outcome = meant(CODES, code, detail, self.by_status(answer, detail))
        if code == "INVALID_ARGUMENT" and "registration token" in detail.lower():
            return Outcome(outcome.fact, code, detail, fault=Fault.ADDRESS)
        return outcome

    # ---- rehearsing -----------------------------------------------------------------------------
    def rehearsal(self) -> Request:
        body = {"validate_only": True, "message": {"token": NOBODY, "notification": {"title": "Carillon"}}}
        return Request("POST", self.url, self.headers, as_json(body))

    def read_rehearsal(self, answer: Answer) -> Outcome:
        """To be told that nobody has such a token is as good as a yes: we were let in and understood."""
        outcome = self.read(answer)
        is_let_in = outcome.fact is Fact.ACCEPTED or outcome.fault in (Fault.ADDRESS, Fault.CONTENT)
        if answer.status in (200, 400, 404) and is_let_in:
            return Outcome(Fact.ACCEPTED, "", _("It would be taken, if there were such a device."))
        return outcome


def problem_of(body: Any) -> tuple[str, str]:
    """FCM's own code where there is one, else Google's general one."""
    details = at(body, "error", "details")
    own = [text_at(one, "errorCode") for one in details] if isinstance(details, list) else []
    code = next(filter(None, own), "") or text_at(body, "error", "status")
    return code, text_at(body, "error", "message")


def written(message: Rendered) -> dict[str, Any]:
    """FCM's Message. Raises NotWritable."""
    platform, _colon, token = message.recipient.partition(":")
    if platform not in PLATFORMS or not PLATFORMS[platform].fullmatch(token):
        raise NotWritable(_("The recipient is not a device’s token."), Fault.ADDRESS)
    if platform != "fcm":
        raise NotWritable(_("This configuration carries tokens that begin with fcm: only."), Fault.SENDER)
    extra = message.extra
    data = {str(name): str(value) for name, value in (extra.get("data") or {}).items()}
    if message.url:
        data["url"] = message.url
    if extra.get("buttons"):
        data["buttons"] = json.dumps(extra["buttons"], ensure_ascii=False)
    body: dict[str, Any] = {"token": token, "data": {**data, "carillon_key": message.key}}
    if not extra.get("background"):
        body |= _shown(message)
    if len(as_json(body)) > MAX_PAYLOAD:
        raise NotWritable(_("The notification is longer than 4 kB."), Fault.CONTENT)
    return body


def _shown(message: Rendered) -> dict[str, Any]:
    title, text, image = message.subject.strip(), message.text.strip(), message.image
    if not title and not text:
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    texts = {name: value for name, value in (("title", title), ("body", text), ("image", image)) if value}
    aps: dict[str, Any] = {} if message.extra.get("silent") else {"sound": "default"}
    if image:
        aps["mutable-content"] = 1
    tag = message.key[:64]
    return {
        "notification": texts,
        "android": {"priority": "HIGH", "notification": {"tag": tag}},
        "apns": {"headers": {"apns-collapse-id": tag}, "payload": {"aps": aps}},
    }
