"""Amazon SES: what travels, whom its codes blame, and what its topic tells at the front door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.session import get_session
from django.test import Client
from django.utils import timezone

from channels import sns
from channels.http import Answer
from channels.messages import Arrival, Attachment, Fact, Fault, Happened
from channels.models import ChannelConfiguration, ReceivedReceipt
from channels.providers import mail_receipts, registry
from channels.providers.amazon_ses import CODES, AmazonSes, SesLane
from channels.providers.base import ReceiptReader
from channels.sealing import keep
from channels.signatures import NotGenuine
from tests import builders
from tests.channels.providers import BENCHES
from tests.fakes.aws import PEM, TOPIC, FakeSes, FakeSns, fault, mail_of
from tests.fakes.http import Received, Response

pytestmark = pytest.mark.usefixtures("loopback_is_ours", "sandbox_here")

BENCH = BENCHES["amazon_ses"]
KEY = "7.0.42"
GONE = "smtp; 550 5.1.1 The email account that you tried to reach does not exist"
US = "smtp; 550 5.7.1 Message rejected due to the sender's reputation; see our policy"


class NoServer:
    url = "http://127.0.0.1:1"


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSns]:
    sns._certificate.cache_clear()
    with FakeSns() as server:
        monkeypatch.setattr(sns, "ADDRESS", f"{server.url}/")
        yield server
    sns._certificate.cache_clear()


# ---- sending ------------------------------------------------------------------------------------
def test_a_whole_mail_travels_signed_for_the_region_with_its_tag_and_copy() -> None:
    message = BENCH.message(
        key=KEY,
        subject="早鳥\r\nBcc: thief@example.com",
        bcc="archive@fernhill.example",
        headers={"List-Unsubscribe": "<https://a.example/leave>"},
        attachments=(Attachment("a.pdf", "application/pdf", b"%PDF"),),
    )
    with BENCH.server() as server:
        (outcome,) = BENCH.send(BENCH.configuration(server), message)
        (request,) = server.requests
    assert outcome.fact is Fact.ACCEPTED
    assert request.json["Destination"] == {
        "ToAddresses": ["good@example.com"],
        "BccAddresses": ["archive@fernhill.example"],
    }
    assert request.json["EmailTags"] == [{"Name": "carillon", "Value": "7-0-42"}]
    assert request.json["ConfigurationSetName"] == "carillon"
    mail = mail_of(request)
    assert mail["Subject"] == "早鳥 Bcc: thief@example.com"
    assert (mail["Bcc"], mail["List-Unsubscribe"]) == (None, "<https://a.example/leave>")
    assert [one.get_filename() for one in mail.iter_attachments()] == ["a.pdf"]


def test_without_an_address_of_its_own_the_regions_is_called() -> None:
    for region, host in (
        ("ap-northeast-1", "email.ap-northeast-1.amazonaws.com"),
        ("cn-north-1", "email.cn-north-1.amazonaws.com.cn"),
    ):
        configuration = BENCH.configuration(NoServer, region=region, api_url="")
        lane = AmazonSes().open(configuration)
        assert getattr(lane, "base", "") == f"https://{host}"


@pytest.mark.parametrize(
    ("status", "code", "words", "fact", "blamed"),
    [
        (400, "MessageRejected", "Email address is not verified. The following identities failed the "
         "check in region AP-NORTHEAST-1: hello@fernhill.example", Fact.MISCONFIGURED, None),
        (400, "MessageRejected", "Transaction failed: spam content.", Fact.REFUSED, None),
        (400, "BadRequestException", "Domain contains illegal character", Fact.REFUSED, Fault.ADDRESS),
        (400, "BadRequestException", "Missing final '@domain'", Fact.REFUSED, Fault.ADDRESS),
        (400, "BadRequestException", "Header too long", Fact.REFUSED, None),
        (400, "AccountSuspendedException", "", Fact.MISCONFIGURED, None),
        (400, "SendingPausedException", "", Fact.MISCONFIGURED, None),
        (400, "MailFromDomainNotVerifiedException", "", Fact.MISCONFIGURED, None),
        (404, "NotFoundException", "Configuration set <x> does not exist.", Fact.MISCONFIGURED, None),
        (400, "LimitExceededException", "", Fact.LATER, None),
        (429, "TooManyRequestsException", "", Fact.LATER, None),
        (400, "ThrottlingException:http://internal.amazon.com/coral/", "Rate exceeded", Fact.LATER, None),
        (403, "UnrecognizedClientException", "The security token is invalid.", Fact.MISCONFIGURED, None),
        (400, "ExpiredTokenException", "", Fact.MISCONFIGURED, None),
        (400, "RequestExpired", "", Fact.MISCONFIGURED, None),
        (413, "RequestEntityTooLargeException", "", Fact.REFUSED, Fault.CONTENT),
        (500, "InternalFailure", "", Fact.LATER, None),
        (400, "SomethingNew", "", Fact.REFUSED, None),
    ],
)  # fmt: skip
def test_only_what_is_about_the_recipient_is_held_against_them(
    status: int, code: str, words: str, fact: Fact, blamed: Fault | None
) -> None:
    class Says(FakeSes):
        def answer(self, request: Received) -> Response:
            return fault(status, code, words)

    with Says() as server:
        (outcome,) = BENCH.send(BENCH.configuration(server), BENCH.message())
    assert (outcome.fact, outcome.fault) == (fact, blamed)
    assert outcome.code == code.partition(":")[0][:40]


def test_every_error_that_amazon_names_for_sending_has_its_meaning() -> None:
    """By Amazon's own description of the API, which botocore brings along."""
    service = get_session().get_service_model("sesv2")
    shapes = service.operation_model("SendEmail").error_shapes
    named = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in shapes}
    assert set(named) - set(CODES) == {"MessageRejected", "BadRequestException"}  # by their words
    lane = AmazonSes().open(BENCH.configuration(NoServer))
    assert isinstance(lane, SesLane)
    for code in named.keys() & CODES.keys():
        outcome = lane.read(Answer(named[code], {"x-amzn-errortype": code}, b'{"message": "words"}'))
        assert (outcome.fact, outcome.fault) == CODES[code]


@pytest.mark.parametrize(
    ("changes", "is_ok", "words"),
    [({"SendingEnabled": False}, False, "stopped"), ({"ProductionAccessEnabled": False}, True, "sandbox")],
)
def test_a_rehearsal_tells_what_the_account_may_do(changes: Any, is_ok: bool, words: str) -> None:
    class Limited(FakeSes):
        def answer(self, request: Received) -> Response:
            answer = super().answer(request)
            return Response(200, {**answer.body, **changes})

    with Limited() as server:
        (step,) = BENCH.rehearse(BENCH.configuration(server))
    assert (step.is_ok, words in step.said) == (is_ok, True)


# ---- what its events mean -----------------------------------------------------------------------
def event(kind: str, name: str = "", **more: Any) -> dict[str, Any]:
    mail = {
        "timestamp": "2026-11-24T11:59:50.000Z", "messageId": "m-1", "destination": ["good@example.com"],
        "commonHeaders": {"to": ["good@example.com"]}, "tags": {"carillon": ["7-0-42"]},
    }  # fmt: skip
    part = {"timestamp": "2026-11-24T11:59:58.000Z", **more}
    return {"eventType": kind, "mail": mail, name or kind.lower(): part}


def bounce(kind: str, sub: str, words: str = "", to: str = "good@example.com", status: str = "") -> Any:
    one = {"emailAddress": to, "action": "failed", "status": status, "diagnosticCode": words}
    return event("Bounce", bounceType=kind, bounceSubType=sub, bouncedRecipients=[one])


@pytest.mark.parametrize(
    ("told", "happened", "blamed"),
    [
        (event("Send"), Happened.SENT, None),
        (event("Delivery", recipients=["good@example.com"]), Happened.DELIVERED, None),
        (event("DeliveryDelay", "deliveryDelay", delayType="MailboxFull"), Happened.DELAYED, None),
        (bounce("Permanent", "General", GONE, status="5.1.1"), Happened.FAILED, Fault.ADDRESS),
        (bounce("Permanent", "NoEmail"), Happened.FAILED, Fault.ADDRESS),
        (bounce("Permanent", "General", US, status="5.7.1"), Happened.FAILED, Fault.SENDER),
        (bounce("Permanent", "Suppressed"), Happened.FAILED, Fault.ADDRESS),
        (bounce("Permanent", "OnAccountSuppressionList"), Happened.FAILED, None),
        (bounce("Permanent", "UnsubscribedRecipient"), Happened.FAILED, Fault.OPTED_OUT),
        (bounce("Transient", "MailboxFull"), Happened.FAILED, Fault.MAILBOX),
        (bounce("Transient", "ContentRejected"), Happened.FAILED, Fault.CONTENT),
        (bounce("Undetermined", "Undetermined"), Happened.FAILED, None),
        (event("Reject", reason="Bad content"), Happened.FAILED, Fault.CONTENT),
        (event("Rendering Failure", "failure", errorMessage="x"), Happened.FAILED, Fault.CONTENT),
        (event("Open"), Happened.OPENED, None),
        (event("Click", link="https://a.example/"), Happened.CLICKED, None),
        (event("Complaint", complaintFeedbackType="abuse"), Happened.COMPLAINED, None),
        (event("Complaint", complaintSubType="OnAccountSuppressionList"), Happened.FAILED, Fault.OPTED_OUT),
        (event("Subscription"), Happened.UNSUBSCRIBED, None),
        (event("Complaint", complaintFeedbackType="not-spam"), None, None),
        (bounce("Permanent", "General", GONE, to="archive@fernhill.example"), None, None),
        (event("New"), None, None),
    ],
)
def test_an_event_is_read_with_its_message_and_whose_fault_it_is(
    told: Any, happened: Happened | None, blamed: Fault | None
) -> None:
    receipt = mail_receipts.amazon_ses(told, "n-1")
    if happened is None:
        assert receipt is None
        return
    assert receipt is not None
    assert (receipt.happened, receipt.fault) == (happened, blamed)
    assert (receipt.key, receipt.provider_id, receipt.event_id) == (KEY, "m-1", "n-1")
    assert receipt.at == datetime(2026, 11, 24, 11, 59, 58, tzinfo=UTC)


@pytest.mark.parametrize("told", [None, [], 1, {}, {"eventType": "Bounce", "mail": 1, "bounce": []}])
def test_signed_nonsense_moves_no_message(told: Any) -> None:
    assert mail_receipts.amazon_ses(told, "n-1") is None


# ---- the front door -----------------------------------------------------------------------------
def set_up() -> ChannelConfiguration:
    where = builders.workspace()
    chosen = {"access_key_id": FakeSes.access_key, "region": FakeSes.region, "topic_arn": TOPIC}
    made = builders.configuration(where, name="ses", provider="amazon_ses", settings=chosen)
    sealed = json.dumps(BENCH.secrets)
    made.credential = keep(sealed, workspace=where, name="ses", credential=None, now=timezone.now())
    made.save()
    return made


def post(client: Client, configuration: ChannelConfiguration, body: bytes) -> int:
    path = f"/hooks/{configuration.pk}/"
    return client.generic("POST", path, body, content_type="text/plain; charset=UTF-8").status_code


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_event_is_taken_once_and_the_certificate_fetched_once(
    client: Client, topic: FakeSns, version: str
) -> None:
    configuration = set_up()
    body = topic.notification(event("Delivery"), timezone.now(), version=version)
    assert [post(client, configuration, body) for _time in range(3)] == [204] * 3
    row = ReceivedReceipt.objects.get()
    assert (row.happened, row.key, row.event_id) == (Happened.DELIVERED, KEY, "n-1")
    assert [one.path for one in topic.requests] == [f"/{PEM}"]


@pytest.mark.django_db
def test_what_is_changed_or_old_or_of_another_topic_is_refused_and_stores_nothing(
    client: Client, topic: FakeSns
) -> None:
    configuration, now = set_up(), timezone.now()
    good = topic.notification(event("Delivery"), now)
    told = json.loads(good)
    other = f"{TOPIC}-of-a-stranger"
    cases = {
        "changed": {**told, "Message": json.dumps(event("Complaint"))},
        "unsigned": {name: text for name, text in told.items() if name != "Signature"},
        "no base64": {**told, "Signature": "é"},
        "another digest": {**told, "SignatureVersion": "1"},
        "unknown digest": {**told, "SignatureVersion": "3"},
        "a stranger's topic": json.loads(topic.notification(event("Delivery"), now, TopicArn=other)),
        "another kind": {**told, "Type": "Nothing"},
        "no map": [],
    }
    for name, case in cases.items():
        assert post(client, configuration, json.dumps(case).encode()) == 401, name
    assert post(client, configuration, b"{") == 401
    for passed in (timedelta(minutes=66), timedelta(minutes=-6)):
        assert post(client, configuration, topic.notification(event("Delivery"), now - passed)) == 400
    configuration.settings = {**configuration.settings, "topic_arn": ""}
    configuration.save()
    assert post(client, configuration, good) == 401
    assert not ReceivedReceipt.objects.exists()


@pytest.mark.django_db
def test_a_certificate_that_cannot_be_had_or_has_ended_believes_nothing(
    client: Client, topic: FakeSns, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = set_up()
    body = topic.notification(event("Delivery"), timezone.now())
    for manner in ("broken", "not_json", "drop"):
        topic.manner = manner
        assert post(client, configuration, body) == 503, manner
    topic.manner = ""
    assert post(client, configuration, body) == 204  # a failure is not kept
    with FakeSns(ends=timedelta(days=-1)) as ended:
        monkeypatch.setattr(sns, "ADDRESS", f"{ended.url}/")
        body = ended.notification(event("Delivery"), timezone.now(), "n-2")
        assert post(client, configuration, body) == 401


@pytest.mark.django_db
def test_a_subscription_is_confirmed_at_sns_only_and_when_it_is_signed(
    client: Client, topic: FakeSns
) -> None:
    configuration = set_up()

    def confirms(url: str) -> bytes:
        return topic.signed(
            timezone.now(), Type="SubscriptionConfirmation", MessageId="c-1", Message="You have chosen …",
            Token="t0k3n", SubscribeURL=url,
        )  # fmt: skip

    good = confirms(f"{topic.url}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t0k3n")
    assert post(client, configuration, good.replace(b"t0k3n", b"t0k4n")) == 401
    assert post(client, configuration, confirms("https://thief.example/?Action=ConfirmSubscription&x")) == 204
    assert [one.path for one in topic.requests] == [f"/{PEM}"]
    assert post(client, configuration, good) == 204
    assert topic.requests[-1].query["Token"] == "t0k3n"


@pytest.mark.parametrize(
    "url",
    [
        f"http://sns.ap-northeast-1.amazonaws.com/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com/{PEM}",
        f"https://sns.ap-northeast-1.amazonaws.com.thief.example/{PEM}",
        f"https://thief.example/sns.ap-northeast-1.amazonaws.com/{PEM}",
        f"https://sns.ap-northeast-1.amazonaws.com@thief.example/{PEM}",
        f"https://sns.ap-northeast-1.amazonaws.com:8443/{PEM}",
        f"https://sns.ap-northeast-1.amazonaws.com/../{PEM}",
        f"https://sns.ap-northeast-1.amazonaws.com/{PEM}?x",
        "https://s3.ap-northeast-1.amazonaws.com/bucket/SimpleNotificationService-0.pem",
        "",
    ],
)
def test_a_certificate_that_lies_elsewhere_is_never_fetched(url: str) -> None:
    with FakeSns() as server:
        told = json.loads(server.notification(event("Delivery"), timezone.now()))
    body = json.dumps({**told, "SigningCertURL": url}).encode()
    provider = registry.get("amazon_ses")
    assert isinstance(provider, ReceiptReader)
    with pytest.raises(NotGenuine):
        provider.read_receipts(
            BENCH.configuration(NoServer), Arrival("POST", "https://a.example/", {}, body, timezone.now())
        )


def test_the_form_takes_a_topic_of_sns_only() -> None:
    posted = {"access_key_id": FakeSes.access_key, "region": "ap-northeast-1", "topic_arn": "arn:aws:s3:::x"}
    assert "topic_arn" in AmazonSes.Form(posted).errors
    assert AmazonSes.Form({**posted, "topic_arn": TOPIC}).is_valid()
