"""Reports on paper and by mail: the numbers of the page, to whoever may see them, once, in their language."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AccessLabel, AuditEntry, Role, User, Workspace
from campaigns.models import Attempt, Batch, Campaign, Message, ReportOrder, Run
from campaigns.reports import orders, paper
from common.errors import PermissionMissing
from tests import builders
from tests.api import Caller, pointers
from tests.campaigns.test_report import BEGAN
from tests.campaigns.test_report import run as run

pytestmark = pytest.mark.django_db
SOON = timezone.now() + timedelta(hours=1)


@pytest.fixture
def campaign(run: Run) -> Campaign:
    return run.campaign


def reader(campaign: Campaign, name: str, **fields: Any) -> User:
    person = builders.person(campaign.workspace, "viewer", name)
    User.objects.filter(pk=person.pk).update(**fields)
    person.refresh_from_db()
    return person


def ordered(campaign: Campaign, *people: User, **changes: Any) -> ReportOrder:
    """By whom it is for, or by somebody who manages campaigns where it is for several."""
    manager = User.objects.filter(groups__role__builtin="manager").order_by("pk")[0]
    actor = people[0] if len(people) == 1 else manager
    given = {"every": "week", "form": "csv", "begins_at": SOON, "actor": actor, "now": timezone.now()}
    return orders.order(campaign, people=people, **{**given, **changes})


def texts(pdf: bytes) -> bytes:
    return b"".join(pages(pdf))


def pages(pdf: bytes) -> list[bytes]:
    """What each page's operators show, decompressed."""
    found = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    shown = []
    for part in found:
        try:
            shown.append(zlib.decompress(base64.a85decode(b"<~" + part.strip(), adobe=True)))
        except (ValueError, zlib.error):  # a font's or a picture's
            continue
    return shown


def test_everybody_named_gets_the_report_once_and_again_a_week_later(campaign: Campaign) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin", language="zh-hant")
    row = ordered(campaign, ana, lin)
    assert orders.send_due(now=timezone.now()) == 0, "its time is to come"
    assert orders.send_due(now=SOON) == 2 and orders.send_due(now=SOON) == 0
    hers, his = sorted(mail.outbox, key=lambda one: one.to[0])
    assert (hers.to, his.to) == ([ana.email], [lin.email])
    assert campaign.name in hers.subject and "Delivered" in hers.body and "已鎖定目標" in his.body
    ((name, content, kind),) = hers.attachments
    assert name == f"report-campaign-{campaign.pk}.csv" and kind == "text/csv"
    assert "Targeted" in content and f"/campaigns/{campaign.pk}/report/" in hers.body
    row.refresh_from_db()
    assert (row.next_at, row.waiting) == (SOON + timedelta(weeks=1), [])
    assert orders.send_due(now=SOON + timedelta(weeks=1)) == 2


def test_who_may_only_see_reports_orders_them_for_nobody_else_and_takes_none_away(campaign: Campaign) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    row = ordered(campaign, ana, lin)
    for people in ([lin], [ana, lin]):
        with pytest.raises(PermissionMissing):
            ordered(campaign, *people, actor=ana)
    with pytest.raises(PermissionMissing):
        orders.cancel(row, actor=ana, now=timezone.now())
    orders.cancel(ordered(campaign, ana), actor=ana, now=timezone.now())
    assert ReportOrder.objects.get() == row


def test_a_report_on_paper_holds_the_numbers_and_leaves_by_mail_too(campaign: Campaign, run: Run) -> None:
    ana = reader(campaign, "ana")
    Campaign.objects.filter(pk=campaign.pk).update(name="冬季新品 <b>&")
    ordered(campaign, ana, form="pdf")
    orders.send_due(now=SOON)
    ((name, content, kind),) = mail.outbox[0].attachments
    assert (name[-4:], kind, content[:5]) == (".pdf", "application/pdf", b"%PDF-")
    told = texts(content)
    for word in (b"Targeted", b"Delivered", b"Everybody in the audience", b"Links"):
        assert word in told, word
    assert b"MSung-Light" in content
    client = Client()
    client.force_login(ana)
    for address in (
        f"/campaigns/{campaign.pk}/report/report.pdf",
        f"/campaigns/runs/{run.pk}/report.pdf?window=24h",
    ):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
        assert answer.content[:5] == b"%PDF-" and answer.headers["Cache-Control"] == "no-store"


def test_chinese_on_paper_is_written_by_the_table_of_its_own_font(campaign: Campaign, client: Client) -> None:
    """By that of another collection a reader shows other characters, or none."""
    client.force_login(builders.person(campaign.workspace, "approver", "paper"))
    User.objects.filter(email__startswith="paper@").update(language="zh-hant")
    pdf = client.get(f"/campaigns/{campaign.pk}/report/report.pdf").content
    assert b"/UniCNS-UCS2-H" in pdf and b"(CNS1)" in pdf and b"/UniGB" not in pdf


def test_who_may_no_more_see_it_gets_no_more_of_it(campaign: Campaign) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    ordered(campaign, ana, lin)
    lin.groups.clear()
    assert orders.send_due(now=SOON) == 1 and mail.outbox[0].to == [ana.email]


def test_a_mail_server_that_is_away_costs_time_and_nobody_gets_it_twice(
    campaign: Campaign, settings: Any
) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    row = ordered(campaign, ana, lin)
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert orders.send_due(now=SOON) == 0
    row.refresh_from_db()
    assert (row.tries, row.next_at) == (1, SOON) and row.waiting == sorted([ana.pk, lin.pk])
    ReportOrder.objects.update(waiting=[lin.pk])  # as after the first of two mails
    settings.EMAIL_BACKEND = working
    assert orders.send_due(now=SOON) == 0, "its next try is to come"
    assert orders.send_due(now=SOON + timedelta(minutes=3)) == 1 and mail.outbox[0].to == [lin.email]
    row.refresh_from_db()
    assert (row.tries, row.waiting, row.next_at) == (0, [], SOON + timedelta(weeks=1))


@pytest.mark.parametrize(
    ("every", "began", "now", "next_at"),
    [
        ("month", "2026-01-31T08:00", "2026-02-28T07:00", "2026-02-28T08:00"),
        ("month", "2026-01-31T08:00", "2026-02-28T08:00", "2026-03-31T08:00"),
        ("week", "2026-01-05T08:00", "2026-02-01T00:00", "2026-02-02T08:00"),
        ("year", "2024-02-29T08:00", "2026-01-01T00:00", "2026-02-28T08:00"),
        ("day", "2026-03-28T08:00", "2026-03-28T12:00", "2026-03-29T08:00"),
    ],
)
def test_the_hour_is_the_workspaces_and_the_last_of_a_month_comes_back(
    campaign: Campaign, every: str, began: str, now: str, next_at: str
) -> None:
    Workspace.objects.filter(pk=campaign.workspace_id).update(time_zone="Europe/Berlin")
    zone = ZoneInfo("Europe/Berlin")

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=zone)

    row = ReportOrder(
        campaign=Campaign.objects.get(pk=campaign.pk), every=every, begins_at=moment(began).astimezone(UTC)
    )
    assert orders.following(row, moment(now)) == moment(next_at)


def test_the_page_adds_and_removes_and_says_what_is_wrong(campaign: Campaign, client: Client) -> None:
    ana = reader(campaign, "ana")
    stranger = builders.person(builders.workspace("elsewhere"), "viewer", "eve")
    client.force_login(ana)
    address = f"/campaigns/{campaign.pk}/report/orders/"
    assert "Nobody gets this report by mail yet." in client.get(address).content.decode()
    later = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    good = {"every": "month", "form": "pdf", "begins_at": later, "people": [ana.pk]}
    for wrong in (
        {"people": []},
        {"people": [stranger.pk]},
        {"begins_at": "2020-01-01T08:00"},
        {"every": "hour"},
    ):
        assert client.post(address, {**good, **wrong}).status_code == 400, wrong
    assert not ReportOrder.objects.exists()
    assert client.post(address, good).status_code == 302
    page = client.get(address).content.decode()
    assert "Every month" in page and "Ana" in page
    row = ReportOrder.objects.get()
    for _number in range(orders.MOST_ORDERS - 1):
        ordered(campaign, ana)
    assert client.post(address, good).status_code == 400
    assert "at most 10 ways" in client.post(address, good).content.decode()
    assert client.post(address, {"remove": row.pk}).status_code == 302
    assert client.post(address, {"remove": row.pk}).status_code == 404
    assert ReportOrder.objects.count() == orders.MOST_ORDERS - 1
    assert set(AuditEntry.objects.filter(verb__endswith="_report").values_list("verb", flat=True)) == {
        "order_report",
        "cancel_report",
    }
    client.force_login(stranger)
    assert client.get(address).status_code == 404


def test_another_system_orders_reads_and_cancels_a_report(campaign: Campaign) -> None:
    ana = reader(campaign, "ana")
    stranger = builders.person(builders.workspace("elsewhere"), "viewer", "eve")
    address = f"/api/campaigns/{campaign.pk}/report-orders/"
    call = Caller(campaign.workspace)
    body = {"every": "week", "form": "csv", "people": [ana.email], "beginsAt": SOON.isoformat()}
    for wrong, pointer in (
        ({"people": []}, "/people"),
        ({"people": [stranger.email]}, "/people"),
        ({"beginsAt": "2020-01-01T08:00:00Z"}, "/beginsAt"),
        ({"every": "hour"}, "/every"),
    ):
        answer = call.post(address, {**body, **wrong})
        assert answer.status_code == 400 and pointer in answer.content.decode(), (wrong, answer.content)
    made = call.post(address, body)
    assert made.status_code == 201, made.content
    one = f"{address}{made.json()['id']}/"
    assert call.get(one).json() == made.json() and call.get(address).json() == {"results": [made.json()]}
    assert made.json()["people"] == [ana.email]
    assert made.json()["actions"] == ["change", "send_now", "delete"]
    viewer, other = Caller(campaign.workspace, "viewer"), Caller(stranger.groups.get().role.workspace)
    assert viewer.get(one).json()["actions"] == []
    assert viewer.post(address, {}).status_code == viewer("DELETE", one).status_code == 403
    at_once = f"{one}actions/send_now/"
    assert viewer.put(one, body).status_code == viewer.post(at_once, None).status_code == 403
    assert other.get(one).status_code == other.post(address, body).status_code == 404
    assert other.put(one, body).status_code == other.post(at_once, None).status_code == 404
    assert other("DELETE", one).status_code == 404 and ReportOrder.objects.exists()
    assert orders.send_due(now=SOON) == 1 and mail.outbox[0].to == [ana.email]
    assert call("DELETE", one).status_code == 204
    assert call.get(one).status_code == call("DELETE", one).status_code == 404


def test_another_system_changes_an_order_and_sends_it_at_once(campaign: Campaign) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    address = f"/api/campaigns/{campaign.pk}/report-orders/"
    call = Caller(campaign.workspace)
    body = {"every": "week", "form": "csv", "people": [ana.email], "beginsAt": SOON.isoformat()}
    one = f"{address}{call.post(address, body).json()['id']}/"
    assert call.client.put(one, body, "application/json", headers=call.headers).status_code == 428
    wrongs: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"people": ["nobody@example.com"]}, ("bad_people", "/people")),
        ({"people": ["0@0.a"]}, ("bad_people", "/people")),
        ({"beginsAt": "2020-01-01T08:00:00Z"}, ("in_the_past", "/beginsAt")),
    ]
    for wrong, place in wrongs:
        assert pointers(call.put(one, {**body, **wrong})) == [place]
    assert call.get(one).json()["people"] == [ana.email]
    told = call.put(one, {**body, "every": "month", "people": [lin.email.upper()]})
    assert (told.status_code, told.json()["every"], told.json()["people"]) == (200, "month", [lin.email])
    for _twice in range(2):
        assert call.post(f"{one}actions/send_now/", None).status_code == 200
    assert orders.send_due(now=timezone.now()) == 1 and mail.outbox[0].to == [lin.email]
    assert orders.send_due(now=timezone.now()) == 0
    assert ReportOrder.objects.get().next_at == SOON, "its first time stays"
    assert orders.send_due(now=SOON) == 1
    kept = {**body, "every": "day", "people": [lin.email]}
    with time_machine.travel(SOON + timedelta(minutes=1)):
        assert call.put(one, kept).status_code == 200, "a beginning that has passed may stay"
    assert ReportOrder.objects.get().next_at == SOON + timedelta(days=1)
    verbs = AuditEntry.objects.filter(verb__endswith="_report").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["order_report", "change_report", "send_report", "change_report"]
    for _number in range(orders.MOST_ORDERS - 1):
        assert call.post(address, body).status_code == 201
    assert pointers(call.post(address, body)) == [("too_many_orders", "")]
    assert ReportOrder.objects.count() == orders.MOST_ORDERS


def test_behind_an_access_label_the_orders_are_not_there_and_nobody_without_it_gets_one(
    campaign: Campaign,
) -> None:
    ana = reader(campaign, "ana")
    address = f"/api/campaigns/{campaign.pk}/report-orders/"
    call, later = Caller(campaign.workspace), Caller(campaign.workspace, "approver")
    body = {"every": "week", "form": "csv", "people": [ana.email], "beginsAt": SOON.isoformat()}
    one = f"{address}{call.post(address, body).json()['id']}/"
    label = AccessLabel.objects.create(workspace=campaign.workspace, name="board")
    campaign.labels.add(label)
    label.roles.add(Role.objects.get(workspace=campaign.workspace, builtin="manager"))
    assert later.get(address).status_code == later.get(one).status_code == 404
    assert pointers(call.put(one, body)) == [("bad_people", "/people")], "she lacks the label"
    assert call.get(one).status_code == 200
    assert orders.send_due(now=SOON) == 0 and not mail.outbox


def test_the_page_changes_an_order_and_sends_it_at_once(campaign: Campaign, client: Client) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    own, shared = ordered(campaign, ana), ordered(campaign, ana, lin)
    client.force_login(ana)
    address = f"/campaigns/{campaign.pk}/report/orders/"
    form = client.get(f"{address}?change={own.pk}").content.decode()
    assert "Change the report" in form and 'value="week" selected' in form
    assert all(f'name="{verb}" value="{own.pk}"' in form for verb in ("send", "remove"))
    assert f'value="{shared.pk}">' not in form and f"?change={shared.pk}" not in form, "it would be refused"
    later = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    good = {"every": "year", "form": "pdf", "begins_at": later, "people": [ana.pk]}
    assert client.post(f"{address}?change={own.pk}", good).status_code == 302
    assert client.post(f"{address}?change={own.pk}", {**good, "people": []}).status_code == 400
    assert client.post(f"{address}?change={shared.pk}", good).status_code == 403, "it is lin's too"
    assert client.post(address, {"send": shared.pk}).status_code == 403
    assert client.post(address, {"send": own.pk}).status_code == 302
    assert client.post(address, {"send": "9" * 30}).status_code == 404
    assert client.get(f"{address}?change=x").status_code == 404
    own.refresh_from_db()
    assert (own.every, own.form) == ("year", "pdf") and ReportOrder.objects.count() == 2
    assert orders.send_due(now=timezone.now()) == 1 and mail.outbox[0].to == [ana.email]


def test_who_cancels_while_it_is_sent_stops_the_rest(campaign: Campaign, settings: Any) -> None:
    ana, lin = reader(campaign, "ana"), reader(campaign, "lin")
    row = ordered(campaign, ana, lin)
    (claimed,) = orders._claim(SOON)
    orders.cancel(row, actor=SYSTEM, now=SOON)
    assert orders._send(claimed, SOON) == 1 and not ReportOrder.objects.exists()


def test_on_paper_a_long_table_begins_below_what_stands_before_it(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that of devices has the two columns of the page."""
    monkeypatch.setattr(paper, "CURVE_HEIGHT", 30)  # there is room below it, however long the definitions are
    client.force_login(reader(run.campaign, "ana"))
    for ref in range(13, 43):
        Message.objects.create(run=run, action=0, ref=ref, address=f"p{ref}@house{ref}.example", slot=0)
        Attempt.objects.create(run=run, action=0, ref=ref, n=1, outcome="accepted", at=BEGAN)
    told = {"send_after": BEGAN, "state": "done", "epoch": 1, "tally": {"accepted": 30}}
    Batch.objects.create(run=run, action=0, lo=13, hi=42, size=30, **told)
    first, second, *_more = pages(client.get(f"/campaigns/runs/{run.pk}/report.pdf").content)
    assert b"(Domains)" in first and b"(post.example)" in first and b"(house42.example)" not in first
    devices = second.partition(b"(Devices)")[2].partition(b"(Links)")[0]
    assert b"(Opened)" in devices and b"(Clicked)" in devices and b"(Accepted)" not in devices
