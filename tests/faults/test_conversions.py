"""A worker killed while it converts an attribute: each value is converted once, to one type."""

from __future__ import annotations

import signal

import pytest

from accounts.access import SYSTEM
from audiences import attributes, conversions
from audiences.models import AttributeConversion, AttributeDefinition, Profile
from tests import builders
from tests.faults.test_imports import process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PEOPLE = 40
STAGES = {
    "while it checks": "_converted:2",
    "when all fit": "_obstacle:0",
    "before a page is written": "_write:1",
    "after a page is written, before it is kept": "_written:1",
    "when it ends": "_note:0",
}
DOOMED = """
import os, signal, sys
import django
django.setup()
from audiences import conversions
conversions.PAGE = 10
name, _colon, calls = sys.argv[2].partition(":")
is_after, name = name == "_written", "_write" if name == "_written" else name
real, left = getattr(conversions, name), [int(calls)]

def doomed(*args, **kwargs):
    found = real(*args, **kwargs) if is_after else None
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return found if is_after else real(*args, **kwargs)

setattr(conversions, name, doomed)
while conversions.advance(int(sys.argv[1])):
    pass
"""


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_at_any_stage_of_a_conversion_leaves_one_that_ends_as_if_undisturbed(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "AT_ONCE", 5)
    where = builders.workspace()
    made = AttributeDefinition.objects.create(workspace=where, key="points", type="text")
    Profile.objects.bulk_create(
        Profile(workspace=where, email=f"p{n}@x.tw", attributes={"points": f"{n}.50"}) for n in range(PEOPLE)
    )
    attributes.change(made, label="", type="number", choices=[], actor=SYSTEM, now=builders.NOW)
    one = AttributeConversion.objects.get()
    assert process(DOOMED, str(one.pk), STAGES[stage]).wait(60) == -signal.SIGKILL
    one.refresh_from_db()
    assert not one.is_over
    assert not conversions.advance(one.pk)
    one.refresh_from_db()
    made.refresh_from_db()
    assert (one.state, one.seen_count, made.type, made.is_converting) == ("done", PEOPLE, "number", False)
    found = Profile.objects.order_by("pk").values_list("attributes__points", flat=True)
    assert list(found) == [n + 0.5 for n in range(PEOPLE)]
