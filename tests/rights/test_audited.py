"""Whatever is changed by any door leaves an entry in the audit log: each form of the pages and of the admin
site as it is shown and filled in, and each operation of the API with the example that OpenAPI gives and with
a body that fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

import pytest

from tests.rights.judging import judge
from tests.rights.pressing import Pressed, forms, forms_of_the_admin_site, operations, settle
from tests.rights.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# What leaves no entry, with the tables it may write and no other, and why.
SIZE, LOOK, OWN = (
    {"audiences_audience", "audiences_audiencesize"},
    {"channels_sendingdomain"},
    "one's own affair",
)
SILENT: dict[str, tuple[set[str], str]] = {
    "POST /api/audiences/<int:pk>/evaluate/": (SIZE, "a count of who is in it now"),
    "/audiences/#/evaluate/": (SIZE, "a count of who is in it now"),
    "POST /api/sending-domains/<int:pk>/check/": (LOOK, "what DNS says; another state has its entry"),
    "/channels/domains/#/check/": (LOOK, "what DNS says; another state has its entry"),
    "/campaigns/feedback/#/test/": (
        {"campaigns_feedbackendpoint", "campaigns_feedbackdelivery"},
        "an event that says it is a test; the endpoint's page lists it",
    ),
    "/accounts/preferences/": ({"accounts_user"}, OWN),
    "/accounts/notices/read/": ({"accounts_notification"}, OWN),
    "/accounts/notices/#/read/": ({"accounts_notification"}, OWN),
    "/accounts/notices/prefer/": ({"accounts_noticepreference"}, OWN),
    "/campaigns/#/follow/": ({"campaigns_follow"}, OWN),
    "/campaigns/keep/": ({"campaigns_savedview", "campaigns_columns"}, OWN),
    "/admin/accounts/accesslabel/#/change/ as shown": ({"accounts_accesslabel"}, "saved as it stood"),
}
OF_THE_ADMIN_SITE = {  # all that can be changed there
    "/admin/accounts/role/#/change/ written",
    "/admin/accounts/role/#/change/ taken out",
    "/admin/accounts/user/#/change/ written",
    "/admin/accounts/workspace/add/ written",
    "/admin/accounts/workspace/#/change/ written",
    "/admin/accounts/accesslabel/add/ written",
    "/admin/accounts/accesslabel/#/change/ written",
    "/admin/accounts/accesslabel/#/delete/ as shown",
    "/admin/accounts/accesslabel/ delete_selected",
}
ITS_HISTORY = {"django_admin_log"}  # the admin site's own lines, beside the log's


def unlogged(
    doors: Iterable[Pressed], *, beside: Set[str] = frozenset()
) -> tuple[set[str], dict[str, set[str]]]:
    """The doors through which something was changed, and of those that left no entry the tables written."""
    seen: set[str] = set()
    silent: dict[str, set[str]] = {}
    for name, press in doors:
        if name in seen:
            continue
        found = judge(press)
        if found.status < 400 and (tables := found.tables - beside):
            seen.add(name)
            if not found.entries and tables - SILENT.get(name, (set(), ""))[0]:
                silent[name] = tables
    return seen, silent


def test_every_operation_of_the_api(world: World, schema: dict[str, Any]) -> None:
    settle(world)
    seen, silent = unlogged(operations(world, schema))
    assert silent == {}
    assert len(seen) > 80  # else it looks at nothing any more


def test_every_form_of_the_pages(world: World) -> None:
    seen, silent = unlogged(forms(world))
    assert silent == {}
    assert len(seen) > 75  # else it looks at nothing any more


def test_every_form_of_the_admin_site(world: World) -> None:
    seen, silent = unlogged(forms_of_the_admin_site(world), beside=ITS_HISTORY)
    assert silent == {}
    assert seen >= OF_THE_ADMIN_SITE
