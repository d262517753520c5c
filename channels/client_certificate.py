"""The certificate that we show to a server which asks who connects (mutual TLS, RFC 8446 section 4.3.2).

It is given the text that was pasted: certificates and one private key, all in PEM, in any order. It promises
an Identity whose first certificate is the key's own, or Invalid with what is wrong. `http.py` uses it.
"""

from __future__ import annotations

import re
import secrets
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from common.errors import Invalid, Problem
from common.wording import worded as _

BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(?:[^-]|-(?!----))+-----END \1-----")
MOST = 10  # certificates of a chain


@dataclass(frozen=True)
class Identity:
    """The key's own certificate first, then those that vouch for it."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes

    @property
    def name(self) -> str:
        return self.chain[0].subject.rfc4514_string()[:200]

    @property
    def ends_at(self) -> datetime:
        return self.chain[0].not_valid_after_utc

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Verifies the other side as ever, and shows this certificate. Raises ssl.SSLError.

        OpenSSL reads it from a file only: the key lies there under a password that is used once.
        """
        made, password = ssl.create_default_context(), secrets.token_bytes(32)
        locked = self.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.hex().encode())
        )
        with tempfile.NamedTemporaryFile() as file:
            file.write(locked + b"".join(one.public_bytes(Encoding.PEM) for one in self.chain))
            file.flush()
            made.load_cert_chain(file.name, password=password.hex())
        return made


def read(text: str, now: datetime) -> Identity:
    """Raises Invalid `bad_client_certificate`."""
    if not text:
        raise _bad(_("The client certificate and its private key are missing."))
    blocks = [(match.group(1), match.group(0).encode("utf-8", "replace")) for match in BLOCK.finditer(text)]
    found = Identity(*_chained([_certificate(octets) for octets in _of(blocks, "CERTIFICATE")], _key(blocks)))
    own = found.chain[0]
    shown = {"day": found.ends_at.date().isoformat()}
    if own.not_valid_after_utc <= now:
        raise _bad(_("This certificate ended on %(day)s.") % shown)
    if own.not_valid_before_utc > now:
        day = own.not_valid_before_utc.date().isoformat()
        raise _bad(_("This certificate does not begin before %(day)s.") % {"day": day})
    if not _is_for_clients(own):
        raise _bad(_("This certificate is for servers only: it does not allow “client authentication”."))
    try:
        found.context  # noqa: B018  OpenSSL looks at the strength of the key, for one
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise _bad(_("OpenSSL does not take it: %(reason)s") % {"reason": reason[:100]}) from error
    return found


def _of(blocks: list[tuple[str, bytes]], kind: str) -> list[bytes]:
    return [octets for name, octets in blocks if name.endswith(kind)]


def _certificate(octets: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad(_("A certificate among it cannot be read. Paste the file again, whole.")) from error


def _key(blocks: list[tuple[str, bytes]]) -> PrivateKeyTypes:
    keys = _of(blocks, "PRIVATE KEY")
    if len(keys) != 1:
        detail = _("Paste one private key with it: from -----BEGIN PRIVATE KEY----- to its end.")
        raise _bad(detail if not keys else _("There is more than one private key. Leave only one."))
    try:
        return load_pem_private_key(keys[0], password=None)
    except TypeError as error:
        detail = _("The private key is locked with a password. Unlock it first: openssl pkey -in key.pem")
        raise _bad(detail) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad(_("The private key cannot be read. Paste the file again, whole.")) from error


def _chained(
    found: list[x509.Certificate], key: PrivateKeyTypes
) -> tuple[tuple[x509.Certificate, ...], PrivateKeyTypes]:
    if not found or len(found) > MOST:
        detail = _("Paste the certificate with it: from -----BEGIN CERTIFICATE----- to its end.")
        raise _bad(detail if not found else _("There are more than %(n)s certificates.") % {"n": MOST})
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = [one for one in found if _public(one) == public]
    if not own:
        raise _bad(_("The private key belongs to none of the certificates."))
    return (own[0], *(one for one in found if one not in own)), key


def _public(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _is_for_clients(certificate: x509.Certificate) -> bool:
    """One that names no purpose is for all (RFC 5280, section 4.2.1.12)."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    allowed = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return bool(allowed & set(purposes))


def _bad(detail: str) -> Invalid:
    return Invalid(Problem("bad_client_certificate", detail))
