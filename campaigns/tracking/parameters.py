"""The parameters a configuration adds to tracked links, such as utm_campaign, worked out when one is clicked.

They are added to the stored destination, in front of its fragment; one that is there already stays as it is.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from audiences.context import contexts
from campaigns.models import Message, Run
from campaigns.tracking.tokens import MessageKey
from channels import sending
from channels.models import ChannelConfiguration
from common.errors import Invalid


def with_parameters(url: str, key: MessageKey) -> str:
    run = Run.objects.select_related("version", "campaign").filter(pk=key.run_id).first()
    row = _configuration(run, key.action) if run else None
    if run is None or row is None or not row.settings.get("url_parameters"):
        return url
    try:
        return _added(url, sending.parameters(row, _values(run, row, key)))
    except Invalid:  # settings of a time when other rules held
        return url


def _configuration(run: Run, position: int) -> ChannelConfiguration | None:
    actions = run.version.definition["actions"]
    used = [action["configuration"] for action in actions if action["position"] == position]
    return ChannelConfiguration.objects.filter(pk__in=used).first()


def _values(run: Run, row: ChannelConfiguration, key: MessageKey) -> dict[str, Any]:
    values: dict[str, Any] = {"campaign": {"id": run.campaign_id, "name": run.campaign.name}}
    if any(name.startswith("profile.") for name in sending.names(row)):
        message = Message.objects.filter(**key._asdict()).first()
        profile_id = message.profile_id if message else None
        people = contexts([profile_id], run.campaign.workspace_id) if profile_id else {}
        values["profile"] = people.get(profile_id or 0, {})
    return values


def _added(url: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(url)
    there = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    more = urlencode({name: value for name, value in parameters.items() if value and name not in there})
    query = "&".join(filter(None, (parts.query, more)))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))
