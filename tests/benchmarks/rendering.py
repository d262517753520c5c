"""How fast a message is written: `make bench-rendering [ARGS="--messages 400 --rounds 7"]`.

Rendering and MIME of a 23 kB newsletter with ten values and twenty tracked links, subject, preheader and a
text version, through the sandbox, ÷ a bare Jinja2 rendering of the same HTML. Rounds alternate; CPU time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django
import jinja2

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALUES = ("first_name", "last_name", "city", "tier", "points", "shop", "coupon", "birthday", "tree", "color")


def newsletter() -> str:
    style = "".join(f".c{n}{{color:#1a{n:02x}33;padding:{n}px;font-family:Arial}}" for n in range(60))
    rows = "".join(
        f'<tr><td class="c{n}" style="padding:8px 16px;font-size:15px;line-height:22px">'
        f"<p>親愛的 {{{{ profile.{name} }}}}, the harvest of the valley has come in &amp; waits for you.</p>"
        f'<a href="{{{{ carillon_click }}}}{2 * n}" style="color:#155">Read more</a> · '
        f'<a href="{{{{ carillon_click }}}}{2 * n + 1}" style="color:#155">Choose a box</a>'
        f"<p>{'Every box is packed by hand on the morning it leaves the farm. ' * 20}</p></td></tr>\n"
        for n, name in enumerate(VALUES)
    )
    head = f"<!doctype html><html><head><style>{style}</style></head><body>"
    pixel = '<img src="{{ carillon_open }}" width="1" height="1" alt="">'
    return f"{head}<table>{rows}</table>{pixel}</body></html>"


def per_call(work: Callable[[], Any], times: int) -> float:
    started = time.process_time()
    for _call in range(times):
        work()
    return (time.process_time() - started) / times


def main() -> None:
    from channels import mime, rendering
    from channels.messages import Content
    from channels.models import ChannelConfiguration
    from channels.sending import Dress
    from tests.benchmarks import figures
    from tests.benchmarks.mailtools import machine

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=400)
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    html = newsletter()
    numbers = itertools.count()

    def person() -> dict[str, str]:
        """Nobody has what another one has."""
        number = next(numbers)
        return {name: f"陳 {name} & Söhne {number}" for name in VALUES}

    context: dict[str, Any] = {
        "carillon_click": "https://links.fernhill.example/c/AAAAAQAAAAAAAQ7f1x9Qm4kz1p8w3e/",
        "carillon_open": "https://links.fernhill.example/o/AAAAAQAAAAAAAQ7f1x9Qm4kz1p8w3e",
    }
    headers = {
        "List-Unsubscribe": "<https://links.fernhill.example/u/AAAAAQAAAAAAAQ7f1x9Qm4kz1p8w3e>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    content = Content("早一天 for {{ profile.first_name }}", "Only for {{ profile.city }}", html, "")
    compiled = rendering.compile_content(content)
    configuration = ChannelConfiguration(
        provider="smtp", channel="email", sender_name="Fernhill 蕨丘", sender_email="hello@fernhill.example"
    )
    bare = jinja2.Environment(autoescape=True).from_string(html)

    def plainly() -> str:
        return bare.render({**context, "profile": person()})

    def ours() -> bytes:
        message = rendering.render(
            compiled, context={**context, "profile": person()}, key="1.0.1", recipient="ana@example.com",
            configuration=configuration, dress=Dress(headers), encoded=True,
        )  # fmt: skip
        return mime.build(message, now=NOW)

    size = len(ours())
    ratios, costs = [], []
    for _round in range(given.rounds):
        plain = per_call(plainly, given.messages)
        mine = per_call(ours, given.messages)
        ratios.append(mine / plain)
        costs.append(mine * 1e6)
    middle = statistics.median(ratios)
    verdict = "reached" if middle <= 5 else "missed"
    spread = f"[{min(ratios):.2f}, {max(ratios):.2f}]"
    print(f"{machine()}; HTML of {len(html.encode())} octets, message of {size}")
    print(f"render + MIME ÷ plain Jinja render {middle:6.2f} {spread}  must 5 {verdict}, aim 3")
    figures.report({"rendering_to_plain_jinja": middle})
    print(f"CPU per message: {statistics.median(costs):.0f} µs")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main()
