"""A door asks for the right before it reads the body: who may not write learns nothing of their mistakes."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from tests.rights.addresses import every, methods
from tests.rights.world import World

pytestmark = pytest.mark.django_db
BODIES = ("", "{", '{"nonsense": 1}')


@pytest.mark.sampled(3)
@pytest.mark.parametrize("body", BODIES)
def test_nobody_without_the_right_is_told_what_is_wrong_with_their_body(world: World, body: str) -> None:
    """Every writing address of the API, as a viewer: 403, or 404 for what they cannot see either."""
    headers = {"Authorization": f"Bearer {world.tokens['viewer']}"}
    client = Client(raise_request_exception=False)
    found = []
    for address in every():
        if not address.is_api or address.path.startswith("/oauth/"):
            continue
        for method in set(methods(address)) - {"GET"}:
            with transaction.atomic():
                path = address.for_kind(world, "own")
                answer = client.generic(method, path, body, content_type="application/json", headers=headers)
                transaction.set_rollback(True)
            if answer.status_code not in (403, 404):
                found.append(f"{answer.status_code} {method} {address.path}")
    assert not found, "\n".join(found)
