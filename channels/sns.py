"""Notifications of Amazon SNS: who sent one, and what has to be called before they come.

A notification is signed by a key whose certificate lies at an address that stands in it. So the topic has to
be the one of our settings, and the certificate has to lie at SNS of that topic's own region; it is fetched by
our outbound HTTP and kept. See https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.utils.translation import gettext as _

from channels.http import Client, Failure, Request
from channels.messages import Arrival
from channels.signatures import AHEAD, NotGenuine, Proof
from common.errors import CarillonError

ADDRESS = "https://sns.{region}.amazonaws.com{ending}/"
TOPIC = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}):[0-9]{12}:[\w-]{1,256}"
)
PATH = re.compile(r"SimpleNotificationService-[0-9a-f]{32}\.pem")
# All tries of a notification together last at most 3,600 seconds, whatever the subscription's policy:
# https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
RETRIED = timedelta(minutes=65)
SIGNED: dict[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(
        ("SubscriptionConfirmation", "UnsubscribeConfirmation"),
        ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


class NotCheckable(CarillonError):
    """The certificate could not be had; SNS sends again."""

    status = 503
    code = "not_checkable"


def proven(arrival: Arrival, topic: str) -> Proof:
    """Of the topic with this name. Raises NotGenuine and NotCheckable."""
    told = notification(arrival)
    if not topic:
        raise NotGenuine(_("No topic is stored from which the request could come."))
    if told.get("TopicArn") != topic:
        raise NotGenuine(_("The request comes from another topic."))
    signed_at = _moment(told["Timestamp"])
    _check(told, _certificate(_certificate_url(told, topic)), arrival.at)
    is_stale = not arrival.at - RETRIED <= signed_at <= arrival.at + AHEAD
    return Proof(f"sns:{told['MessageId']}"[:128], signed_at, is_stale)


def notification(arrival: Arrival) -> dict[str, str]:
    """Its fields, of which those that are signed are all there. Raises NotGenuine."""
    try:
        body = json.loads(arrival.body)
    except (ValueError, RecursionError) as error:
        raise NotGenuine(_("The request is not signed.")) from error
    if not isinstance(body, dict):
        raise NotGenuine(_("The request is not signed."))
    told = {name: text for name, text in body.items() if isinstance(text, str)}
    needed = {*SIGNED.get(told.get("Type", ""), ("Type",)), "Signature", "SignatureVersion", "SigningCertURL"}
    if needed - {"Subject"} - told.keys() or told.get("Type") not in SIGNED:
        raise NotGenuine(_("The request is not signed."))
    return told


def confirmation(told: dict[str, str], topic: str) -> str:
    """The address by which the subscription is confirmed; of SNS in the topic's region and no other."""
    address = told.get("SubscribeURL", "") if told.get("Type") == "SubscriptionConfirmation" else ""
    return address if address.startswith(f"{_home(topic)}?Action=ConfirmSubscription&") else ""


def _home(topic: str) -> str:
    found = TOPIC.fullmatch(topic)
    if found is None:
        raise NotGenuine(_("No topic is stored from which the request could come."))
    return ADDRESS.format(region=found.group(2), ending=".cn" if found.group(1) == "aws-cn" else "")


def _certificate_url(told: dict[str, str], topic: str) -> str:
    home, url = _home(topic), told["SigningCertURL"]
    if not (url.startswith(home) and PATH.fullmatch(url.removeprefix(home))):
        raise NotGenuine(_("The certificate does not lie with Amazon SNS."))
    return url


def _check(told: dict[str, str], certificate: x509.Certificate, now: datetime) -> None:
    lines = [f"{name}\n{told[name]}\n" for name in SIGNED[told["Type"]] if name in told]
    key, digest = certificate.public_key(), DIGESTS.get(told["SignatureVersion"])
    is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if digest is None or not is_valid or not isinstance(key, rsa.RSAPublicKey):
        raise NotGenuine(_("The request’s signature is not right."))
    try:
        signature = base64.b64decode(told["Signature"], validate=True)
        text = "".join(lines).encode("utf-8", "surrogatepass")
        key.verify(signature, text, padding.PKCS1v15(), digest())
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise NotGenuine(_("The request’s signature is not right.")) from error


@lru_cache(maxsize=16)
def _certificate(url: str) -> x509.Certificate:
    """What raises is not kept, and so asked for again."""
    octets = asyncio.run(_fetched(url))
    try:
        return x509.load_pem_x509_certificate(octets)
    except ValueError as error:
        raise NotCheckable(_("The certificate of Amazon SNS could not be read.")) from error


async def _fetched(url: str) -> bytes:
    client = Client()
    try:
        answer = await client.exchange(Request("GET", url))
    except Failure as error:
        raise NotCheckable(_("The certificate of Amazon SNS could not be read.")) from error
    finally:
        await client.close()
    if answer.status != 200 or not answer.is_whole:
        raise NotCheckable(_("The certificate of Amazon SNS could not be read."))
    return answer.body


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotGenuine(_("The request is not signed.")) from error
    if found.tzinfo is None:
        raise NotGenuine(_("The request is not signed."))
    return found
