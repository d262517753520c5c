"""Where people click in a message: its HTML with each tracked link's share of the clicks beside it.

Receives a frozen content and the clicks by link; returns a message that is shown locked away, like a preview.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from campaigns.models import Version
from campaigns.reports.tables import LinkPart
from campaigns.samples import values_of
from campaigns.tracking.links import LINK, number_links
from channels import rendering
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from common.percents import in_words

OPENING = re.compile(r"<a\s[^<>]*>", re.IGNORECASE)
NUMBERED = re.compile(r"\{\{ carillon_click \}\}(\d+)")
BADGE = (
    '<span style="display:inline-block;margin-right:4px;padding:1px 6px;border-radius:8px;'
    "font:600 12px/16px system-ui,sans-serif;text-decoration:none;color:{ink};background:{fill}"
    '">{share}</span>'
)
HOT, COLD = (176, 35, 24), (233, 237, 238)  # many clicks, none


def shown(version: Version, action: dict[str, Any], variant: int, links: list[LinkPart]) -> Rendered:
    """Raises RenderError where the content cannot be written without a person."""
    content, channel = Content(**action["contents"][variant]["content"]), str(action["channel"])
    urls: list[str] = []
    for one in action["contents"]:
        number_links(one["content"].get("html", ""), urls)
    clicked = {one.url: one.people for one in links if one.action == action["position"]}
    html = marked(content.html, urls, clicked)
    configuration = ChannelConfiguration.objects.filter(pk=action["configuration"]).first()
    return rendering.sample(
        replace(content, html=html),
        context={
            **values_of(
                channel,
                [content],
                person=None,
                audience=None,
                sample=None,
                workspace=version.campaign.workspace,
            ),
            "unsubscribe_url": "#",
            "preferences_url": "#",
            "mirror_url": "#",
        },
        recipient="",
        configuration=configuration or ChannelConfiguration(channel=channel),
    )


def marked(source: str, urls: list[str], clicked: dict[str, int]) -> str:
    """The HTML with a badge inside every tracked link: its share of all clicks, the warmer the more."""
    total = sum(clicked.values())

    def badged(match: re.Match[str]) -> str:
        tag = match.group()
        found = NUMBERED.search(number_links(tag, urls)) if LINK.search(tag) else None
        if found is None:
            return tag
        part = clicked.get(urls[int(found[1])], 0) / total if total else 0.0
        fill = ",".join(str(round(cold + (hot - cold) * part)) for hot, cold in zip(HOT, COLD, strict=True))
        ink = "#fff" if part > 0.4 else "#172126"
        return tag + BADGE.format(ink=ink, fill=f"rgb({fill})", share=in_words(round(100 * part)))

    return OPENING.sub(badged, source)
