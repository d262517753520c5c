"""Whatever a page can change, a call can: each address that a page posts to has its doors in the API.

A new page fails here until it has a row. `{verb}` in a door stands for each verb that the page's own table
knows, so that a new verb needs its door as well. What has none on purpose stands below with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from audiences import lifecycle as audience_lifecycle
from audiences.imports import jobs
from campaigns import bulk
from campaigns import lifecycle as campaign_lifecycle
from channels import rulesets
from channels.views import configurations
from tests.rights.test_matrix import EXPECTED

# The verbs of an address that ends with one. What is done by another door stands as `verb=METHOD path`.
SWITCHES = (*rulesets.SWITCHES, "delete=DELETE .")
VERBS: dict[str, Iterable[str]] = {
    "/audiences/<int:pk>/act/<slug:verb>/": [
        "delete=DELETE ." if verb == "delete" else verb for verb in audience_lifecycle.PRESSABLE
    ],
    "/audiences/imports/<int:pk>/<slug:verb>/": jobs.VERBS,
    "/campaigns/<int:pk>/act/<slug:verb>/": [
        "delete=DELETE ." if verb == "delete" else verb for verb in campaign_lifecycle.PRESSABLE
    ],
    "/campaigns/feedback/<int:pk>/<slug:verb>/": (
        *("switch_on", "switch_off", "rotate", "test", "again=POST ./actions/replay/", "delete=DELETE ."),
    ),
    "/campaigns/fragments/<int:pk>/act/<slug:verb>/": (
        *("publish", "archive", "unarchive=DELETE ./archive/", "delete=DELETE .", "place=PATCH ."),
    ),
    "/campaigns/templates/<int:pk>/act/<slug:verb>/": (
        *("restore=PATCH .", "delete=DELETE .", "place=PATCH ."),
    ),
    "/campaigns/policies/<int:pk>/<slug:verb>/": (
        *("activate", "deactivate", "delete=DELETE .", "duplicate=POST /api/approval-policies/"),
    ),
    "/channels/<int:pk>/<slug:verb>/": [
        "delete=DELETE ." if verb == "delete" else verb for verb in configurations.PRESSED
    ],
    "/channels/rule-sets/<int:pk>/<slug:verb>/": SWITCHES,
    "/channels/rule-sets/<int:pk>/rules/<int:rule_pk>/<slug:verb>/": SWITCHES,
    "/channels/warm-up/<int:pk>/<slug:verb>/": ("start", "complete", "delete=DELETE ."),
}
CONTENT = "PATCH /api/campaigns/{id}/contents/{position}/content/"
DOORS = {
    "/accounts/credentials/": ["POST /api/credentials/"],
    "/accounts/credentials/<int:pk>/revoke/": ["POST /api/credentials/{id}/revoke/"],
    "/accounts/credentials/<int:pk>/rotate/": ["POST /api/credentials/{id}/rotate/"],
    "/accounts/roles/new/": ["POST /api/roles/"],
    "/accounts/roles/<int:pk>/": ["PUT /api/roles/{id}/"],
    "/accounts/roles/<int:pk>/delete/": ["DELETE /api/roles/{id}/"],
    "/audiences/new/": ["POST /api/audiences/"],
    "/audiences/new/composition/": ["POST /api/audiences/"],
    "/audiences/new/subscription/": ["POST /api/audiences/"],
    "/audiences/<int:pk>/edit/": ["PATCH /api/audiences/{id}/"],
    "/audiences/<int:pk>/composition/": ["PATCH /api/audiences/{id}/"],
    "/audiences/<int:pk>/settings/": ["PATCH /api/audiences/{id}/"],
    "/audiences/<int:pk>/evaluate/": ["POST /api/audiences/{id}/evaluate/"],
    "/audiences/<int:pk>/delete/": ["DELETE /api/audiences/{id}/"],
    "/audiences/<int:pk>/act/<slug:verb>/": ["/api/audiences/{id}/{verb}/"],
    "/audiences/<int:pk>/share/": [
        *("PUT /api/audiences/{id}/shares/{holder}/", "DELETE /api/audiences/{id}/shares/{holder}/"),
    ],
    "/audiences/addresses/": ["PUT /api/addresses/"],
    "/audiences/addresses/<int:pk>/": ["PUT /api/channel-configurations/{id}/addresses/"],
    "/audiences/attributes/new/": ["POST /api/attributes/"],
    "/audiences/attributes/keys/<slug:key>/": ["PATCH /api/attributes/{key}/"],
    "/audiences/attributes/keys/<slug:key>/remove/": ["DELETE /api/attributes/{key}/"],
    "/audiences/attributes/namespaces/": ["POST /api/namespaces/"],
    "/audiences/attributes/namespaces/<slug:key>/remove/": ["DELETE /api/namespaces/{key}/"],
    "/audiences/events/import/": ["POST /api/imports/events/"],
    "/audiences/import/": ["POST /api/imports/"],
    "/audiences/imports/<int:pk>/check/": ["POST /api/imports/{id}/check/"],
    "/audiences/imports/<int:pk>/<slug:verb>/": ["/api/imports/{id}/{verb}/"],
    "/audiences/profiles/new/": ["POST /api/profiles/"],
    "/audiences/profiles/<int:pk>/": ["PATCH /api/profiles/{id}/"],
    "/audiences/profiles/<int:pk>/consents/": ["POST /api/consents/"],
    "/audiences/profiles/<int:pk>/erase/": ["DELETE /api/profiles/{id}/"],
    "/audiences/profiles/<int:pk>/identities/": ["POST /api/profiles/{id}/identities/"],
    "/audiences/profiles/<int:pk>/identities/remove/": [
        "DELETE /api/profiles/{id}/identities/{namespace}/{value}/"
    ],
    "/audiences/suppression/": ["POST /api/suppressions/"],
    "/audiences/suppression/<int:pk>/remove/": ["DELETE /api/suppressions/{id}/"],
    "/audiences/topics/new/": ["POST /api/topics/"],
    "/audiences/topics/<int:pk>/": ["PATCH /api/topics/{id}/"],
    "/audiences/topics/<int:pk>/archive/": [
        *("POST /api/topics/{id}/archive/", "POST /api/topics/{id}/reopen/"),
    ],
    "/campaigns/new/": ["POST /api/campaigns/"],
    "/campaigns/templates/<int:pk>/begin/": ["POST /api/campaigns/", CONTENT],
    "/campaigns/<int:pk>/act/<slug:verb>/": ["/api/campaigns/{id}/actions/{verb}/"],
    "/campaigns/<int:pk>/edit/<slug:tab>/": ["PATCH /api/campaigns/{id}/"],
    "/campaigns/<int:pk>/edit/channels/": [
        "POST /api/campaigns/{id}/contents/",
        "PATCH /api/campaigns/{id}/contents/{position}/",
        "DELETE /api/campaigns/{id}/contents/{position}/",
        "POST /api/campaigns/{id}/contents/{position}/move_up/",
    ],
    "/campaigns/<int:pk>/edit/content/": [CONTENT],
    "/campaigns/<int:pk>/edit/content/begin/": [CONTENT],
    "/campaigns/<int:pk>/edit/content/copy/": [CONTENT],
    "/campaigns/<int:pk>/edit/content/files/": ["POST /api/assets/", CONTENT],
    "/campaigns/<int:pk>/edit/content/languages/": ["PATCH /api/campaigns/{id}/"],
    "/campaigns/<int:pk>/edit/content/links/": [CONTENT],
    "/campaigns/<int:pk>/edit/content/template/": ["POST /api/content-templates/"],
    "/campaigns/<int:pk>/manage/": ["PATCH /api/campaigns/{id}/"],
    "/campaigns/<int:pk>/preflight/": ["POST /api/campaigns/{id}/preflight/"],
    "/campaigns/<int:pk>/proofs/": ["POST /api/campaigns/{id}/proofs/"],
    "/campaigns/<int:pk>/report/orders/": [
        "POST /api/campaigns/{id}/report-orders/",
        "PUT /api/campaigns/{id}/report-orders/{order}/",
        "DELETE /api/campaigns/{id}/report-orders/{order}/",
        "POST /api/campaigns/{id}/report-orders/{order}/actions/send_now/",
    ],
    "/campaigns/<int:pk>/share/": [
        *("PUT /api/campaigns/{id}/shares/{holder}/", "DELETE /api/campaigns/{id}/shares/{holder}/"),
    ],
    "/campaigns/assets/": ["POST /api/assets/"],
    "/campaigns/assets/<int:pk>/": ["PATCH /api/assets/{id}/"],
    "/campaigns/assets/<int:pk>/resize/": ["POST /api/assets/{id}/resize/"],
    "/campaigns/assets/<int:pk>/delete/": ["DELETE /api/assets/{id}/"],
    "/campaigns/calendars/new/": ["POST /api/calendars/"],
    "/campaigns/calendars/<int:pk>/remove/": ["DELETE /api/calendars/{id}/"],
    "/campaigns/feedback/new/": ["POST /api/feedback-webhooks/"],
    "/campaigns/feedback/<int:pk>/edit/": ["PUT /api/feedback-webhooks/{id}/"],
    "/campaigns/feedback/<int:pk>/<slug:verb>/": ["/api/feedback-webhooks/{id}/actions/{verb}/"],
    "/campaigns/folders/": [
        *("POST /api/folders/", "PUT /api/folders/{id}/", "DELETE /api/folders/{id}/"),
    ],
    "/campaigns/fragments/new/": ["POST /api/fragments/"],
    "/campaigns/fragments/<int:pk>/": ["PATCH /api/fragments/{id}/"],
    "/campaigns/fragments/<int:pk>/act/<slug:verb>/": ["/api/fragments/{id}/{verb}/"],
    "/campaigns/keep/": ["POST /api/saved-views/", "DELETE /api/saved-views/{id}/"],
    "/campaigns/many/": ["POST /api/campaigns/{id}/actions/{verb}/", "PATCH /api/campaigns/{id}/"],
    "/campaigns/policies/new/": ["POST /api/approval-policies/"],
    "/campaigns/policies/<int:pk>/": ["PUT /api/approval-policies/{id}/"],
    "/campaigns/policies/<int:pk>/<slug:verb>/": ["/api/approval-policies/{id}/actions/{verb}/"],
    "/campaigns/runs/<int:pk>/uncertain/": ["POST /api/runs/{id}/uncertain/"],
    "/campaigns/runs/<int:pk>/winner/": ["POST /api/runs/{id}/winner/"],
    "/campaigns/seed-lists/new/": ["POST /api/seed-lists/"],
    "/campaigns/seed-lists/<int:pk>/": ["PUT /api/seed-lists/{id}/"],
    "/campaigns/seed-lists/<int:pk>/delete/": ["DELETE /api/seed-lists/{id}/"],
    "/campaigns/sending/": ["POST /api/sending/"],
    "/campaigns/templates/<int:pk>/": ["PATCH /api/content-templates/{id}/"],
    "/campaigns/templates/<int:pk>/act/<slug:verb>/": ["/api/content-templates/{id}/{verb}/"],
    "/channels/new/": ["POST /api/channel-configurations/"],
    "/channels/<int:pk>/edit/": ["PATCH /api/channel-configurations/{id}/"],
    "/channels/<int:pk>/<slug:verb>/": ["/api/channel-configurations/{id}/{verb}/"],
    "/channels/<int:pk>/files/<int:file>/retry/": [
        "POST /api/channel-configurations/{id}/files/{file}/retry/"
    ],
    "/channels/<int:pk>/limits/": ["PUT /api/channel-configurations/{id}/limits/"],
    "/channels/<int:pk>/share/": [
        "PUT /api/channel-configurations/{id}/shares/{holder}/",
        "DELETE /api/channel-configurations/{id}/shares/{holder}/",
    ],
    "/channels/<int:pk>/test/": ["POST /api/channel-configurations/{id}/test/"],
    "/channels/allowed/": ["POST /api/allowed/"],
    "/channels/allowed/<int:pk>/remove/": ["DELETE /api/allowed/{id}/"],
    "/channels/allowed/switch/": ["PUT /api/allowed/state/"],
    "/channels/domains/new/": ["POST /api/sending-domains/"],
    "/channels/domains/<int:pk>/": ["PATCH /api/sending-domains/{id}/"],
    "/channels/domains/<int:pk>/check/": ["POST /api/sending-domains/{id}/check/"],
    "/channels/domains/<int:pk>/delete/": ["DELETE /api/sending-domains/{id}/"],
    "/channels/rule-sets/new/": ["POST /api/rule-sets/"],
    "/channels/rule-sets/<int:pk>/edit/": ["PUT /api/rule-sets/{id}/"],
    "/channels/rule-sets/<int:pk>/<slug:verb>/": ["/api/rule-sets/{id}/{verb}/"],
    "/channels/rule-sets/<int:pk>/rules/new/<slug:kind>/": ["POST /api/rule-sets/{id}/rules/"],
    "/channels/rule-sets/<int:pk>/rules/<int:rule_pk>/": ["PUT /api/rule-sets/{id}/rules/{rule}/"],
    "/channels/rule-sets/<int:pk>/rules/<int:rule_pk>/<slug:verb>/": [
        "/api/rule-sets/{id}/rules/{rule}/{verb}/"
    ],
    "/channels/warm-up/new/": ["POST /api/warm-up-plans/"],
    "/channels/warm-up/<int:pk>/edit/": ["PUT /api/warm-up-plans/{id}/"],
    "/channels/warm-up/<int:pk>/<slug:verb>/": ["/api/warm-up-plans/{id}/{verb}/"],
}
OWN = "somebody's own account and choices; a credential is nobody"
NOTHING = "changes nothing: it is a question whose answer is a file"
NO_DOOR = {
    "/accounts/notices/<int:pk>/read/": OWN,
    "/accounts/notices/prefer/": OWN,
    "/accounts/notices/read/": OWN,
    "/accounts/own/": OWN,
    "/accounts/own/elsewhere/": OWN,
    "/accounts/own/two-steps/": OWN,
    "/accounts/preferences/": OWN,
    "/accounts/sign-in/": OWN,
    "/accounts/welcome/<uidb64>/<token>/": OWN,
    "/accounts/workspace/": OWN,
    "/campaigns/<int:pk>/follow/": OWN,
    "/campaigns/approvals/stand-in/": "a person names who decides in their place; no credential decides",
    "/campaigns/<int:pk>/comment/": "what people say to each other, under their own names",
    "/campaigns/<int:pk>/preview/rows/": "kept in the session for the preview only; a call brings its rows",
    "/audiences/<int:pk>/export.csv": NOTHING,
    "/audiences/profiles/export.csv": NOTHING,
    "/audiences/suppression/export.csv": NOTHING,
}


def posted() -> set[str]:
    """Every address of a page that takes a POST, from what the rights matrix was told."""
    rows: dict[str, str] = json.loads(EXPECTED.read_text())
    return {
        path
        for method, path, marks in ([*row.split(" "), told] for row, told in rows.items())
        if method == "POST" and not path.startswith(("/api/", "/ajo/", "/oauth/")) and set(marks) - set("ws ")
    }


def doors_of(page: str) -> Iterator[str]:
    for door in DOORS[page]:
        if page not in VERBS:
            yield door
            continue
        thing = door.split("{verb}")[0].removesuffix("actions/")
        for verb in VERBS[page]:
            _name, is_other, other = verb.partition("=")
            if not is_other:
                yield f"POST {door.replace('{verb}', verb)}"
            else:
                yield other.replace(" ./", f" {thing}").replace(" .", f" {thing}")


@pytest.fixture
def doors(schema: dict[str, Any]) -> set[str]:
    """Of the API; an address that takes one of some verbs stands once for each."""
    found = set()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            verbs = [
                one["schema"].get("enum", [""])
                for one in operation.get("parameters", [])
                if one["in"] == "path" and one["name"] == "verb"
            ]
            found |= {f"{method.upper()} {path}"}
            found |= {f"{method.upper()} {path.replace('{verb}', one)}" for some in verbs for one in some}
    return found


def test_whatever_a_page_posts_to_has_its_doors_or_a_reason() -> None:
    assert DOORS.keys() & NO_DOOR.keys() == set()
    assert posted() == DOORS.keys() | NO_DOOR.keys()
    assert {page for page in DOORS if page.endswith("<slug:verb>/")} == VERBS.keys()


def test_every_door_that_stands_for_a_page_is_there(doors: set[str]) -> None:
    wanted = {door for page in DOORS for door in doors_of(page)}
    assert wanted - doors == set()
    assert len(wanted) > 100


def test_what_is_done_to_many_campaigns_is_done_to_one(doors: set[str]) -> None:
    """`tag` and `move` are fields."""
    for verb in set(bulk.LABELS) - {"tag", "move", "delete"}:
        assert f"POST /api/campaigns/{{id}}/actions/{verb}/" in doors, verb
