"""Other calendars and saved views over REST."""

from __future__ import annotations

import pytest

from accounts.models import AuditEntry, Workspace
from campaigns.models import CalendarEntry, ExternalCalendar, SavedView
from tests import builders
from tests.api import Caller, pointers

pytestmark = pytest.mark.django_db
CALENDARS, VIEWS = "/api/calendars/", "/api/saved-views/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def test_a_calendar_is_added_read_and_removed(where: Workspace) -> None:
    call = Caller(where, "manager")
    text = "name,start,end\nNew Year,2027-01-01,2027-01-01\nFair,2027-03-01,2027-03-05\n"
    made = call.post(CALENDARS, {"name": "Days", "content": text})
    assert made.status_code == 201 and made.json()["actions"] == ["delete"]
    assert made.json()["entries"][1] == {"name": "Fair", "first": "2027-03-01", "last": "2027-03-05"}
    assert pointers(call.post(CALENDARS, {"name": "Days", "content": text})) == [("name_taken", "/name")]
    assert pointers(call.post(CALENDARS, {"name": "Odd", "content": "x"})) == [("bad_event", "/content")]
    viewer, one = Caller(where, "viewer"), f"{CALENDARS}{made.json()['id']}/"
    assert viewer.get(f"{CALENDARS}?fields=name").json()["results"] == [
        {"id": made.json()["id"], "name": "Days"}
    ]
    assert viewer.get(one).json()["actions"] == [] and viewer.delete(one).status_code == 403
    assert Caller(builders.workspace("there"), "administrator").get(one).status_code == 404
    assert call.delete(one).status_code == 204
    assert not ExternalCalendar.objects.exists() and not CalendarEntry.objects.exists()
    assert AuditEntry.objects.filter(object_type="campaigns.externalcalendar").count() == 2


def test_a_view_is_shared_for_a_person_and_nobodys_own_is_shown_or_replaced(where: Workspace) -> None:
    call, person = Caller(where, "manager"), builders.person(where, "viewer", "mina")
    SavedView.objects.create(workspace=where, owner=person, name="Mine", query="status=live")
    body = {"name": "Live", "query": "status=live&tag=x&nonsense=1", "owner": person.email}
    made = call.post(VIEWS, body)
    assert made.status_code == 201 and made.json()["owner"] == person.email
    assert "nonsense" not in made.json()["query"] and "tag=x" in made.json()["query"]
    assert [one["name"] for one in call.get(VIEWS).json()["results"]] == ["Live"]
    assert pointers(call.post(VIEWS, {**body, "name": "Mine"})) == [("name_taken", "/name")]
    assert pointers(call.post(VIEWS, {**body, "owner": "a@b.example"})) == [("unknown_owner", "/owner")]
    own = SavedView.objects.get(name="Mine").pk
    assert call.get(f"{VIEWS}{own}/").status_code == call.delete(f"{VIEWS}{own}/").status_code == 404
    one = f"{VIEWS}{made.json()['id']}/"
    assert Caller(where, "viewer").delete(one).status_code == 403
    assert call.delete(one).status_code == 204 and SavedView.objects.get().name == "Mine"
    verbs = AuditEntry.objects.filter(object_type="campaigns.savedview").order_by("pk")
    assert [entry.verb for entry in verbs] == ["share", "delete"]
