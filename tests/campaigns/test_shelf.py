"""The pages around campaigns: many at once, folders, tags, sharing, views, calendar, policies, answers."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import access
from accounts.models import AccessLabel, AuditEntry, Role, User, Workspace
from campaigns import bulk, calendar, explainer, folders, lifecycle, shelf
from campaigns.access import APPROVE, MANAGE
from campaigns.models import ApprovalPolicy, ApprovalRequest, Campaign, Folder, SavedView, Status
from channels.models import RuleSet, RuleState
from common.errors import CarillonError, IllegalTransition, Invalid, PermissionMissing
from tests import builders
from tests.api import Caller
from tests.builders import as_, who
from tests.rights.forms import Forms

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(
        2, admin="administrator", mia="manager", ana="approver", bo="approver", vera="viewer"
    )


def test_each_of_many_is_judged_by_its_own_rights_and_told(where: Workspace) -> None:
    where.approval_required = True
    where.save()
    now = timezone.now()
    hers = builders.draft(where, who("mia"))
    own = builders.draft(where, who("ana"))
    elsewhere = builders.workspace("other")
    other = builders.draft(elsewhere, builders.person(elsewhere, "manager", "zoe"))
    for one, author in ((hers, "mia"), (own, "ana")):
        lifecycle.apply(one, "request_approval", actor=who(author), now=now)
    form = {"verb": "approve", "pick": [hers.pk, own.pk, other.pk], "type": "scheduled"}
    page = as_("ana").post("/campaigns/many/", form, follow=True).content.decode()
    states = dict(Campaign.objects.values_list("pk", "status"))
    assert (states[hers.pk], states[own.pk], states[other.pk]) == ("approved", "in_review", "draft")
    assert "Nobody approves a campaign they created" in page and f"#{other.pk}" in page
    refused = bulk.apply("delete", [hers.pk], workspace=where, actor=who("vera"), now=now)
    assert not refused[0].is_done and Campaign.objects.filter(pk=hers.pk).exists()
    with pytest.raises(Invalid):
        bulk.apply("activate", [hers.pk], workspace=where, actor=who("ana"), now=now)


def test_a_form_that_is_saved_as_it_stands_changes_nothing_that_no_list_offers_any_more(
    where: Workspace,
) -> None:
    """An owner who left, a rule set that was switched off, and a folder of somebody who sees one campaign."""
    campaign, now = builders.draft(where, who("mia")), timezone.now()
    guest = builders.person(where, "viewer", "guest")
    Role.objects.get(workspace=where, builtin="viewer").permissions.clear()
    access.share(campaign, guest, ["view_campaign", "manage_campaign"])
    top = folders.create(where, name="2026", parent=None, actor=who("mia"), now=now)
    rules = RuleSet.objects.create(workspace=where, name="Night", state=RuleState.INACTIVE)
    User.objects.filter(pk=who("bo").pk).update(is_active=False)
    for owner in (who("bo"), None):
        Campaign.objects.update(folder=top, owner=owner, rule_set=rules)
        for name in ("mia", "guest"):
            for part in ("manage/", "edit/properties/"):
                address, browser = f"/campaigns/{campaign.pk}/{part}", as_(name)
                page = browser.get(address).text
                fields = next(found for at, found in Forms(page, address).found if "tags" in dict(found))
                answer = browser.post(address, {**dict(fields), "tags": f"{name} {part[:4]} {owner}"})
                assert answer.status_code == 302
                campaign.refresh_from_db()
                assert campaign.tags == [f"{name} {part[:4]} {owner}"]
                assert (campaign.owner, campaign.folder, campaign.rule_set) == (owner, top, rules), part


def test_tags_folder_and_owner_change_in_any_state_and_open_no_approval(where: Workspace) -> None:
    campaign, now = builders.draft(where, who("mia")), timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(status=Status.LIVE)
    top = folders.create(where, name="2026", parent=None, actor=who("mia"), now=now)
    form = {"tags": "#Winter, winter, vip", "folder": top.pk, "owner": who("bo").pk}
    as_("mia").post(f"/campaigns/{campaign.pk}/manage/", form)
    campaign.refresh_from_db()
    assert (campaign.tags, campaign.folder, campaign.owner) == (["Winter", "vip"], top, who("bo"))
    assert campaign.edited_by == who("mia")
    assert list(AuditEntry.objects.order_by("-pk").values_list("verb", flat=True)[:3]) == [
        "own",
        "move",
        "tag",
    ]
    with pytest.raises(IllegalTransition, match="not empty"):
        folders.delete(top, actor=who("mia"), now=now)
    inner = folders.create(where, name="Q1", parent=top, actor=who("mia"), now=now)
    with pytest.raises(Invalid, match="inside itself"):
        folders.change(top, name="2026", parent=inner, actor=who("mia"), now=now)
    with pytest.raises(PermissionMissing):
        folders.create(where, name="X", parent=None, actor=who("vera"), now=now)
    page = as_("vera").get(f"/campaigns/?folder={top.pk}&status=all").content.decode()
    assert "Winter layers" in page and "2026 / Q1" in page
    assert Folder.objects.count() == 2


def test_a_campaign_is_shared_with_no_more_than_one_has_and_labels_stand_above(where: Workspace) -> None:
    campaign, now = builders.draft(where, who("mia")), timezone.now()
    share = {"holder": f"user:{who('vera').pk}", "level": "edit"}
    as_("mia").post(f"/campaigns/{campaign.pk}/share/", share)
    assert access.may(who("vera"), "campaigns.manage_campaign", campaign)
    as_("mia").post(f"/campaigns/{campaign.pk}/share/", {**share, "level": "approve"})
    assert not access.may(who("vera"), "campaigns.approve_campaign", campaign)
    for bad in (
        {"holder": f"user:{who('mia').pk}", "level": "edit"},
        {"holder": "user:99999", "level": "edit"},
    ):
        as_("mia").post(f"/campaigns/{campaign.pk}/share/", bad)
    assert len(shelf.SHARING.shares_of(campaign)) == 1
    label = AccessLabel.objects.create(workspace=where, name="Board")
    with pytest.raises(Invalid, match="one of your roles holds"):
        shelf.set_labels(campaign, [label], actor=who("mia"), now=now)
    label.roles.add(Role.objects.get(workspace=where, builtin="manager"))
    shelf.set_labels(campaign, [label], actor=who("mia"), now=now)
    assert as_("vera").get(f"/campaigns/{campaign.pk}/review/").status_code == 404
    as_("mia").post(f"/campaigns/{campaign.pk}/share/", {**share, "withdraw": "1"})
    assert not shelf.SHARING.shares_of(campaign)


@pytest.mark.parametrize("status", [Status.DRAFT, Status.IN_REVIEW, Status.LIVE])
def test_the_explainer_says_what_the_verbs_then_do(where: Workspace, status: str) -> None:
    campaign = builders.draft(where, who("mia"))
    if status == Status.IN_REVIEW:
        lifecycle.apply(campaign, "request_approval", actor=who("mia"), now=timezone.now())
    if status == Status.LIVE:
        lifecycle.apply(campaign, "activate", actor=who("ana"), now=timezone.now())
    campaign.refresh_from_db()
    for name in ("mia", "ana", "vera"):
        for verb in ("request_approval", "approve", "activate", "pause", "stop", "archive"):
            answer = explainer.can(who(name), verb, campaign, now=timezone.now())
            mark = transaction.savepoint()
            try:
                lifecycle.apply(campaign, verb, actor=who(name), now=timezone.now(), comment="why")
                did = True
            except CarillonError:
                did = False
            transaction.savepoint_rollback(mark)
            assert answer.allowed == did, (name, verb, answer.sentence)
    page = as_("vera").get(f"/campaigns/{campaign.pk}/manage/?who={who('mia').pk}").content.decode()
    assert "Mia – Approve: no." in page


def test_views_and_columns_are_kept_and_the_list_asks_as_much_for_one_as_for_many(where: Workspace) -> None:
    client = as_("mia")
    builders.draft(where, who("mia"), tags=["winter"])
    client.get("/campaigns/")
    with CaptureQueriesContext(connection) as few:
        client.get("/campaigns/?status=all")
    for _number in range(6):
        builders.draft(where, who("mia"))
    with CaptureQueriesContext(connection) as many:
        page = client.get("/campaigns/?status=all").content.decode()
    assert len(many) == len(few) and page.count("Winter layers") >= 7
    client.post("/campaigns/keep/", {"columns": "1", "column": ["status", "owner"]})
    assert "sort=owner" in client.get("/campaigns/").content.decode()
    client.post("/campaigns/keep/", {"name": "Mine", "shared": "on", "tag": "winter", "evil": "//x"})
    view = SavedView.objects.get()
    assert "evil" not in view.query and "tag=winter" in view.query
    assert "Mine" in as_("vera").get("/campaigns/").content.decode()
    assert as_("vera").post("/campaigns/keep/", {"forget": view.pk}).status_code == 404
    for odd in ("?folder=99999999999999999999", "?since=2026-02-30", "?sort=-password", "?tag=%00&page=-1"):
        assert client.get(f"/campaigns/{odd}").status_code == 200


CSV = "name,start,end\nSummer break,07/01/26,08/31/26\n"
ICS = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:New year\r\n  holiday\r\nDTSTART;VALUE=DATE:20261231\r\n"
    "DTEND;VALUE=DATE:20270102\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def test_other_calendars_come_from_csv_and_icalendar(where: Workspace) -> None:
    assert calendar.read(CSV.encode()) == [("Summer break", date(2026, 7, 1), date(2026, 8, 31))]
    assert calendar.read(ICS.encode()) == [("New year holiday", date(2026, 12, 31), date(2027, 1, 1))]
    client = as_("mia")
    upload = SimpleUploadedFile("events.csv", CSV.encode())
    client.post("/campaigns/calendars/new/", {"name": "Shops", "file": upload})
    assert "Summer break" in client.get("/campaigns/calendar/?span=month&day=2026-07-15").content.decode()
    for bad in (
        b"",
        b"\xff\xfe",
        b"x,notadate\ny,2026-13-01\n",
        b'a,"b',
        b"x,2026-02-02,2026-01-01\n",
        b"\0" * 9,
    ):
        with pytest.raises(Invalid):
            calendar.add(where, name="Bad", content=bad, actor=who("mia"), now=timezone.now())
    assert as_("vera").post("/campaigns/calendars/new/", {"name": "V"}).status_code == 403


def test_the_calendar_shows_runs_and_hides_what_a_label_hides(where: Workspace) -> None:
    campaign = builders.draft(where, who("mia"))
    lifecycle.apply(campaign, "activate", actor=who("ana"), now=timezone.now())
    page = as_("vera").get("/campaigns/calendar/").content.decode()
    assert "Winter layers" in page
    run = campaign.runs.get()
    assert "Everybody" in as_("vera").get(f"/campaigns/calendar/?run={run.pk}").content.decode()
    campaign.labels.create(workspace=where, name="Board")
    assert "Winter layers" not in as_("vera").get(f"/campaigns/calendar/?run={run.pk}").content.decode()


def test_a_policy_is_made_on_its_page_and_two_approvers_decide_on_theirs(where: Workspace) -> None:
    admin = as_("admin")
    form = {
        "name": "Two people",
        "priority": 3,
        "remind_hours": 24,
        "match": "all",
        "between": "all",
        "field0": "category:marketing",
        "field1": "audience_size",
        "value1": "1",
        "who0": [f"user:{who('ana').pk}", f"user:{who('bo').pk}"],
        "match0": "all",
        "match1": "any",
        "match2": "any",
    }
    assert admin.post("/campaigns/policies/new/", {**form, "value1": "many"}).status_code == 400
    assert admin.post("/campaigns/policies/new/", form).status_code == 302
    policy = ApprovalPolicy.objects.get()
    assert as_("ana").get("/campaigns/policies/").status_code == 403
    admin.post(f"/campaigns/policies/{policy.pk}/activate/")
    campaign = builders.draft(where, who("mia"))
    asked = {"comment": "By Friday", "due": "2031-01-31"}
    as_("mia").post(f"/campaigns/{campaign.pk}/act/request_approval/", asked)
    assert ApprovalRequest.objects.get().due_at
    assert "By Friday" in as_("ana").get("/campaigns/approvals/").content.decode()
    assert "Nothing waits for you" in as_("admin").get("/campaigns/approvals/").content.decode()
    as_("ana").post(f"/campaigns/{campaign.pk}/act/approve_and_activate/")
    campaign.refresh_from_db()
    assert campaign.status == Status.IN_REVIEW
    assert "Still asked: Bo" in as_("mia").get(f"/campaigns/{campaign.pk}/review/").content.decode()
    as_("bo").post(f"/campaigns/{campaign.pk}/act/approve_and_activate/")
    campaign.refresh_from_db()
    assert campaign.status == Status.LIVE
    bell = as_("mia").get("/accounts/notices/").content.decode()
    assert "Bo approved “Winter layers”." in bell


def test_a_role_of_ones_own_and_the_log_with_its_check(where: Workspace) -> None:
    admin = as_("admin")
    admin.post("/accounts/roles/new/", {"title": "Auditor", "permission": ["accounts.view_audit_log"]})
    role = Role.objects.get(title="Auditor")
    who("vera").groups.add(role.group_ptr)
    assert "The chain holds" in as_("vera").get("/accounts/log/?verify=1").content.decode()
    builtin = Role.objects.get(workspace=where, builtin="administrator")
    answer = admin.post(f"/accounts/roles/{builtin.pk}/", {"title": "Campaign administrator"})
    assert answer.status_code == 400 and "Nobody could manage" in answer.content.decode()
    assert admin.post(f"/accounts/roles/{role.pk}/delete/").status_code == 409
    assert (
        admin.post("/accounts/roles/new/", {"title": "X", "permission": ["auth.add_user"]}).status_code == 400
    )
    assert as_("ana").get("/accounts/administration/").status_code == 403
    campaign = builders.draft(where, who("mia"), name="Secret plan")
    campaign.labels.create(workspace=where, name="Board")
    assert "Secret plan" not in as_("vera").get("/accounts/log/").content.decode()


def test_a_campaign_is_shared_by_rest_as_by_its_page(where: Workspace) -> None:
    campaign, vera = builders.draft(where, who("mia")), who("vera")
    address, call = f"/api/campaigns/{campaign.pk}/shares/", Caller(where, "manager")
    assert f"user:{vera.pk}" in [one["holder"] for one in call.get(address).json()["available"]]
    given = call.put(f"{address}user:{vera.pk}/", {"level": "edit"})
    assert given.json() == {"holder": f"user:{vera.pk}", "name": "Vera", "level": "edit"}
    assert access.may(vera, MANAGE, campaign) and call.get(address).json()["results"] == [given.json()]
    refused = call.put(f"{address}user:{vera.pk}/", {"level": "approve"})  # nobody gives what they lack
    assert refused.status_code == 403 and not access.may(vera, APPROVE, campaign)
    assert Caller(where, "viewer").get(address).status_code == 403
    assert call.delete(f"{address}user:{vera.pk}/").status_code == 204
    assert not access.may(vera, MANAGE, campaign)
