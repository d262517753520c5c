"""Servers that speak as LINE, WhatsApp, Firebase and a browser's push service do.

Each checks the sign-in, answers by the last digits of the recipient (…01 does not exist, …02 opted out, …03
has to wait, …04 may not be sent to from here) and can misbehave as every FakeHttp can.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.http import FakeHttp, Received, Response


class FakeLine(FakeHttp):
    channel_id, channel_secret, token = (
        "1657000001",
        "line-channel-secret-000001",
        "line-stateless-token-0001",
    )
    quota: dict[str, Any] = {"type": "limited", "value": 1000}
    is_spent = False

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.keys: dict[str, str] = {}
        self.accepted: list[str] = []

    def aside(self, request: Received) -> Response | None:
        if request.path != "/oauth2/v3/token" or request.method != "POST":
            return None
        form = request.form
        if (form["client_id"], form["client_secret"]) != (self.channel_id, self.channel_secret):
            return Response(400, {"error": "invalid_client", "error_description": "invalid client_secret"})
        return Response(200, {"token_type": "Bearer", "access_token": self.token, "expires_in": 900})

    def answer(self, request: Received) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self.problem(401, "Authentication failed. Confirm that the access token is valid.")
        if request.method == "GET":
            return self.tell(request.path)
        key, body = request.headers["x-line-retry-key"], request.json
        assert uuid.UUID(key)
        assert 1 <= len(body["messages"]) <= 5
        if key in self.keys:
            sent = {"sentMessages": [{"id": self.keys[key]}]}
            taken = {"x-line-accepted-request-id": f"request-{key}"}
            return Response(409, {"message": "The retry key is already accepted", **sent}, taken)
        users = body["to"] if request.path.endswith("/multicast") else [body["to"]]
        return self.refusal(users) or self.take(key, users, request)

    def refusal(self, users: list[str]) -> Response | None:
        endings = {user[-2:] for user in users}
        if self.is_spent:
            return self.problem(429, "You have reached your monthly limit.")
        if "01" in endings:
            return self.problem(
                400, "The property, 'to', in the request body is invalid (line: -, column: -)"
            )
        if "02" in endings:
            return self.problem(400, "Failed to send messages")
        if "03" in endings:
            return self.problem(429, "The API rate limit has been exceeded. Try again later.")
        if "04" in endings:
            return self.problem(403, "Access to this API is not available for your account")
        return None

    def take(self, key: str, users: list[str], request: Received) -> Response:
        self.keys[key] = f"46120{len(self.keys):013d}"
        self.accepted += users
        headers = {"x-line-request-id": f"request-{key}"}
        if request.path.endswith("/multicast"):
            return Response(200, {}, headers)
        return Response(200, {"sentMessages": [{"id": self.keys[key], "quoteToken": "q"}]}, headers)

    def tell(self, path: str) -> Response:
        answers = {
            "/v2/bot/info": {"userId": "U" + "f" * 32, "basicId": "@216ru", "displayName": "蕨丘"},
            "/v2/bot/message/quota": self.quota,
            "/v2/bot/message/quota/consumption": {"totalUsage": 500},
        }
        return Response(200, answers[path]) if path in answers else self.problem(404, "Not found")

    def problem(self, status: int, message: str) -> Response:
        return Response(status, {"message": message})


class FakeWhatsApp(FakeHttp):
    number_id, token, app_secret = "106540352242922", "EAAG-whatsapp-token-0001", "whatsapp-app-secret-0001"

    def answer(self, request: Received) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self.problem(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if request.path == f"/v21.0/{self.number_id}" and request.method == "GET":
            return Response(200, {
                "display_phone_number": "+1 631-555-5555", "verified_name": "Fernhill", "id": self.number_id,
                "quality_rating": "GREEN", "throughput": {"level": "STANDARD"},
            })  # fmt: skip
        if request.path != f"/v21.0/{self.number_id}/messages":
            return self.problem(404, 100, "Unsupported post request")
        body = request.json
        assert (body["messaging_product"], body["type"]) in (("whatsapp", "template"), ("whatsapp", "text"))
        if body["type"] == "template" and body["template"]["name"] != "early_bird":
            return self.problem(404, 132001, "Template name does not exist in the translation")
        match body["to"][-2:]:
            case "01":
                return self.problem(400, 131021, "Recipient cannot be sender")
            case "02":
                return self.problem(400, 131050, "User has stopped receipt of marketing messages")
            case "03":
                return self.problem(429, 130429, "Rate limit hit")
            case "04":
                return self.problem(403, 130497, "Business account is restricted from this country")
        wamid = f"wamid.{len(self.requests):040d}"
        contacts = [{"input": body["to"], "wa_id": body["to"]}]
        sent = [{"id": wamid, "message_status": "accepted"}]
        return Response(200, {"messaging_product": "whatsapp", "contacts": contacts, "messages": sent})

    def problem(self, status: int, code: int, details: str) -> Response:
        error = {"message": f"(#{code}) {details}", "type": "OAuthException", "code": code, "fbtrace_id": "A"}
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
        return Response(status, {"error": error})


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class FakeFcm(FakeHttp):
    project, email, token = "fernhill-shop-1a2b3", "push@fernhill.iam.example.com", "ya29.fcm-token-00000001"
    account = json.dumps({
        "type": "service_account", "project_id": project, "private_key_id": "key-id-0000000001",
        "client_email": email,
        "private_key": RSA.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    })  # fmt: skip

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.accepted: list[dict[str, Any]] = []
        self.signins = 0

    def aside(self, request: Received) -> Response | None:
        if request.path != "/token":
            return None
        self.signins += 1
        form = dict(parse_qsl(request.body.decode()))
        try:
            claims = jwt.decode(
                form["assertion"], RSA.public_key(), algorithms=["RS256"], audience=f"{self.url}/token",
                issuer=self.email,
            )  # fmt: skip
        except jwt.PyJWTError as error:
            return Response(400, {"error": "invalid_grant", "error_description": str(error)})
        assert claims["scope"].endswith("/firebase.messaging")
        return Response(200, {"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})

    def answer(self, request: Received) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self.problem(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path != f"/v1/projects/{self.project}/messages:send":
            return self.problem(403, "PERMISSION_DENIED", "Permission denied on resource project.")
        body = request.json
        if not body["message"]["token"].startswith("dQw4"):
            detail = "The registration token is not a valid FCM registration token"
            return self.problem(400, "INVALID_ARGUMENT", detail, "INVALID_ARGUMENT")
        match body["message"]["token"][-2:]:
            case "01":
                return self.problem(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
            case "03":
                return self.problem(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", "QUOTA_EXCEEDED")
            case "04":
                return self.problem(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")
        self.accepted.append(body["message"])
        return Response(200, {"name": f"projects/{self.project}/messages/0:{len(self.requests)}%31"})

    def problem(self, status: int, name: str, message: str, code: str = "") -> Response:
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if code:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            error["details"] = [{"@type": kind, "errorCode": code}]
        return Response(status, {"error": error})


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


class FakeBrowser:
    """A browser's half of web push: its keys, and what it makes of a body (RFC 8291 and RFC 8188 by hand)."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"0123456789abcdef"

    def subscription(self, endpoint: str) -> str:
        keys = {"p256dh": base64url(point_of(self.key.public_key())), "auth": base64url(self.auth)}
        return json.dumps({"endpoint": endpoint, "keys": keys})

    def open(self, body: bytes) -> bytes:
        salt, length = body[:16], body[20]
        assert int.from_bytes(body[16:20], "big") >= len(body) - 21 - length  # one record
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.key.exchange(ec.ECDH(), theirs)
        about = b"WebPush: info\x00" + point_of(self.key.public_key()) + sender
        material = expand(extract(self.auth, shared), about, 32)
        secret = extract(salt, material)
        key = expand(secret, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = expand(secret, b"Content-Encoding: nonce\x00", 12)
        return AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00").removesuffix(b"\x02")


def extract(salt: bytes, material: bytes) -> bytes:
    return hmac.new(salt, material, hashlib.sha256).digest()


def expand(secret: bytes, about: bytes, length: int) -> bytes:
    return hmac.new(secret, about + b"\x01", hashlib.sha256).digest()[:length]


VAPID = ec.generate_private_key(ec.SECP256R1())
VAPID_PRIVATE = base64url(VAPID.private_numbers().private_value.to_bytes(32, "big"))
VAPID_PUBLIC = base64url(point_of(VAPID.public_key()))
BROWSER = FakeBrowser()


class FakePushService(FakeHttp):
    """Checks VAPID as RFC 8292 says, and opens what it was given as the browser would."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.accepted: list[dict[str, Any]] = []

    def answer(self, request: Received) -> Response:
        scheme, _space, given = request.headers.get("authorization", "").partition(" ")
        parameters = dict(part.strip().split("=", 1) for part in given.split(","))
        try:
            claims = jwt.decode(
                parameters["t"], VAPID.public_key(), algorithms=["ES256"], audience=self.url,
                options={"require": ["exp", "sub"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            return Response(401, {"code": 401, "errno": 109, "error": "Unauthorized", "message": str(error)})
        if scheme.lower() != "vapid" or parameters["k"] != VAPID_PUBLIC or "mailto:" not in claims["sub"]:
            return Response(401, {"code": 401, "errno": 109, "error": "Unauthorized"})
        assert request.headers["content-encoding"] == "aes128gcm"
        assert int(request.headers["ttl"]) > 0
        assert len(request.headers.get("topic", "")) <= 32
        assert len(request.body) <= 4096
        match "04" if self.manner == "another_key" else request.path[-2:]:
            case "01":
                return Response(410, {"code": 410, "errno": 106, "error": "Gone"})
            case "03":
                return Response(429, b"", {"Retry-After": "2"})
            case "04":
                return Response(403, b"the VAPID credentials in the authorization header do not correspond "
                                b"to the credentials used to create the subscriptions.\n")  # fmt: skip
            case "05":
                mismatch = {"code": 401, "errno": 109, "error": "Unauthorized"}
                return Response(401, {**mismatch, "message": "VAPID public key mismatch"})
            case "06":
                return Response(403, {"reason": "BadJwtToken"})
        self.accepted.append(json.loads(BROWSER.open(request.body)))
        return Response(201, b"", {"Location": f"{self.url}/m/{len(self.requests)}"})
