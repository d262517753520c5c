"""Signs messages for the domain that sends them: DKIM (RFC 6376) with RSA and Ed25519 (RFC 8463).

`mime.build` writes plain ASCII with CRLF line ends, so what is signed is what travels. Every header is
signed, and those that a reader sees once more than they occur, so that none can be added on the way.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
SEALED_AGAINST_ADDITION = ("from", "to", "subject", "reply-to", "date", "message-id", "content-type")
WHITE = re.compile(rb"[ \t]+")


@dataclass(frozen=True)
class NewKey:
    """`public` is base64 as it stands after p= in DNS, `private` is PEM."""

    public: str
    private: str


def generate(algorithm: str) -> NewKey:
    """`rsa` (2048 bits, the size every receiver takes) or `ed25519`."""
    if algorithm == "rsa":
        rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return NewKey(base64.b64encode(public).decode(), _pem(rsa_key))
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NewKey(base64.b64encode(public).decode(), _pem(key))


def _pem(key: Private) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@lru_cache(maxsize=64)
def load(private: str) -> Private:
    """Our own key, so the costly proof that its numbers belong together is left out."""
    key = load_pem_private_key(private.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise TypeError("neither an RSA nor an Ed25519 key")
    return key


@dataclass(frozen=True)
class Signer:
    """Signs with each key of one domain: `keys` are (selector, private key)."""

    domain: str
    keys: tuple[tuple[str, Private], ...]

    def sign(self, message: bytes, *, now: datetime) -> bytes:
        """The message with one DKIM-Signature per key before it."""
        head, _gap, body = message.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", head)
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        signed = [relaxed_header(field) for field in reversed(fields)]  # the last of a name is signed first
        names = [field.partition(b":")[0] for field in signed]
        listed = b":\r\n ".join([*names, *(name.encode() for name in SEALED_AGAINST_ADDITION)])
        covered = b"".join(field + b"\r\n" for field in signed)
        stamp = int(now.timestamp())
        made = b""
        for selector, key in self.keys:
            kind = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
            start = (
                f"DKIM-Signature: v=1; a={kind}-sha256; c=relaxed/relaxed;\r\n d={self.domain}; s={selector};"
                f" t={stamp};\r\n h="
            )
            unsigned = start.encode() + listed + b";\r\n bh=" + digest + b";\r\n b="
            signature = base64.b64encode(_signed(key, covered + relaxed_header(unsigned)))
            made += unsigned + b"\r\n ".join(re.findall(rb".{1,72}", signature)) + b"\r\n"
        return made + message


def _signed(key: Private, content: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), SHA256())
    return key.sign(hashlib.sha256(content).digest())  # RFC 8463 section 3


def relaxed_header(field: bytes) -> bytes:
    """RFC 6376 section 3.4.2, without the line's end."""
    name, _colon, value = field.partition(b":")
    return name.strip().lower() + b":" + WHITE.sub(b" ", value.replace(b"\r\n", b"")).strip()


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    text = WHITE.sub(b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n ")
    return text + b"\r\n" if text else b""
