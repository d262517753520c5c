"""What a body names is let through the same gate as what an address names: something of another workspace or
behind a label is answered like a number that nothing has, and is kept nowhere.
"""

from __future__ import annotations

import re

import pytest
from django.db import transaction

from tests.rights.asking import Asker, Undo
from tests.rights.world import MISSING, World

pytestmark = pytest.mark.django_db

MAIL, PLAN = '"name": "N", "addresses": ["a@here.example"]', '"name": "N", "days": [{"others": 5}]'
DRAFT = '"name": "N", "type": "scheduled", "category": "marketing"'
SAID = '"channel": "email", "state": "opted_out", "source": "call"'
DONE = '"name": "bought", "at": "2026-11-20T10:00:00Z"'
DID = '"engagement": "opened", "op": "at_most", "count": 0'
UNION = '"composition": {"union": [{"audience": {it}}]}'
APPROVERS = '"approvers": {"match": "any", "of": [{"role": {it}}]}'
# Method, address, the body with what it names as {it}, and the thing. What stands in an address is one's own.
ROWS = [
    ("PATCH", "/api/campaigns/{campaign}/", '{"audience": {it}}', "audience"),
    ("PATCH", "/api/campaigns/{campaign}/", '{"exclusions": [{it}]}', "audience"),
    ("PATCH", "/api/campaigns/{campaign}/", '{"folder": {it}}', "folder"),
    ("PATCH", "/api/campaigns/{campaign}/contents/0/", '{"configuration": {it}}', "configuration"),
    ("POST", "/api/campaigns/", f'{{{DRAFT}, "audience": {{it}}}}', "audience"),
    (
        "POST",
        "/api/campaigns/{campaign}/proofs/",
        '{"addresses": ["a@b.example"], "profile": {it}}',
        "profile",
    ),
    ("POST", "/api/access-labels/", '{"name": "N", "description": "", "roles": [{it}]}', "role"),
    ("POST", "/api/credentials/", '{"name": "N", "role": {it}}', "role"),
    ("POST", "/api/folders/", '{"name": "N", "parent": {it}}', "folder"),
    ("POST", "/api/seed-lists/", f'{{{MAIL}, "configurations": [{{it}}]}}', "configuration"),
    ("POST", "/api/seed-lists/", f'{{{MAIL}, "testProfile": {{it}}}}', "profile"),
    ("POST", "/api/warm-up-plans/", f'{{{PLAN}, "configurationId": {{it}}}}', "configuration"),
    ("POST", "/api/consents/", f'{{"consents": [{{"profileId": {{it}}, {SAID}}}]}}', "profile"),
    ("POST", "/api/events/", f'{{"events": [{{"profileId": {{it}}, {DONE}}}]}}', "profile"),
    ("POST", "/api/audiences/", '{"name": "N", "rule": {"audience": {it}, "op": "in"}}', "audience"),
    ("POST", "/api/audiences/", f'{{"name": "N", "kind": "composition", {UNION}}}', "audience"),
    ("POST", "/api/audiences/", f'{{"name": "N", "rule": {{{DID}, "campaign": {{it}}}}}}', "campaign"),
    ("POST", "/api/approval-policies/", f'{{"name": "N", {APPROVERS}}}', "role"),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[1]} {row[3]} {n}" for n, row in enumerate(ROWS)])
def test_what_a_body_names_is_missing_where_it_is_hidden(
    world: World, row: tuple[str, str, str, str]
) -> None:
    method, address, body, thing = row
    asker = Asker(world, "administrator")
    path = re.sub(r"{(\w+)}", lambda found: str(world.objects[found[1]]["own"]["pk"]), address)

    def ask(pk: int) -> tuple[int, str]:
        try:
            with transaction.atomic():
                given = body.replace("{it}", str(pk))
                headers = {**asker.headers, "If-Match": "*"}
                answer = asker.client.generic(method, path, given, "application/json", headers=headers)
                told = answer.content.decode()
                raise Undo
        except Undo:
            pass
        return answer.status_code, re.sub(rf"\b{pk}\b", "it", told)

    missing = ask(MISSING)
    for kind in ("other", "labelled"):
        if kind in world.objects[thing]:
            assert ask(world.objects[thing][kind]["pk"]) == missing, kind
    own = ask(world.objects[thing]["own"]["pk"])
    assert (own[0] < 300 or "confirmation_needed" in own[1]) and own != missing, own
