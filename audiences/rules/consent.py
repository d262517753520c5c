"""{"consent": "email", "topic": "news", "op": "is", "value": "yes"}: what a person allows.

Without a topic it is about the whole channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.models import ConsentState, Topic
from audiences.query import Query
from audiences.reachability import CHANNELS, WORDS
from audiences.rules.reading import Reader, echo
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("consent", "topic", "op", "value")
NONE = "none"  # nothing was ever said
VALUES: dict[str, Any] = {**dict(ConsentState.choices), NONE: gettext_lazy("never asked")}
OPERATORS: dict[str, Any] = {
    "is": gettext_lazy("consent for %(what)s is “%(value)s”"),
    "is_not": gettext_lazy("consent for %(what)s is not “%(value)s”"),
}


@dataclass(frozen=True)
class OfConsent:
    channel: str
    topic: Topic | None
    op: str
    value: str


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> OfConsent | None:
    channel = reader.choice(raw["consent"], CHANNELS, "rule_unknown_channel", f"{pointer}/consent")
    op = reader.choice(raw.get("op"), OPERATORS, "rule_unknown_operator", f"{pointer}/op")
    value = reader.choice(raw.get("value"), VALUES, "rule_bad_value", f"{pointer}/value")
    key, topic = raw.get("topic"), None
    if key is not None:
        topic = reader.scope.topics.get(key) if isinstance(key, str) else None
        if topic is None:
            detail = _("There is no topic “%(key)s”.") % {"key": echo(key)}
            reader.fault("rule_unknown_topic", detail, f"{pointer}/topic")
            return None
    return OfConsent(channel, topic, op, value) if channel and op and value else None


def sql(asked: OfConsent, scope: Scope) -> Query:
    found = said(asked.channel, asked.topic.pk if asked.topic else None, asked.value)
    return found if asked.op == "is" else found.opposite()


def said(channel: str, topic_id: int | None, value: str) -> Query:
    rows = Query(
        "EXISTS (SELECT 1 FROM audiences_consent c WHERE c.profile_id = p.id AND c.channel = %s", (channel,)
    )
    rows += Query(" AND c.topic_id = %s", (topic_id,)) if topic_id else Query(" AND c.topic_id IS NULL")
    if value != NONE:
        rows += Query(" AND c.state = %s", (value,))
    met, unmet = f"{rows.sql})", f"NOT {rows.sql})"
    return Query(unmet, rows.params, met) if value == NONE else Query(met, rows.params, unmet)


def words(asked: OfConsent, scope: Scope) -> str:
    what = WORDS[asked.channel]
    if asked.topic:
        what = _("“%(topic)s” by %(channel)s") % {"topic": asked.topic.name, "channel": WORDS[asked.channel]}
    return str(OPERATORS[asked.op] % {"what": what, "value": VALUES[asked.value]})
