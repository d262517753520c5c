"""API credentials and notices over REST: for who manages the workspace; a token is shown once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import notices
from accounts.models import ApiCredential, AuditEntry, Notification, Role, Workspace
from tests import builders
from tests.api import Caller, pointers

pytestmark = pytest.mark.django_db
HERE = "/api/credentials/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def role_of(where: Workspace, name: str) -> int:
    return int(Role.objects.get(workspace=where, builtin=name).pk)


def test_a_credential_is_issued_used_rotated_and_revoked(where: Workspace) -> None:
    call = Caller(where, "administrator")
    answer = call.post(HERE, {"name": "Shop", "role": role_of(where, "viewer"), "callsPerMinute": 60})
    made = answer.json()
    assert answer.status_code == 201 and made["token"].startswith(made["prefix"] + ".")
    assert (made["state"], made["actions"]) == ("active", ["rotate", "revoke"])
    shop, one = Caller(None), f"{HERE}{made['id']}/"
    shop.headers = {"Authorization": f"Bearer {made['token']}"}
    assert shop.get("/api/campaigns/").status_code == 200
    secret = made["token"].partition(".")[2]
    assert all(secret not in call.get(path).content.decode() for path in (HERE, one))
    newer = call.post(f"{one}rotate/", None).json()["token"]
    for token in (made["token"], newer):
        shop.headers = {"Authorization": f"Bearer {token}"}
        assert shop.get("/api/campaigns/").status_code == 200
    assert call.post(f"{one}revoke/", None).json()["state"] == "revoked"
    assert shop.get("/api/campaigns/").status_code == 401
    assert call.post(f"{one}rotate/", None).status_code == 409
    told = AuditEntry.objects.filter(object_type="accounts.apicredential", object_key=str(made["id"]))
    assert sorted(told.values_list("verb", flat=True)) == ["issue", "revoke", "rotate"]


def test_the_list_finds_credentials_by_state_and_name(where: Workspace) -> None:
    call, now = Caller(where, "administrator"), timezone.now()
    made = {}
    for name in ("old", "dead", "young"):
        body = {"name": name, "role": role_of(where, "viewer")}
        if name == "young":
            body["expiresAt"] = (now + timedelta(days=1)).isoformat()
        made[name] = call.post(HERE, body).json()["id"]
    ApiCredential.objects.filter(pk=made["old"]).update(expires_at=now)
    call.post(f"{HERE}{made['dead']}/revoke/", None)

    def named(query: str) -> list[str]:
        return [one["name"] for one in call.get(f"{HERE}?{query}").json()["results"]]

    assert named("state=active&ordering=name") == ["administrator", "young"]
    assert (named("state=expired"), named("state=revoked"), named("search=OUN")) == (
        ["old"],
        ["dead"],
        ["young"],
    )


def test_what_cannot_be_issued_is_refused_at_its_place(where: Workspace) -> None:
    call, elsewhere = Caller(where, "administrator"), builders.workspace("elsewhere")
    mine = role_of(where, "viewer")
    for body, fault in (
        ({"name": "X", "role": role_of(elsewhere, "administrator")}, ("unknown", "/role")),
        ({"name": "X", "role": mine, "expiresAt": "2020-01-01T00:00:00Z"}, ("bad_expiry", "/expiresAt")),
        ({"name": "X", "role": mine, "callsPerMinute": 0}, ("min_value", "/callsPerMinute")),
        ({"name": "X", "role": mine, "token": "mine"}, ("unknown_field", "/token")),
    ):
        assert pointers(call.post(HERE, body)) == [fault]
    assert ApiCredential.objects.filter(name="X").count() == 0


def test_only_who_manages_the_workspace_sees_credentials_and_none_of_elsewhere(where: Workspace) -> None:
    elsewhere = builders.workspace("elsewhere")
    Caller(elsewhere, "administrator")
    other = ApiCredential.objects.get(workspace=elsewhere).pk
    for role in ("viewer", "manager", "approver"):
        call = Caller(where, role)
        assert call.get(HERE).status_code == 403
        assert call.post(HERE, {"name": "X", "role": role_of(where, "administrator")}).status_code == 403
    call = Caller(where, "administrator")
    for path in (f"{HERE}{other}/", f"{HERE}{other}/rotate/", f"{HERE}{other}/revoke/"):
        assert call("GET" if path.endswith(f"{other}/") else "POST", path).status_code == 404


def test_notices_are_read_by_who_manages_the_workspace_only_and_none_is_about_what_is_hidden(
    where: Workspace,
) -> None:
    person = builders.person(where, "manager")
    campaign = builders.draft(where, person)
    kind = sorted(notices.KINDS)[0]
    Notification.objects.create(
        user=person,
        workspace=where,
        kind=kind,
        values=dict.fromkeys(("campaign", "who", "name", "audience", "why", "file", "count"), "Spring"),
        object_type="campaigns.campaign",
        object_key=str(campaign.pk),
        address="/campaigns/1/",
        at=timezone.now(),
    )
    assert Caller(where, "manager").get("/api/notices/").status_code == 403
    call = Caller(where, "administrator")
    (told,) = call.get(f"/api/notices/?kind={kind}&unread=true").json()["results"]
    assert (told["kind"], told["person"], told["readAt"]) == (kind, person.email, None)
    Notification.objects.update(object_key="0")  # of what is there no more
    assert call.get("/api/notices/").json()["results"] == []
