"""The developers' pages: a reference drawn by files of ours under the strict policy, and the changes."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests import builders

pytestmark = pytest.mark.django_db
REFERENCE, CHANGES = "/developers/reference/", "/developers/changes/"


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(builders.person(builders.workspace(), "viewer"))
    return client


def test_the_reference_loads_nothing_from_elsewhere(viewer: Client) -> None:
    answer = viewer.get(REFERENCE)
    page = answer.content.decode()
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', page)
    assert any("swagger-ui-bundle" in one for one in loaded)
    assert all(one.startswith(("/static/", "data:")) for one in loaded)
    assert all(finders.find(one.removeprefix("/static/")) for one in loaded if one.startswith("/static/"))
    assert "<script>" not in page
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert 'data-schema="/api/schema/"' in page


def test_the_changes_are_those_of_the_document(viewer: Client) -> None:
    page = viewer.get(CHANGES).content.decode()
    assert "25 November 2026" in page
    assert "<code>If-Match</code>" in page


@pytest.mark.parametrize("address", [REFERENCE, CHANGES])
def test_strangers_sign_in_first(address: str) -> None:
    assert Client().get(address).headers["Location"].startswith("/accounts/sign-in/")


def test_the_pages_for_developers_lead_to_it() -> None:
    client = Client()
    client.force_login(builders.person(builders.workspace(), "administrator"))
    for address in ("/accounts/credentials/", "/accounts/administration/"):
        assert f'href="{REFERENCE}"' in client.get(address).content.decode()
