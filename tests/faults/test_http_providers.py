"""Row P-68 of the promises: what a provider's HTTP status and its Retry-After mean for one message.

Silence, broken and oversized answers of every provider stand in tests/channels/test_contract.py.
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from channels.messages import Fact, Fault, Outcome
from channels.providers.over_http import MAX_WAIT
from tests.channels.providers import BENCHES
from tests.fakes.http import FakeHttp, Received, Response

pytestmark = pytest.mark.usefixtures("loopback_is_ours")

PROVIDERS = ("sendgrid", "postmark", "amazon_ses", "twilio", "infobip", "webhook")
STATUSES: dict[int, tuple[Fact, Fault | None]] = {
    301: (Fact.MISCONFIGURED, None), 307: (Fact.MISCONFIGURED, None), 400: (Fact.REFUSED, None),
    401: (Fact.MISCONFIGURED, None), 403: (Fact.MISCONFIGURED, None), 408: (Fact.LATER, None),
    409: (Fact.LATER, None), 413: (Fact.REFUSED, Fault.CONTENT), 425: (Fact.LATER, None),
    429: (Fact.LATER, None), 500: (Fact.LATER, None), 502: (Fact.LATER, None), 503: (Fact.LATER, None),
    504: (Fact.UNCERTAIN, None),
}  # fmt: skip


def said(key: str, answer: Response) -> tuple[Outcome, FakeHttp]:
    class Says(FakeHttp):
        def answer(self, request: Received) -> Response:
            return answer

    with Says() as server:
        (outcome,) = BENCHES[key].send(BENCHES[key].configuration(server), BENCHES[key].message())
    return outcome, server


@pytest.mark.sampled(6)
@pytest.mark.parametrize("key", PROVIDERS)
@pytest.mark.parametrize("status", STATUSES)
def test_p68_a_status_is_refused_waited_for_or_held_as_it_says(key: str, status: int) -> None:
    outcome, server = said(key, Response(status, {}, {"Location": "http://127.0.0.1:1/elsewhere"}))
    assert (outcome.fact, outcome.fault) == STATUSES[status]
    assert len(server.requests) == 1


@pytest.mark.sampled(6)
@pytest.mark.parametrize("key", ["sendgrid", "amazon_ses", "twilio", "webhook"])
@pytest.mark.parametrize(
    ("told", "least", "most"),
    [("7", 7, 7), ("999999999999", MAX_WAIT, MAX_WAIT), ("in a minute", 0, 3600), ("in a year", 3600, 3600),
     ("-5", None, None), ("soon", None, None), ("", None, None)],
)  # fmt: skip
def test_p68_a_wait_is_kept_in_seconds_or_as_a_date_and_never_above_an_hour(
    key: str, told: str, least: float | None, most: float | None
) -> None:
    spans = {"in a minute": timedelta(minutes=1), "in a year": timedelta(days=365)}
    header = format_datetime(timezone.now() + spans[told]) if told in spans else told
    outcome, _server = said(key, Response(429, {}, {"Retry-After": header}))
    assert outcome.fact is Fact.LATER
    if least is None or most is None:
        assert outcome.wait is None
    else:
        assert outcome.wait is not None
        assert least <= outcome.wait <= most


@pytest.mark.parametrize(
    ("key", "status"),
    [("sendgrid", 200), *((key, status) for key in PROVIDERS[1:5] for status in (200, 202))],
)  # a bare 202 is SendGrid's way to say yes
def test_p68_a_success_that_names_no_message_is_uncertain_and_never_a_delivery(key: str, status: int) -> None:
    outcome, _server = said(key, Response(status, {"error": "quota exceeded", "code": 9}))
    assert outcome.fact is not Fact.ACCEPTED
    assert outcome.fault is None
