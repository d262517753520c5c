"""`manage.py seed_demo`: the Fernhill workspace with its four people, some profiles, audiences, channels
and drafts. Running it again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Role, User, Workspace
from accounts.roles import create_workspace
from audiences import attributes, audiences, consent, events, topics
from audiences.models import AttributeDefinition, Audience, Profile
from campaigns.models import Action, Campaign
from channels.models import ChannelConfiguration
from config.demo.people import PEOPLE

FAMILY = ["林", "陳", "黃", "張", "李", "王", "吳", "劉", "蔡", "楊"]
GIVEN = ["怡君", "雅婷", "志明", "淑芬", "家豪", "柏翰", "承恩", "宇軒", "家瑜", "詩涵"]
FIRST = ["Emily", "James", "Olivia", "Marcus", "Sofia", "Daniel", "Grace", "Liam", "Nora", "Felix"]
LAST = ["Tsai", "Hsu", "Webb", "Nair", "Duarte", "Brown", "Novak", "Sato", "Meyer", "Rossi"]
CITIES = ["Taipei", "Kaohsiung", "Tainan", "Taichung", "Hsinchu"]
TIERS = ["gold", "silver", "basic"]
INTERESTS = ["climbing", "camping", "cycling", "trail running", "birding"]
Type = AttributeDefinition.Type
ATTRIBUTES: list[tuple[str, str, str, list[str]]] = [
    ("name", "Name 姓名", Type.TEXT, []),
    ("city", "City 城市", Type.CHOICE, CITIES),
    ("tier", "Tier 會員等級", Type.CHOICE, TIERS),
    ("points", "Points 點數", Type.NUMBER, []),
    ("birthday", "Birthday 生日", Type.DATE, []),
    ("app_user", "Has the app 已裝 App", Type.BOOLEAN, []),
    ("interests", "Interests 興趣", Type.LIST, []),
    ("last_visit", "Last visit 最近造訪", Type.DATE_TIME, []),
]

HTML = """<!doctype html>
<html lang="zh-Hant"><body style="margin:0;background:#f5f7f7">
<div style="max-width:560px;margin:0 auto;background:#ffffff;font-family:sans-serif;color:#172126">
<div style="background:#1d4a40;color:#ffffff;padding:28px 32px;font-size:20px">Fernhill 蕨丘</div>
<div style="padding:28px 32px;line-height:1.65">
<h1 style="font-size:24px;margin:0 0 12px">早一天，挑走最暖的那一件<br>Winter layers are here</h1>
<p>{{ profile.name|default("您好") }}，</p>
<p>A {{ profile.tier|default("loyal") }} member in {{ profile.city }} may choose first.</p>
<p><a href="https://shop.fernhill.example/winter"
style="display:inline-block;background:#1d4a40;color:#ffffff;padding:10px 22px;text-decoration:none">
提前選購 Shop winter layers</a></p>
</div>
<div style="padding:16px 32px;border-top:1px solid #e4e8ea;font-size:12px;color:#57646a">
Fernhill 蕨丘 · <a href="{{ unsubscribe_url }}" style="color:#57646a">取消訂閱 Unsubscribe</a> ·
<a href="{{ preferences_url }}" style="color:#57646a">訂閱設定 Preferences</a></div>
</div></body></html>
"""

SHIPPED = """<div style="max-width:560px;margin:0 auto;font-family:sans-serif;padding:28px 32px">
<h1 style="font-size:22px">您的訂單已出貨 Your order is on its way</h1>
<p>Order {{ context.order }} left our store today.</p>
<p><a href="{{ context.trackingUrl }}">查詢配送進度 Follow the parcel</a></p>
</div>
"""


class Command(BaseCommand):
    help = "Fills the demo: four people, a workspace with all a campaign needs, and an empty one."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo's people are not made in production.")
        if not Workspace.objects.filter(slug="fernhill").exists():
            seed(timezone.now())


@transaction.atomic
def seed(now: datetime) -> Workspace:
    workspace = create_workspace(
        name="Fernhill Taiwan", slug="fernhill", time_zone="Asia/Taipei", actor=SYSTEM, now=now
    )
    people = {person.role: _person(workspace, *person) for person in PEOPLE}
    _empty_workspace(people, now)
    _attributes(workspace, now)
    _profiles(workspace, now)
    _events(workspace, now)
    audience = Audience.objects.create(
        workspace=workspace, name="All members 全部會員", owner=people["manager"], next_evaluation_at=now
    )
    _audiences(workspace, people["manager"], now)
    smtp = {"host": "127.0.0.1", "port": settings.EMAIL_PORT, "tls": "none", "username": ""}
    admin = people["administrator"]
    marketing = _configuration(workspace, admin, "Fernhill main", "marketing", "smtp", smtp)
    service = _configuration(workspace, admin, "Fernhill service", "transactional", "smtp", smtp)
    _configuration(workspace, admin, "Sandbox", "marketing", "sandbox", {})
    _draft(
        workspace,
        people["manager"],
        marketing,
        name="Winter layers – early access 冬季保暖早鳥",
        audience=audience,
        tags=["winter"],
        content=_content("{{ profile.name }}，Winter layers 冬季保暖早鳥", HTML),
    )
    _draft(
        workspace,
        people["manager"],
        service,
        name="Order shipped 出貨通知",
        type=Campaign.Type.API_TRIGGERED,
        category=Campaign.Category.TRANSACTIONAL,
        create_profiles=True,
        tags=["orders"],
        content=_content("Your order {{ context.order }} is on its way 訂單已出貨", SHIPPED),
    )
    return workspace


def _person(workspace: Workspace, email: str, role: str, name: str) -> User:
    user = User.objects.create_user(
        email, name=name, time_zone="Asia/Taipei", is_staff=role == "administrator"
    )
    user.groups.add(Role.objects.get(workspace=workspace, builtin=role).group_ptr)
    return user


def _empty_workspace(people: dict[str, User], now: datetime) -> None:
    """Where the same four can set everything up themselves, from the first channel to the first send."""
    empty = create_workspace(
        name="New workspace 新的工作區", slug="start", time_zone="Asia/Taipei", actor=SYSTEM, now=now
    )
    for role, user in people.items():
        user.groups.add(Role.objects.get(workspace=empty, builtin=role).group_ptr)


def _attributes(workspace: Workspace, now: datetime) -> None:
    for key, label, kind, choices in ATTRIBUTES:
        attributes.define(workspace, key=key, label=label, type=kind, choices=choices, actor=SYSTEM, now=now)


def _profiles(workspace: Workspace, now: datetime) -> None:
    Profile.objects.bulk_create(
        Profile(
            workspace=workspace,
            email=f"member{number:03}@example.com",
            locale="zh-TW" if number % 2 else "en",
            time_zone="Asia/Taipei",
            attributes={
                "name": FAMILY[number // 10 % 10] + GIVEN[number % 10]
                if number % 2
                else f"{FIRST[number % 10]} {LAST[number // 10 % 10]}",
                "city": CITIES[number % 5],
                "tier": TIERS[number % 3],
                "points": number * 37 % 2000,
                "birthday": f"{1960 + number % 45}-{1 + number % 12:02}-{1 + number % 28:02}",
                "app_user": number % 4 == 0,
                "interests": [INTERESTS[number % 5], INTERESTS[(number + 2) % 5]],
                "last_visit": attributes.written_moment(now - timedelta(hours=7 * number)),
            },
            external_id=f"crm-{1000 + number}",
            phone=f"+8869120{number:05}" if number % 3 else None,
            is_test=number < 5,
        )
        for number in range(200)
    )


def _events(workspace: Workspace, now: datetime) -> None:
    """Every third person bought something lately, some of them often; others only looked."""
    happened = []
    for number in range(0, 200, 3):
        person = ("email", f"member{number:03}@example.com")
        for order in range(1 + number % 4):
            sold: dict[str, Any] = {"total": 680 + 190 * order, "sku": f"W-{number % 7}", "gift": order == 2}
            at = now - timedelta(days=number % 50 + 9 * order, hours=number % 11)
            key = f"order-{number}-{order}"
            happened.append(events.Happened("order.paid", at, identity=person, properties=sold, key=key))
        seen = {"page": "/winter" if number % 2 else "/rain"}
        at = now - timedelta(days=number % 9, minutes=number)
        happened.append(events.Happened("page.seen", at, identity=person, properties=seen))
    events.record(workspace, happened, actor=SYSTEM, now=now)


BUYERS = {
    "all": [
        {"field": "tier", "op": "one_of", "value": ["gold", "silver"]},
        {"event": "order.paid", "op": "at_least", "count": 2, "days": 90},
        {"none": [{"field": "app_user", "op": "is", "value": True}]},
    ]
}
BIRTHDAYS = {
    "any": [
        {"field": "birthday", "op": "anniversary", "value": 14},
        {"field": "interests", "op": "has_any", "value": ["climbing", "trail running"]},
    ]
}


def _audiences(workspace: Workspace, owner: User, now: datetime) -> None:
    """One of each kind but an upload: what to try the builder, the composition and the topic's page with."""
    news = topics.create(
        workspace,
        key="member-news",
        name="Member news 會員快訊",
        description="New in the shop, about twice a month. 每月約兩次的新品消息。",
        actor=owner,
        now=now,
    )
    said = [
        consent.Said(pk, "email", "yes", "shop", "Yes, send me member news. 我要收到會員快訊。", news.pk)
        for pk in Profile.objects.filter(workspace=workspace).order_by("pk").values_list("pk", flat=True)[::3]
    ]
    consent.say_all(workspace, said, actor=owner, now=now)
    made: dict[str, Any] = {"actor": owner, "now": now}
    buyers = audiences.create(
        workspace, name="Buyers without the app 未裝 App 的買家", kind="rule", rule=BUYERS, **made
    )
    audiences.create(
        workspace, name="Birthdays and climbers 壽星與登山客", kind="rule", rule=BIRTHDAYS, **made
    )
    both = {"exclusion": {"from": {"rule": {}}, "remove": [{"audience": buyers.pk}]}}
    ranked = {"rank": {"of": both, "by": "points", "order": "desc", "limit": 50}}
    audiences.create(
        workspace,
        name="Top fifty of the others 其餘點數前五十",
        kind="composition",
        composition=ranked,
        **made,
    )
    audiences.create(workspace, name="Member news 會員快訊", kind="subscription", topic=news, **made)


def _configuration(
    workspace: Workspace, owner: User, name: str, kind: str, provider: str, values: dict[str, Any]
) -> ChannelConfiguration:
    return ChannelConfiguration.objects.create(
        workspace=workspace,
        name=name,
        kind=kind,
        provider=provider,
        settings=values,
        status=ChannelConfiguration.Status.ACTIVE,
        sender_name="Fernhill 蕨丘",
        sender_email="hello@fernhill.example",
        created_by=owner,
    )


def _content(subject: str, html: str) -> dict[str, str]:
    return {"subject": subject, "preheader": "", "html": html, "text": ""}


def _draft(
    workspace: Workspace,
    author: User,
    configuration: ChannelConfiguration,
    *,
    content: dict[str, str],
    **fields: Any,
) -> None:
    campaign = Campaign.objects.create(workspace=workspace, created_by=author, edited_by=author, **fields)
    Action.objects.create(campaign=campaign, configuration=configuration, content=content)
