"""What defines an audience: is it sound, and how does it read? One question for every kind."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audiences.models import Audience
from audiences.rules.compile import compile_rule
from audiences.rules.describe import sentence
from common.errors import Invalid, Problem


def check(audience: Audience) -> None:
    """Raises Invalid with every fault and its place below `rule`, `composition` or `topic`."""
    if audience.kind == Audience.Kind.SUBSCRIPTION:
        _check_topic(audience)
    elif audience.kind == Audience.Kind.RULE:
        compile_rule(audience.rule, audience.workspace)


def _check_topic(audience: Audience) -> None:
    topic = audience.topic
    if topic is None or topic.workspace_id != audience.workspace_id:
        raise Invalid(Problem("topic_missing", _("Choose one of the workspace's topics."), "topic"))
    if topic.archived_at:
        detail = _("The topic “%(name)s” is archived; nobody can subscribe to it.") % {"name": topic}
        raise Invalid(Problem("topic_archived", detail, "topic"))


def words(audience: Audience) -> str:
    """The definition as a sentence in the reader's language; what is wrong with it, where it is broken."""
    if audience.kind == Audience.Kind.UPLOAD:
        return _("The people brought in from files.")
    if audience.kind == Audience.Kind.SUBSCRIPTION:
        return _("Everybody who subscribed to “%(topic)s”.") % {"topic": audience.topic or "–"}
    try:
        return sentence(audience.rule, audience.workspace)
    except Invalid as error:
        return error.detail
