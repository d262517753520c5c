"""Two tabs of one browser: neither takes back what the other chose, and a form works where it stands."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.utils import timezone

from accounts.models import Role, User, Workspace
from accounts.sessions import AGAIN, NOTES
from campaigns.models import Folder
from tests import builders
from tests.builders import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def places() -> list[Workspace]:
    return [builders.workspace("production"), builders.workspace("staging")]


@pytest.fixture
def ana(places: list[Workspace]) -> User:
    person = builders.person(places[0], "manager", "ana")
    person.groups.add(Role.objects.get(workspace=places[1], builtin="manager").group_ptr)
    return person


def session(key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def test_a_request_writes_back_only_what_it_changed(ana: User) -> None:
    key = signed_in(ana).session.session_key
    first, second = session(key), session(key)
    first["workspace"], second["note"] = 1, "seen"  # both have read the session before either writes
    for one in (first, second):
        one.save()
    first["workspace"] = 2
    del second["note"]
    for one in (first, second):
        one.save()
    found = dict(session(key).items())
    assert found["workspace"] == 2 and "note" not in found and found["_auth_user_id"] == str(ana.pk)


def test_the_note_that_somebody_is_here_leaves_the_choice_of_another_tab(
    ana: User, places: list[Workspace]
) -> None:
    client, now = signed_in(ana), timezone.now()
    old = (now - AGAIN - timedelta(minutes=1)).isoformat()
    kept = client.session
    kept[NOTES] = {"begun": old, "seen": old}
    kept.save()
    slow = session(kept.session_key)  # a page that takes long has read the session and will note its use
    slow[NOTES] = {"begun": old, "seen": now.isoformat()}
    client.post("/accounts/workspace/", {"workspace": places[1].slug})
    slow.save()
    assert client.session["workspace"] == places[1].pk
    assert client.session[NOTES]["seen"] == now.isoformat()


def test_a_session_that_was_ended_is_not_brought_back(ana: User) -> None:
    client = signed_in(ana)
    slow = session(client.session.session_key)
    slow["note"] = 1
    client.post("/accounts/sign-out/")
    with pytest.raises(UpdateError):
        slow.save()
    assert not session(slow.session_key).exists(slow.session_key)


def test_a_form_works_in_the_workspace_of_its_page_whatever_was_chosen_since(
    ana: User, places: list[Workspace]
) -> None:
    client = signed_in(ana)
    client.post("/accounts/workspace/", {"workspace": places[0].slug})
    page = client.get("/campaigns/").content.decode()
    here = re.search(r'name="here" value="([\w-]+)"', page)
    assert here and here[1] == places[0].slug
    client.post("/accounts/workspace/", {"workspace": places[1].slug})  # in another tab
    client.post("/campaigns/folders/", {"here": here[1], "name": "Winter"})
    assert [one.workspace for one in Folder.objects.all()] == [places[0]]
    assert client.session["workspace"] == places[0].pk  # the page that comes next shows what was done


def test_a_form_of_a_workspace_one_has_left_does_nothing(ana: User, places: list[Workspace]) -> None:
    client = signed_in(ana)
    ana.groups.remove(Role.objects.get(workspace=places[1], builtin="manager").group_ptr)
    for slug in (places[1].slug, "nowhere"):
        assert client.post("/campaigns/folders/", {"here": slug, "name": "Winter"}).status_code == 404
    assert not Folder.objects.exists()
