"""How a gateway of one's own is signed in to: by a name and a secret, by what is signed with the secret, or
by a token that the secret is exchanged for (see `signing_in.py`). Beside that, or instead, by a certificate
of ours that TLS shows (see `client_certificate.py`).

Of a request it gets the body, or what stands behind the question mark; it promises headers and parts of the
address to send along.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy

from channels import client_certificate
from channels.http import Request
from channels.providers.base import Part
from channels.providers.over_http import CODE, AddressField, SecretField, as_json, basic_auth
from channels.providers.webhook import HeadersForm
from common.errors import Invalid
from common.wording import worded as _

AUTH = [
    ("none", gettext_lazy("None")),
    ("basic", gettext_lazy("User name and password (Basic)")),
    ("bearer", gettext_lazy("Token (Bearer)")),
    ("header", gettext_lazy("Key in a header")),
    ("query", gettext_lazy("Key in the address")),
    ("hmac", gettext_lazy("Signature of the payload in a header (HMAC)")),
    ("jwt", gettext_lazy("Token that we sign (JWT, HS256)")),
    ("oauth", gettext_lazy("Token that the gateway gives out (OAuth 2)")),
]
HASHES = [
    (f"{name}-{form}", f"{name.upper()}, {words}")
    for name in ("sha256", "sha512", "sha1")
    for form, words in (("hex", "hex"), ("base64", "base64"))
]
KEY = 32  # octets at least (RFC 7518, section 3.2)
LASTS = 300  # seconds that a token we signed is good for
FIELDS = ("auth_hash", "auth_claims", "auth_token_url", "auth_sent_as", "headers")
PART = Part(
    gettext_lazy("Signatures, tokens and headers"),
    FIELDS,
    gettext_lazy("For a sign-in by signature, JWT or OAuth 2, and for headers that the gateway wants."),
)
TLS_PART = Part(
    gettext_lazy("Client certificate (mutual TLS)"),
    ("mutual_tls", "client_certificate"),
    gettext_lazy("For a gateway that asks who connects, beside the sign-in above or instead of it."),
)


class ClientCertificateField(SecretField):
    """A certificate, those that vouch for it, and its private key, in PEM."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
        try:
            if text:
                client_certificate.read(text, timezone.now())
        except Invalid as error:
            raise ValidationError(error.problems[0].detail, code=error.code) from error
        return text


class ClaimsField(forms.CharField):
    """A JSON object of plain values, as text."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
        try:
            if text:
                claims_of(text)
        except (ValueError, RecursionError) as error:
            detail = _('Write a JSON object of texts and numbers, such as {"scope": "sms"}.')
            raise ValidationError(detail, code="bad_claims") from error
        return text


def claims_of(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    found = json.loads(text or "{}", parse_constant=_no_number)
    if not isinstance(found, dict) or not all(isinstance(one, str | int | float) for one in found.values()):
        raise ValueError("no object of plain values")
    return found


def _no_number(name: str) -> None:
    raise ValueError(name)


class GatewayAuthForm(HeadersForm):
    auth_hash = forms.ChoiceField(
        label=gettext_lazy("Signature"), choices=HASHES, initial="sha256-hex", required=False
    )
    auth_claims = ClaimsField(
        label=gettext_lazy("Further fields of the token"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, **CODE}),
        help_text=gettext_lazy("A JSON object: claims of a JWT, or what OAuth 2 is asked with. No secrets."),
    )
    auth_token_url = AddressField(label=gettext_lazy("Where OAuth 2 gives out tokens"), required=False)
    auth_sent_as = forms.ChoiceField(
        label=gettext_lazy("The token is asked for in"),
        choices=[("form", gettext_lazy("Form fields")), ("json", "JSON")],
        initial="form",
        required=False,
    )

    mutual_tls = forms.BooleanField(
        label=gettext_lazy("Show a client certificate"),
        required=False,
        help_text=gettext_lazy("To the address above, and where OAuth 2 gives out tokens. Both need https."),
    )
    client_certificate = ClientCertificateField(
        label=gettext_lazy("Certificate and private key"),
        max_length=40_000,
        widget=forms.Textarea(attrs={"rows": 6, **CODE}),
        help_text=gettext_lazy(
            "Both in PEM, one below the other, with the certificates that vouch for it. Stored sealed and "
            "never shown. Leave it empty to keep the stored one."
        ),
    )

    def check_certificate(self) -> None:
        given = self.cleaned_data
        if given.get("client_certificate") and not given.get("mutual_tls"):
            detail = _("Tick this as well, so that the certificate is shown.")
            self.add_error("mutual_tls", ValidationError(detail, code="not_shown"))
        if not given.get("mutual_tls"):
            return
        for name in ("url", "auth_token_url"):
            if str(given.get(name, "")).startswith("http:"):
                detail = _("A client certificate is shown over https only.")
                self.add_error(name, ValidationError(detail, code="https_needed"))

    def check_token(self) -> None:
        kind, secret = self.cleaned_data.get("auth"), self.cleaned_data.get("auth_secret", "")
        if kind == "jwt" and 0 < len(secret.encode("utf-8", "replace")) < KEY:
            detail = _("A JWT is signed with a key of at least %(n)s characters.") % {"n": KEY}
            self.add_error("auth_secret", ValidationError(detail, code="short_key"))
        if kind != "oauth":
            return
        for name in ("auth_name", "auth_token_url"):
            if not self.cleaned_data.get(name) and name not in self.errors:
                detail = _("OAuth 2 needs the client’s id and the address of the tokens.")
                self.add_error(name, ValidationError(detail, code="token_needed"))


@dataclass(frozen=True)
class SignIn:
    """`token` is what was given out, where one is."""

    kind: str
    name: str
    secret: str
    hash: str = "sha256-hex"
    claims: dict[str, Any] = field(default_factory=dict)
    token_url: str = ""
    sent_as: str = "form"

    def headers(self, sent: bytes, token: str) -> dict[str, str]:
        match self.kind:
            case "basic":
                return {"Authorization": basic_auth(self.name, self.secret)}
            case "bearer":
                return {"Authorization": f"Bearer {self.secret}"}
            case "header":
                return {self.name: self.secret}
            case "hmac":
                return {self.name: self._signature(sent)}
            case "jwt":
                now = int(time.time())
                claims = {"iat": now, "exp": now + LASTS, **self.claims}
                return {"Authorization": f"Bearer {jwt.encode(claims, self.secret, algorithm='HS256')}"}
            case "oauth":
                return {"Authorization": f"Bearer {token}"}
        return {}

    def query(self) -> dict[str, str]:
        return {self.name: self.secret} if self.kind == "query" else {}

    def question(self) -> Request:
        """For a token (RFC 6749, section 4.4)."""
        asked = {"grant_type": "client_credentials", "client_id": self.name, "client_secret": self.secret}
        asked |= self.claims
        headers = {"Accept": "application/json"}
        if self.sent_as == "json":
            headers["Content-Type"], body = "application/json", as_json(asked)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(asked, errors="replace").encode()
        return Request("POST", self.token_url, headers, body)

    def _signature(self, sent: bytes) -> str:
        name, form = self.hash.split("-")
        digest = hmac.new(self.secret.encode(), sent, name).digest()
        return digest.hex() if form == "hex" else base64.b64encode(digest).decode()
