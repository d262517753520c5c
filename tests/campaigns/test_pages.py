"""The campaign pages by the front door, for each role; every page renders, every verb is guarded."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User, Workspace
from campaigns import lifecycle, validation
from campaigns.models import Campaign, Run
from tests import builders
from tests.builders import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    return made


def post(client: Client, campaign: Campaign, verb: str, **form: str) -> Any:
    return client.post(f"/campaigns/{campaign.pk}/act/{verb}/", form, follow=True)


def test_a_manager_drafts_and_an_approver_sends_it_all_by_page(where: Workspace) -> None:
    configuration = builders.configuration(where)
    audience = builders.audience(where)
    manager, approver = (signed_in(builders.person(where, role)) for role in ("manager", "approver"))
    form = {"name": "Winter 冬季", "type": "scheduled", "category": "marketing"}
    assert manager.post("/campaigns/new/", form).status_code == 302
    campaign = Campaign.objects.get()
    tabs: dict[str, dict[str, Any]] = {
        "properties": {
            "name": "Winter 冬季",
            "tags": "winter, #vip, VIP",
            "on_uncertain": "resend",
        },
        "audience": {"audience": audience.pk},
        "channels": {"configuration_0": configuration.pk},
        "content": builders.CONTENT,
        "schedule": {},
    }
    for tab, values in tabs.items():
        campaign.refresh_from_db()
        address = f"/campaigns/{campaign.pk}/edit/{tab}/"
        assert manager.get(address).status_code == 200
        assert manager.post(address, {"revision": campaign.revision, **values}).status_code == 302, tab
    page = manager.get(f"/campaigns/{campaign.pk}/review/").content.decode()
    assert "Nothing stands in its way." not in page  # the text version's warning stands there
    assert "Everybody in the workspace" in page

    post(manager, campaign, "request_approval")
    refused = post(manager, campaign, "approve_and_activate")
    assert refused.status_code == 403
    assert "Permission needed: Approve campaigns" in refused.content.decode()
    post(approver, campaign, "approve_and_activate")
    campaign.refresh_from_db()
    assert (campaign.status, campaign.tags) == ("live", ["vip", "winter"])
    call_command("deliver")
    run = Run.objects.get()
    assert ">6<" in approver.get(f"/campaigns/runs/{run.pk}/report/").content.decode()


@pytest.mark.parametrize("role", ["administrator", "approver", "manager", "viewer"])
def test_every_page_renders_for_whoever_may_see_it(where: Workspace, role: str) -> None:
    campaign = builders.live(where, now=timezone.now())
    triggered = builders.draft(
        where, builders.person(where, "manager", "bo"), type="api_triggered", category="transactional"
    )
    call_command("deliver")
    run = Run.objects.get(campaign=campaign)
    client = signed_in(builders.person(where, role, "reader"))
    for address in (
        "/",
        "/campaigns/",
        "/campaigns/?type=api_triggered&status=all&sort=name&search=x",
        f"/campaigns/{campaign.pk}/review/",
        f"/campaigns/{campaign.pk}/preview/",
        f"/campaigns/{triggered.pk}/review/",
        f"/campaigns/{triggered.pk}/api/",
        f"/campaigns/runs/{run.pk}/",
        f"/campaigns/runs/{run.pk}/report/",
        f"/campaigns/runs/{run.pk}/messages/?outcome=accepted",
        f"/campaigns/runs/{run.pk}/messages/?outcome=to_go&search=p1",
        f"/campaigns/runs/{run.pk}/export.csv",
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
    assert client.get("/campaigns/new/").status_code == (403 if role == "viewer" else 200)


def test_a_viewer_can_change_nothing(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = signed_in(builders.person(where, "viewer"))
    for verb in (*lifecycle.PRESSABLE, "approve_and_activate"):
        assert post(client, campaign, verb).status_code in (403, 409), verb
    assert client.post("/campaigns/new/", {"name": "x"}).status_code == 403
    assert client.post(f"/campaigns/{campaign.pk}/edit/content/", {"revision": 1}).status_code == 403
    assert (Campaign.objects.count(), Campaign.objects.get().status) == (1, "draft")


def test_a_campaign_of_another_workspace_is_not_there(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    stranger = signed_in(builders.person(builders.workspace("other"), "administrator"))
    for address in ("review/", "edit/content/", "preview/", "api/", ""):
        assert stranger.get(f"/campaigns/{campaign.pk}/{address}").status_code == 404
    assert post(stranger, campaign, "activate").status_code == 404


def test_the_second_editor_is_told_and_keeps_their_text(where: Workspace) -> None:
    manager, other = builders.person(where, "manager"), builders.person(where, "manager", "bo")
    campaign = builders.draft(where, manager)
    form = {"revision": campaign.revision, **builders.CONTENT}
    address = f"/campaigns/{campaign.pk}/edit/content/"
    assert signed_in(other).post(address, {**form, "subject": "Theirs"}).status_code == 302
    answer = signed_in(manager).post(address, {**form, "subject": "Mine <b>"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Bo saved it" in page and "Mine &lt;b&gt;" in page
    assert campaign.actions.get().content["subject"] == "Theirs"


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ("{% if %}", "template_syntax"),
        ("{{ profile.nmae }} {{ unsubscribe_url }}", "Did you mean “profile.name”?"),
        ("{{ ''.__class__ }}", "underscore"),
        ("<p>Hello</p>", "Marketing needs a way out"),
        ("", "Write the message."),
    ],
)
def test_what_is_wrong_with_a_message_is_told_beside_it_and_blocks(
    where: Workspace, html: str, code: str
) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = signed_in(builders.User.objects.get(name="Manager"))
    address = f"/campaigns/{campaign.pk}/edit/content/"
    client.post(address, {"revision": campaign.revision, **builders.CONTENT, "html": html})
    page = client.get(address).content.decode()
    if code != "template_syntax":
        assert code in page
    assert "1 error" in page
    answer = post(signed_in(builders.person(where, "approver")), campaign, "activate")
    assert answer.status_code == 200
    assert not Run.objects.exists()


def test_a_preview_is_locked_away(where: Workspace) -> None:
    html = builders.HTML + "<script>alert(1)</script>"
    campaign = builders.draft(where, builders.person(where, "manager"), html=html)
    answer = signed_in(builders.User.objects.get(name="Manager")).get(f"/campaigns/{campaign.pk}/preview/")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "Hello Ann 0" in answer.content.decode()


def test_activating_what_was_activated_says_who_did_it_and_makes_one_run(where: Workspace) -> None:
    campaign = builders.live(where, now=timezone.now())
    answer = post(signed_in(builders.User.objects.get(name="Approver")), campaign, "activate")
    assert answer.status_code == 409
    assert "“Live”" in answer.content.decode()
    assert Run.objects.count() == 1


def test_an_export_is_no_formula(where: Workspace) -> None:
    from common.csvfiles import safe_cell

    for cell in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"):
        assert safe_cell(cell).startswith("'")
    assert safe_cell("p@example.com") == "p@example.com"
    assert safe_cell(None) == ""


def test_a_run_in_progress_renews_itself_and_a_finished_one_does_not(where: Workspace) -> None:
    builders.live(where, now=timezone.now())
    client = signed_in(builders.User.objects.get(name="Approver"))
    address = f"/campaigns/runs/{Run.objects.get().pk}/"
    assert "hx-trigger" in client.get(address).content.decode()
    assert "<html" not in client.get(address, headers={"HX-Request": "true"}).content.decode()
    call_command("deliver")
    assert "hx-trigger" not in client.get(address).content.decode()


@pytest.mark.parametrize("name", ["type", "status", "search", "sort", "page"])
def test_a_strange_address_shows_the_usual_list(where: Workspace, name: str) -> None:
    client = signed_in(builders.person(where, "viewer"))
    assert client.get(f"/campaigns/?{name}=%00").status_code == 200


@pytest.mark.parametrize("when", ["0001-01-01T00:00", "9999-12-31T23:59", "1999-12-31T00:00"])
def test_a_start_that_no_calendar_holds_is_refused_at_its_field(where: Workspace, when: str) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = signed_in(builders.User.objects.get(name="Manager"))
    answer = client.post(
        f"/campaigns/{campaign.pk}/edit/schedule/", {"revision": campaign.revision, "starts_at": when}
    )
    assert answer.status_code == 400
    assert "Choose a year from 2000 to 2199." in answer.content.decode()
    assert Campaign.objects.get().starts_at is None


def test_a_viewer_who_opens_a_draft_reads_its_review(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    answer = signed_in(builders.person(where, "viewer")).get(f"/campaigns/{campaign.pk}/")
    assert answer.headers["Location"] == f"/campaigns/{campaign.pk}/review/"


def test_a_save_into_what_is_no_draft_any_more_keeps_the_text(where: Workspace) -> None:
    manager = builders.person(where, "manager")
    campaign = builders.draft(where, manager)
    form = {"revision": campaign.revision, **builders.CONTENT, "subject": "My late words"}
    lifecycle.apply(campaign, "request_approval", actor=manager, now=timezone.now())
    answer = signed_in(manager).post(f"/campaigns/{campaign.pk}/edit/content/", form)
    assert answer.status_code == 409
    assert "My late words" in answer.content.decode()
    assert campaign.actions.get().content["subject"] != "My late words"


def test_approve_and_activate_happen_together_or_not_at_all(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    lifecycle.apply(
        campaign, "request_approval", actor=builders.User.objects.get(name="Manager"), now=timezone.now()
    )
    builders.ChannelConfiguration.objects.update(status="inactive")
    post(signed_in(builders.person(where, "approver")), campaign, "approve_and_activate")
    campaign.refresh_from_db()
    assert (campaign.status, campaign.approved_by) == ("in_review", None)


def test_home_asks_nobody_to_approve_their_own(where: Workspace) -> None:
    author = builders.person(where, "approver", "ana")
    campaign = builders.draft(where, author)
    lifecycle.apply(campaign, "request_approval", actor=builders.person(where, "manager"), now=timezone.now())
    assert "asks for approval" not in signed_in(author).get("/").content.decode()
    other = builders.person(where, "approver", "bo")
    assert "asks for approval" in signed_in(other).get("/").content.decode()


def test_a_name_nobody_knows_is_told_at_the_field_that_uses_it(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"), subject="Hi {{ profile.nmae }}")
    findings = validation.validate(campaign, now=timezone.now())
    assert [(one.code, one.field) for one in findings if one.is_error] == [("unknown_name", "subject")]


def test_the_preview_of_a_triggered_message_shows_what_a_call_will_bring(where: Workspace) -> None:
    html = "<p>Order {{ context.order.number }} for {{ context.total }}</p>"
    campaign = builders.draft(
        where, builders.person(where, "manager"), type="api_triggered", category="transactional", html=html
    )
    page = signed_in(builders.person(where, "viewer")).get(f"/campaigns/{campaign.pk}/preview/")
    assert "Order [number] for [total]" in page.content.decode()


def test_the_list_asks_the_database_as_often_for_one_campaign_as_for_many(
    where: Workspace, django_assert_max_num_queries: Any
) -> None:
    manager = builders.person(where, "manager")
    client = signed_in(manager)
    builders.draft(where, manager)
    with CaptureQueriesContext(connection) as for_one:
        client.get("/campaigns/")
    for _again in range(20):
        builders.draft(where, manager)
    with django_assert_max_num_queries(len(for_one)):
        answer = client.get("/campaigns/")
    assert answer.content.decode().count("Winter layers") >= 21


def test_the_admin_site_shows_campaigns_and_changes_none(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    administrator = builders.person(where, "administrator", "root")
    User.objects.filter(pk=administrator.pk).update(is_staff=True)
    client = signed_in(administrator)
    assert "Winter layers" in client.get("/admin/campaigns/campaign/").content.decode()
    address = f"/admin/campaigns/campaign/{campaign.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"status": "live"}).status_code == 403
    assert client.get("/admin/campaigns/campaign/add/").status_code == 403
    stranger = builders.person(builders.workspace("other"), "administrator", "eve")
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    assert "Winter layers" not in signed_in(stranger).get("/admin/campaigns/campaign/").content.decode()


def test_a_person_s_page_shows_what_they_were_sent(where: Workspace) -> None:
    builders.live(where, now=timezone.now())
    call_command("deliver")
    client = signed_in(builders.User.objects.get(name="Manager"))
    person = builders.Profile.objects.filter(workspace=where).first()
    assert person
    page = client.get(f"/campaigns/people/{person.pk}/messages/").content.decode()
    assert "Winter layers" in page and "Accepted" in page


def test_the_slower_editor_says_which_text_stays_and_never_by_the_enter_key(where: Workspace) -> None:
    manager, other = builders.person(where, "manager"), builders.person(where, "manager", "bo")
    campaign = builders.draft(where, manager)
    mine = {"revision": campaign.revision, **builders.CONTENT, "subject": "Mine"}
    address, theirs = f"/campaigns/{campaign.pk}/edit/content/", signed_in(other)
    theirs.post(address, {**mine, "subject": "Theirs"})
    page = signed_in(manager).post(address, mine).content.decode()
    over = re.search(r'name="over" value="(\d+)"', page)
    assert over and page.index('form="draft" tabindex="-1"') < over.start()
    theirs.post(address, {**mine, "revision": over[1], "subject": "Theirs again"})
    late = signed_in(manager).post(address, {**mine, "over": over[1]})
    assert late.status_code == 409 and campaign.actions.get().content["subject"] == "Theirs again"
    over = re.search(r'name="over" value="(\d+)"', late.content.decode())
    assert over and signed_in(manager).post(address, {**mine, "over": over[1]}).status_code == 302
    assert campaign.actions.get().content["subject"] == "Mine"


def test_every_tab_saves_by_itself_and_a_half_written_one_is_not_called_a_conflict(where: Workspace) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    client, headers = signed_in(User.objects.get(name="Manager")), {"X-Autosave": "1"}
    half = {"channels": {"configuration_0": "x"}, "schedule": {"rule0-every": "week", "rule0-interval": "x"}}
    half["content/languages"] = {"percent_A": "50"}
    for tab in ("properties", "audience", *half):
        address = f"/campaigns/{campaign.pk}/edit/{tab}/"
        campaign.refresh_from_db()
        form = {"revision": campaign.revision, "name": "Autumn", "on_uncertain": campaign.on_uncertain}
        saved = client.post(address, form, headers=headers)
        assert (saved.status_code, saved.json()["revision"]) == (200, campaign.revision + 1), tab
        late = client.post(address, form, headers=headers)
        assert late.status_code == 409, tab
        if tab in half:
            form |= {"revision": campaign.revision + 1, **half[tab]}
            answer = client.post(address, form, headers=headers)
            assert answer.status_code == 400, tab
            assert answer.json()["detail"] != "A frequency is not complete.", "the frequency’s fault is named"
