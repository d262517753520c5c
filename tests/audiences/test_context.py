"""What a message may know of a person, and how it reads."""

from __future__ import annotations

import pytest

from accounts.access import SYSTEM
from audiences import attributes, context
from audiences.models import Profile
from audiences.upsert import Given, upsert
from channels.sandbox import compile_template
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ profile.external_id }} {{ profile.email }}", "c-7 a@example.com"),
        ("{{ profile.vip }} {{ profile.gone }} {{ profile.vip ~ '!' }}", "true false true!"),
        ("{% if profile.gone %}a{% else %}b{% endif %}{{ '是' if profile.vip else '否' }}", "b是"),
        ("[{{ profile.phone }}{{ profile.unset }}]{% if not profile.unset %}none{% endif %}", "[]none"),
    ],
)
def test_a_person_s_fields_read_the_same_in_every_message(source: str, expected: str) -> None:
    where = builders.workspace()
    for key in ("vip", "gone", "unset"):
        attributes.define(where, key=key, type="boolean", actor=SYSTEM, now=builders.NOW)
    names = [("email", "a@example.com"), ("external_id", "c-7")]
    given = Given(names, attributes={"vip": True, "gone": False})
    upsert(where, [given], actor=SYSTEM, now=builders.NOW)
    person = Profile.objects.get()
    known = context.contexts([person.pk], where.pk)[person.pk]
    assert "external_id" in context.names(where) and known["vip"] is True
    for html in (False, True):
        assert compile_template(source, html=html).render({"profile": known}) == expected
