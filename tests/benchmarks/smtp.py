"""How fast the SMTP sender is: `make bench-smtp [ARGS="--messages 4000 --rounds 5"]`.

Two figures of ratios, each the median of rounds that alternate:
- the sender alone ÷ smtp-source, 10 connections, 5 kB, the same smtp-sink;
- the share of the ideal rate where every reply to a body takes 20 ms, 20 connections: one message a
  connection every 20 ms would be 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time

import django
from django.conf import settings

SIZE, LATE = 5_120, 0.02


async def send(port: int, *, messages: int, connections: int) -> tuple[float, float]:
    """Wall and CPU seconds for messages that are written already."""
    from channels.messages import Fact, Outcome, Rendered
    from channels.providers.smtp import SmtpLane, parcel_of
    from channels.providers.smtp_line import Line, Parcel

    message = Rendered(
        key="1.0.1", recipient="b@example.com", sender_name="", sender_email="a@fernhill.example",
        reply_to="", subject="", html="", text="",
    )  # fmt: skip
    body = b"From: <a@fernhill.example>\r\n\r\n" + (b"x" * 62 + b"\r\n") * (SIZE // 64)
    parcel, left, accepted = parcel_of(message, body), messages, 0

    class Written(SmtpLane):
        def _pack(self, take: object, tell: object) -> Parcel | None:
            nonlocal left
            left -= 1
            return parcel if left >= 0 else None

    def tell(_message: Rendered, outcome: Outcome) -> None:
        nonlocal accepted
        assert outcome.fact is Fact.ACCEPTED, outcome
        accepted += 1

    lanes = [Written(Line("127.0.0.1", port, "none", "", "")) for _connection in range(connections)]
    before, started = sum(os.times()[:2]), time.perf_counter()
    await asyncio.gather(*(lane.stream(lambda: None, tell) for lane in lanes))
    taken, used = time.perf_counter() - started, sum(os.times()[:2]) - before
    await asyncio.gather(*(lane.close() for lane in lanes))
    assert accepted == messages
    return taken, used


def main() -> None:
    from tests.benchmarks import figures
    from tests.benchmarks.mailtools import late_sink, machine, sink, source

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=4_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    ratios, ours, theirs, shares = [], [], [], []
    for _round in range(given.rounds):
        with sink() as port:
            wall, cpu = source(port, messages=given.messages, size=SIZE, sessions=10)
            our_wall, our_cpu = asyncio.run(send(port, messages=given.messages, connections=10))
        ratios.append(wall / our_wall)
        theirs.append(cpu / given.messages * 1e6)
        ours.append(our_cpu / given.messages * 1e6)
        with late_sink(LATE) as port:
            few = max(given.messages // 2, 20)
            late, _cpu = asyncio.run(send(port, messages=few, connections=20))
        shares.append(few / late / (20 / LATE))
    print(f"{machine()}; {given.rounds} rounds of {given.messages} messages; median [least, most]")
    for name, values, must, aim in (
        ("sender alone ÷ smtp-source, 5 kB", ratios, 1.0, 1.5),
        ("share of the ideal rate with 20 ms reply latency", shares, 0.45, 0.88),
    ):
        middle, verdict = statistics.median(values), "missed"
        if middle >= must:
            verdict = "reached"
        spread = f"[{min(values):.2f}, {max(values):.2f}]"
        print(f"{name:50} {middle:6.2f} {spread}  must {must} {verdict}, aim {aim}")
    shown = {"sender_to_smtp_source": ratios, "share_of_ideal_at_20_ms": shares}
    figures.report({name: statistics.median(values) for name, values in shown.items()})
    us, them = statistics.median(ours), statistics.median(theirs)
    print(f"CPU per message: ours {us:.0f} µs, smtp-source {them:.0f} µs")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    assert settings.configured
    main()
