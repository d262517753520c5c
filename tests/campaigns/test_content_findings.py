"""What is said of contents before they are sent."""

from __future__ import annotations

import pytest

from campaigns import validation
from campaigns.models import Campaign
from tests import builders

pytestmark = pytest.mark.django_db


def test_in_high_throughput_what_is_read_of_a_profile_has_to_come_with_the_call() -> None:
    where = builders.workspace()
    draft = builders.draft(where, builders.person(where, "manager"), type="api_triggered")

    def found() -> dict[str, validation.Finding]:
        return {one.code: one for one in validation.validate(draft, now=builders.NOW)}

    assert "profile_in_high_throughput" not in found()
    Campaign.objects.update(high_throughput=True)
    draft.refresh_from_db()
    told = found()["profile_in_high_throughput"]
    assert not told.is_error and "profile.name" in told.message
    draft.actions.update(
        content={**builders.CONTENT, "subject": "Hi", "html": '<a href="{{ unsubscribe_url }}">x</a>'}
    )
    assert "profile_in_high_throughput" not in found()
