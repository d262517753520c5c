"""Messages one behind the other on one line: whatever the server does, each gets one true outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.messages import Fact, Fault, Outcome, Rendered
from channels.providers import smtp, smtp_line
from channels.providers.base import StreamLane
from channels.providers.smtp import SmtpLane
from channels.providers.smtp_line import Line
from channels.providers.smtp_replies import MAX_LINE, MAX_REPLY, Garbage, Reader, Reply, fault_of
from tests.fakes.relay import FakeRelay

# What a manner of the server means for the message that meets it.
MEANING = {
    "fine": (Fact.ACCEPTED, None),
    "refuse": (Fact.REFUSED, Fault.ADDRESS),
    "policy": (Fact.REFUSED, Fault.SENDER),
    "later": (Fact.LATER, None),
    "busy": (Fact.LATER, None),
    "full": (Fact.REFUSED, Fault.MAILBOX),
    "defer": (Fact.LATER, None),
    "bye": (Fact.UNCERTAIN, None),
    "drop": (Fact.UNCERTAIN, None),
    "odd": (Fact.UNCERTAIN, None),
}


def message(recipient: str, key: str = "1-1", **changes: str) -> Rendered:
    values = {"sender_name": "Fernhill", "sender_email": "hello@fernhill.example", "reply_to": ""}
    values |= {"subject": "Early", "html": "<p>哈囉</p>\n.\n..dots", "text": ".one\n.\n"} | changes
    return Rendered(key=key, recipient=recipient, **values)


def stream(relay: FakeRelay, messages: list[Rendered]) -> list[tuple[str, Outcome]]:
    async def run() -> list[tuple[str, Outcome]]:
        lane, told, todo = SmtpLane(Line(**relay.settings)), list[tuple[str, Outcome]](), iter(messages)
        assert isinstance(lane, StreamLane)
        try:
            await lane.stream(lambda: next(todo, None), lambda one, said: told.append((one.recipient, said)))
        finally:
            await lane.close()
        return told

    return asyncio.run(run())


@pytest.fixture(scope="module")
def relays() -> Iterator[dict[tuple[bool, bool, int], FakeRelay]]:
    made = {
        (pipelining, waits, segment): FakeRelay(
            pipelining=pipelining, waits_after_refusal=waits, segment=segment
        )
        for pipelining, waits, segment in [(True, False, 0), (True, True, 7), (False, False, 0)]
    }
    for relay in made.values():
        relay.__enter__()
    yield made
    for relay in made.values():
        relay.__exit__()


@given(
    manners=st.lists(st.sampled_from(sorted(MEANING)), min_size=1, max_size=8),
    which=st.sampled_from([(True, False, 0), (True, True, 7), (False, False, 0)]),
    most=st.integers(1, 4),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_message_gets_its_own_outcome_in_its_turn_whatever_stands_beside_it(
    relays: dict[tuple[bool, bool, int], FakeRelay],
    monkeypatch: pytest.MonkeyPatch,
    manners: list[str],
    which: tuple[bool, bool, int],
    most: int,
) -> None:
    relay = relays[which]
    relay.accepted.clear()
    people = [f"{manner}+{place}@example.com" for place, manner in enumerate(manners)]
    monkeypatch.setattr(smtp, "MESSAGES_PER_CONNECTION", most)
    told = stream(relay, [message(person) for person in people])
    assert [person for person, _said in told] == people
    assert [(said.fact, said.fault) for _person, said in told] == [MEANING[manner] for manner in manners]
    taken = [recipients for _sender, recipients, _body in relay.accepted]
    assert taken == [[person] for person in people if person.startswith("fine")]
    assert all(body.endswith(b"--\r\n") for _sender, _recipients, body in relay.accepted)


def test_a_stream_takes_one_message_ahead_and_no_more() -> None:
    taken: list[str] = []

    async def run(relay: FakeRelay) -> None:
        def take() -> Rendered | None:
            assert len(taken) <= len(told) + 1
            taken.append("")
            return message(f"p{len(taken)}@example.com") if len(taken) <= 50 else None

        told: list[Outcome] = []
        lane = SmtpLane(Line(**relay.settings))
        await lane.stream(take, lambda _one, said: told.append(said))
        await lane.close()
        assert [said.fact for said in told] == [Fact.ACCEPTED] * 50

    with FakeRelay() as relay:
        asyncio.run(run(relay))
    assert relay.connections == 1


@pytest.mark.parametrize("manner", ["hangup", "garbage", "long", "endless"])
def test_a_line_that_breaks_before_the_body_hands_nothing_over_and_ends_the_stream(manner: str) -> None:
    with FakeRelay() as relay:
        told = stream(relay, [message("fine@example.com"), message(f"{manner}@x.tw"), message("b@x.tw")])
        assert [said.fact for _person, said in told] == [Fact.ACCEPTED, Fact.UNREACHABLE]
        assert len(relay.accepted) == 1


def test_the_message_announced_behind_a_mute_dot_goes_out_over_a_new_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "FINAL_DOT_SECONDS", 0.3)
    with FakeRelay() as relay:
        told = stream(relay, [message("mute@example.com"), message("next@example.com")])
        assert [said.fact for _person, said in told] == [Fact.UNCERTAIN, Fact.ACCEPTED]
        assert (relay.connections, len(relay.accepted)) == (2, 1)


@pytest.mark.parametrize(
    ("greeting", "fact", "code"),
    [
        (b"421 4.3.2 Too busy\r\n", Fact.UNREACHABLE, "421 4.3.2"),
        (b"554 5.7.1 We do not know you\r\n", Fact.MISCONFIGURED, "554 5.7.1"),
        (b"SSH-2.0-OpenSSH\r\n", Fact.UNREACHABLE, ""),
        (b"220-" + b"x" * 50_000, Fact.UNREACHABLE, ""),
        (b"", Fact.UNREACHABLE, ""),
    ],
)
def test_a_server_that_greets_badly_gets_nothing(
    greeting: bytes, fact: Fact, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_line, "GREETING_SECONDS", 0.3)
    with FakeRelay(greeting=greeting) as relay:
        told = stream(relay, [message("a@example.com"), message("b@example.com")])
    assert [(said.fact, said.code) for _person, said in told] == [(fact, code)]


def test_a_kept_line_that_is_ended_by_the_server_loses_and_doubles_nothing() -> None:
    people = [f"p{n}@example.com" for n in range(10)]
    with FakeRelay(messages_per_connection=3) as relay:
        told = stream(relay, [message(person) for person in people])
    assert {said.fact for _person, said in told} == {Fact.ACCEPTED}
    assert [recipients[0] for _sender, recipients, _body in relay.accepted] == people


def test_a_sender_that_is_refused_stops_the_stream_and_accuses_nobody() -> None:
    with FakeRelay() as relay:
        stranger = message("a@example.com", sender_email="stranger@else.example")
        told = stream(relay, [stranger, message("b@example.com")])
    assert [(said.fact, said.code, said.fault) for _person, said in told] == [
        (Fact.MISCONFIGURED, "553 5.7.1", None)
    ]


def test_a_message_larger_than_the_server_takes_is_refused_for_its_content_and_never_announced() -> None:
    with FakeRelay(size=5_000) as relay:
        large = message("large@example.com", html="x" * 6_000)
        told = stream(relay, [message("a@example.com"), large, message("b@example.com")])
    assert [(said.fact, said.fault) for _person, said in told] == [
        (Fact.ACCEPTED, None),
        (Fact.REFUSED, Fault.CONTENT),
        (Fact.ACCEPTED, None),
    ]


# ---- reading --------------------------------------------------------------------------------------
LINE = st.tuples(st.integers(200, 599), st.text(st.characters(codec="ascii", categories=["L", "Zs"])))


@given(st.lists(st.lists(LINE, min_size=1, max_size=4), max_size=5), st.integers(1, 9))
@settings(max_examples=100)
def test_replies_are_the_same_however_the_network_cuts_them(
    said: list[list[tuple[int, str]]], step: int
) -> None:
    octets = b""
    for lines in said:
        for at, (_code, text) in enumerate(lines):
            octets += f"{lines[0][0]}{' ' if at == len(lines) - 1 else '-'}{text}\r\n".encode()
    reader, replies = Reader(), list[Reply]()
    for start in range(0, len(octets), step):
        replies += reader.feed(octets[start : start + step])
    wanted = [Reply(lines[0][0], "\n".join(text for _code, text in lines)) for lines in said]
    assert replies == wanted
    assert reader.is_between


@given(st.lists(st.binary(max_size=3_000), max_size=40))
@settings(max_examples=50)
def test_whatever_arrives_the_reader_keeps_little(pieces: list[bytes]) -> None:
    reader = Reader()
    try:
        for piece in pieces:
            for reply in reader.feed(piece):
                assert 200 <= reply.code <= 599
            assert len(reader.rest) <= MAX_LINE
            assert sum(map(len, reader.lines)) <= MAX_REPLY
    except Garbage:
        pass


@pytest.mark.parametrize(
    ("code", "words", "fault"),
    [
        ("550 5.1.1", "User unknown", Fault.ADDRESS),
        ("553 5.1.3", "Bad address syntax", Fault.ADDRESS),
        ("550 5.1.8", "Sender address rejected: Domain not found", Fault.SENDER),
        ("550 5.2.1", "Mailbox disabled", Fault.ADDRESS),
        ("552 5.2.2", "Mailbox full", Fault.MAILBOX),
        ("552 5.3.4", "Too big", Fault.CONTENT),
        ("550 5.7.1", "User unknown to our policy", Fault.SENDER),
        ("554 5.7.26", "Unauthenticated, DMARC", Fault.SENDER),
        ("550", "No such user here", Fault.ADDRESS),
        ("550", "Blocked: user unknown or listed in RBL", Fault.SENDER),
        ("554", "No such user here", None),
        ("550", "Requested action not taken", None),
    ],
)
def test_whose_fault_a_refusal_is(code: str, words: str, fault: Fault | None) -> None:
    assert fault_of(code, words) == fault
