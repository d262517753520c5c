"""Is what defines an audience sound? One question for every kind, asked before it is saved or published."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audiences.models import Audience
from audiences.rules.compile import compile_rule
from common.errors import Invalid, Problem


def check(audience: Audience) -> None:
    """Raises Invalid with every fault and its place below `rule`, `composition` or `topic`."""
    if audience.kind == Audience.Kind.SUBSCRIPTION:
        _check_topic(audience)
    else:
        compile_rule(audience.rule, audience.workspace)


def _check_topic(audience: Audience) -> None:
    topic = audience.topic
    if topic is None or topic.workspace_id != audience.workspace_id:
        raise Invalid(Problem("topic_missing", _("Choose one of the workspace's topics."), "topic"))
    if topic.archived_at:
        detail = _("The topic “%(name)s” is archived; nobody can subscribe to it.") % {"name": topic}
        raise Invalid(Problem("topic_archived", detail, "topic"))
