"""Servers that speak as Amazon SES (API v2) and SNS do, with the names and codes of their documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fakes.http import FakeHttp, Received, Response

TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:mail"
PEM = "SimpleNotificationService-" + "0123456789abcdef" * 2 + ".pem"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip


class FakeSes(FakeHttp):
    """It checks the signature of each request; wrong@ is no address, busy@ has to wait."""

    access_key, secret, region = "AKIDEXAMPLE000000001", "ses-secret-0000000000000000001", "ap-northeast-1"

    def answer(self, request: Received) -> Response:
        if not self._is_signed(request):
            return fault(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if (request.method, request.path) == ("GET", "/v2/email/account"):
            quota = {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 3.0}
            enabled = {"SendingEnabled": True, "ProductionAccessEnabled": True}
            return Response(200, {**enabled, "EnforcementStatus": "HEALTHY", "SendQuota": quota})
        if (request.method, request.path) != ("POST", "/v2/email/outbound-emails"):
            return fault(404, "UnknownOperationException", "")
        recipient = request.json["Destination"]["ToAddresses"][0]
        if recipient.startswith("wrong@"):
            return fault(400, "BadRequestException", "Domain contains illegal character")
        if recipient.startswith("busy@"):
            return fault(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
        return Response(200, {"MessageId": f"0106018f-{len(self.requests):08x}-000000"})

    def _is_signed(self, request: Received) -> bool:
        """Signature Version 4, calculated anew from its description."""
        given = request.headers.get("authorization", "")
        scheme, _space, rest = given.partition(" ")
        parts = dict(one.strip().partition("=")[::2] for one in rest.split(","))
        names = parts.get("SignedHeaders", "").split(";")
        if scheme != "AWS4-HMAC-SHA256" or not {"host", "x-amz-date"} <= set(names):
            return False
        stamp = request.headers["x-amz-date"]
        scope = f"{stamp[:8]}/{self.region}/ses/aws4_request"
        headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
        digest = hashlib.sha256(request.body).hexdigest()
        canonical = f"{request.method}\n{request.path}\n\n{headers}\n{';'.join(names)}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        is_ours = parts.get("Credential") == f"{self.access_key}/{scope}"
        return is_ours and hmac.compare_digest(expected, parts.get("Signature", ""))


def fault(status: int, code: str, words: str) -> Response:
    return Response(status, {"message": words}, {"x-amzn-ErrorType": code})


def mail_of(request: Received) -> EmailMessage:
    octets = base64.b64decode(request.json["Content"]["Raw"]["Data"])
    found = message_from_bytes(octets, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


class FakeSns(FakeHttp):
    """It gives its certificate out, signs what it sends, and is called to confirm."""

    def __init__(self, ends: timedelta = timedelta(days=9), **more: Any) -> None:
        super().__init__(**more)
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=900))
            .not_valid_after(now + ends)
            .sign(self.key, hashes.SHA256())
        )

    def answer(self, request: Received) -> Response:
        if request.path == f"/{PEM}":
            return Response(200, self.certificate.public_bytes(Encoding.PEM))
        return Response(200 if request.query.get("Action") == "ConfirmSubscription" else 404)

    def notification(self, event: Any, at: datetime, number: str = "n-1", **changes: str) -> bytes:
        message = event if isinstance(event, str) else json.dumps(event)
        return self.signed(at, Type="Notification", MessageId=number, Message=message, **changes)

    def signed(self, at: datetime, *, version: str = "2", **fields: str) -> bytes:
        stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        told = {"Timestamp": stamp, "TopicArn": TOPIC, **fields}
        lines = [f"{name}\n{told[name]}\n" for name in SIGNED[told["Type"]] if name in told]
        digest = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self.key.sign("".join(lines).encode(), padding.PKCS1v15(), digest)
        proof = {
            "Signature": base64.b64encode(signature).decode(), "SignatureVersion": version,
            "SigningCertURL": f"{self.url}/{PEM}",
        }  # fmt: skip
        return json.dumps({**proof, **told}).encode()
