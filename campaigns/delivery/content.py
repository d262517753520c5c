"""A version's content, compiled once per process, with our links and pixel in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from audiences import preferences
from campaigns.models import Campaign, Version
from campaigns.tracking import tokens
from campaigns.tracking.links import links_of, number_links, with_pixel, with_trap
from campaigns.tracking.tokens import MessageKey
from channels import attachments as attached
from channels import rendering, sending
from channels.messages import Attachment, Content, Rendered
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.sandbox import Ready


@dataclass(frozen=True)
class Letter:
    """One content of a version's action, ready to be written to anybody."""

    compiled: rendering.Compiled
    content: Content  # as it was written, without our links and pixel
    is_marketing: bool
    channel: str
    campaign_id: int
    campaign_name: str
    is_proof: bool = False
    files: tuple[dict[str, str], ...] = ()  # by reference, see `channels/attachments.py`

    @cached_property
    def plain(self) -> rendering.Compiled:
        """For who wants not to be followed."""
        return rendering.compile_content(self.content, self.channel)

    def write(
        self,
        key: MessageKey,
        address: str,
        *,
        profile_id: int | None,
        profile: dict[str, Any],
        audience: dict[str, Any],
        context: dict[str, Any],
        configuration: ChannelConfiguration,
        attachments: tuple[Attachment, ...] = (),
        is_followed: bool = True,
        leaves: bool = False,
    ) -> Rendered:
        """Raises RenderError. The Message-ID comes from the key, so it is the same for every try. A message
        that `leaves` at once is written as its provider hands it over, any other so that it can be shown.
        """
        urls, name = tokens.urls_of(key), str(key)
        leave = urls.unsubscribe_url
        values = {
            "profile": profile,
            "audience": audience,
            "context": context,
            "unsubscribe_url": leave,
            "carillon_click": Ready(urls.click_base),  # in every link
            "carillon_open": urls.open_url,
            "campaign": {"id": self.campaign_id, "name": self.campaign_name},
        }
        if self.is_proof or key.ref >= tokens.SEEDS:
            values["preferences_url"] = leave  # of nobody: it shows a page and changes nothing
        elif profile_id is not None and "preferences_url" in self.compiled.names:
            values["preferences_url"] = preferences.url_of(profile_id)
        if "mirror_url" in self.compiled.names:
            values["mirror_url"] = tokens.mirror_url(key)
        message = rendering.render(
            self.compiled if is_followed else self.plain,
            context=values,
            key=name,
            recipient=address,
            configuration=configuration,
            dress=sending.dress(
                configuration, key=name, values=values, leave=leave if self.is_marketing else ""
            ),
            encoded=leaves and registry.takes_mime(configuration.provider),
        )
        return replace(message, attachments=attachments) if attachments else message


@lru_cache(maxsize=256)
def letter(version_id: int, position: int, variant: int) -> Letter:
    """A version never changes, so what was compiled stays right."""
    version = Version.objects.select_related("campaign").get(pk=version_id)
    return letter_of(version.definition, position, variant, version.campaign)


def letter_of(definition: dict[str, Any], position: int, variant: int, campaign: Campaign) -> Letter:
    """The same of what is not frozen yet."""
    action = action_of(definition, position)
    content = Content(**action["contents"][variant]["content"])
    channel = str(action["channel"])
    return Letter(
        rendering.compile_content(
            replace(content, html=_followed(content.html, definition, action)), channel
        ),
        content,
        definition["category"] == "marketing",
        channel,
        campaign.pk,
        campaign.name,
        "proof" in definition,
        tuple(attached.references(content)),
    )


def _followed(html: str, definition: dict[str, Any], action: dict[str, Any]) -> str:
    """With the links, the trap and the pixel that tell what is done, as far as the campaign wants them."""
    untracked = definition.get("untracked", ())
    if "clicks" not in untracked and (urls := links_of(action)):
        html = with_trap(number_links(html, urls))
    return html if "opens" in untracked else with_pixel(html)


def action_of(definition: dict[str, Any], position: int) -> dict[str, Any]:
    return next(action for action in definition["actions"] if action["position"] == position)
