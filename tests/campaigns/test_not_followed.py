"""Who is not followed: a person, a campaign; and what a message bears for machines and for bad days."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audiences import preferences
from audiences.models import Profile
from campaigns import drafts, versions
from campaigns.delivery import claims, clock, fanout
from campaigns.delivery.content import letter
from campaigns.delivery.post import open_post
from campaigns.models import Attempt, Batch, Event, Link, Message, Run
from campaigns.tracking import machines, tokens
from campaigns.tracking.tokens import MessageKey
from channels.messages import Rendered
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
SHOP = "https://shop.example/a?x=1&y=2"
MIRROR = builders.HTML.replace("</body>", '<a href="{{ mirror_url }}">View</a></body>')


def prepared(people: int = 2, **changes) -> Run:
    where = builders.workspace()
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now(), **changes)
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now())
    return run


def written(run: Run) -> list[Rendered]:
    """What each person would be sent now, in the order of their numbers."""
    claimed = claims.claim(Batch.objects.get(run=run).pk, owner="test", now=timezone.now())
    assert claimed is not None
    post = open_post(claimed, run)
    found = [post.write(one) for one in post.due]
    assert all(isinstance(one, Rendered) for one in found), found
    return [one for one in found if isinstance(one, Rendered)]


def key(message: Message) -> MessageKey:
    return MessageKey(message.run_id, message.action, message.ref)


def path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_who_wants_not_to_be_followed_gets_plain_links_and_leaves_no_trace(client: Client) -> None:
    run = prepared()
    first, second = Message.objects.filter(run=run).order_by("ref")
    Profile.objects.filter(pk=first.profile_id).update(is_untracked=True)
    plain, followed = written(run)
    assert SHOP.replace("&", "&amp;") in plain.html and "/t/c/" not in plain.html + plain.text
    assert "/t/o/" not in plain.html and "/t/c/" in followed.html and "/t/o/" in followed.html
    assert "/u/" in plain.html, "the way out stays"
    # A mail of before, whose links still lead through us.
    for one in (first, second):
        assert client.get(path(tokens.click_base(key(one))) + "0").headers["Location"] == SHOP
        assert client.get(path(tokens.open_url(key(one)))).status_code == 200
    assert set(Event.objects.values_list("ref", "kind")) == {(second.ref, "click"), (second.ref, "open")}
    client.post(path(tokens.unsubscribe_url(key(first))), {"List-Unsubscribe": "One-Click"})
    assert Event.objects.filter(ref=first.ref).get().kind == "unsubscribe"


def test_the_preference_page_asks_and_remembers(client: Client) -> None:
    person = builders.profiles(builders.workspace(), 1)[0]
    address = path(preferences.url_of(person.pk))
    page = client.get(address).content.decode()
    assert 'name="followed" value="1" id="c-followed" checked' in page
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    client.post(address, {"seen": seen, "chosen": ["email"]})
    person.refresh_from_db()
    assert person.is_untracked and 'id="c-followed" >' in client.get(address).content.decode()
    client.post(address, {"seen": seen, "chosen": ["email"], "followed": "1"})
    person.refresh_from_db()
    assert not person.is_untracked


def test_a_campaign_may_record_no_opens_or_no_clicks() -> None:
    run = prepared(1, ignores_opens=True)
    (mail,) = written(run)
    assert "/t/o/" not in mail.html and "/t/c/" in mail.html
    campaign = run.campaign
    author = campaign.created_by
    copy = drafts.create(
        campaign.workspace,
        name="No clicks",
        type="scheduled",
        category="marketing",
        actor=author,
        now=timezone.now(),
    )
    changes = {
        **builders.CONTENT,
        "ignores_clicks": True,
        "configuration": campaign.actions.get().configuration,
    }
    copy = drafts.save(copy, revision=copy.revision, actor=author, now=timezone.now(), **changes)
    version = versions.freeze(copy, actor=author, now=timezone.now())
    assert version.definition["untracked"] == ["clicks"] and not Link.objects.filter(version=version).exists()
    html = letter(version.pk, 0, 0).compiled.sources[0] or letter(version.pk, 0, 0).content.html
    assert "carillon_click" not in html and "carillon_open" in html


def test_a_link_that_nobody_sees_gives_a_scanner_away(client: Client) -> None:
    run = prepared(1)
    message = Message.objects.get(run=run)
    Attempt.objects.create(
        run=run, action=0, ref=message.ref, n=1, outcome="accepted", at=timezone.now() - timedelta(hours=1)
    )
    (mail,) = written(run)
    base = tokens.click_base(key(message))
    hidden = f'<a href="{base}{machines.TRAP}" style="display:none" tabindex="-1" aria-hidden="true"></a>'
    assert hidden in mail.html and str(machines.TRAP) not in mail.text
    assert client.get(path(base) + "0").status_code == 302
    answer = client.get(path(base) + str(machines.TRAP))
    assert (answer.status_code, answer.content) == (204, b"")
    machines.judge(now=timezone.now() + timedelta(seconds=61))
    assert list(Event.objects.values_list("machine", flat=True)) == ["trap", "trap"]
    Event.objects.filter(link=0).update(at=timezone.now() - timedelta(seconds=30))
    machines.judge(now=timezone.now() + timedelta(seconds=61), everything=True)
    assert Event.objects.get(link=0).machine == "", "a person who came at another time is none"


def test_links_and_pages_outlive_a_rotation_of_the_key_but_not_its_removal(client: Client, settings) -> None:
    run = prepared(1, html=MIRROR)
    one = key(Message.objects.get(run=run))
    addresses = [tokens.click_base(one) + "0", tokens.mirror_url(one), tokens.unsubscribe_url(one)]
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 8
    assert [client.get(path(url)).status_code for url in addresses] == [404, 404, 404]
    settings.SECRET_KEY_FALLBACKS = [old]
    assert [client.get(path(url)).status_code for url in addresses] == [302, 200, 200]


def test_the_message_is_a_page_too_that_runs_nothing(client: Client) -> None:
    run = prepared(1, html=MIRROR + "<script>alert(1)</script>")
    (mail,) = written(run)
    one = key(Message.objects.get(run=run))
    assert f'<a href="{tokens.mirror_url(one)}">View</a>' in mail.html
    answer = client.get(path(tokens.mirror_url(one)))
    assert answer.status_code == 200 and "Hello Ann 0" in answer.content.decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-scripts" not in policy
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert not Event.objects.exists()
    assert client.get(path(tokens.mirror_url(one))[:-1]).status_code == 404
    assert client.get(path(tokens.click_base(one)).replace("/t/c/", "/t/m/").rstrip("/")).status_code == 404


def test_the_page_of_a_mail_says_what_the_mail_says_whichever_way_it_travels(client: Client) -> None:
    where = builders.workspace()
    builders.profiles(where, 1)
    configuration = builders.smtp(where, 25)
    campaign = builders.live(where, now=timezone.now(), html=MIRROR, configuration=configuration)
    one = Message(run=Run.objects.get(campaign=campaign), action=0, ref=1, address="a@example.com")
    one.profile = Profile.objects.get()
    one.save(force_insert=True)
    page = client.get(path(tokens.mirror_url(key(one)))).content.decode()
    assert f'<a href="{tokens.click_base(key(one))}0/' in page and "=\r\n" not in page


@pytest.mark.slow
def test_a_link_leads_on_and_a_picture_shows_while_the_database_is_down() -> None:
    run = prepared(1)
    (mail,) = written(run)
    base = tokens.click_base(key(Message.objects.get(run=run)))
    click = base + mail.html.partition(base)[2].partition('"')[0]
    assert click.count("/") == base.count("/") + 1, "the destination stands behind the number"
    asked = (
        "import django, sys; django.setup(); from django.test import Client; "
        "client = Client(headers={'host': 'localhost'}); one = client.get(sys.argv[1]); "
        "print(one.status_code, one.headers['Location'], client.get(sys.argv[2]).status_code, "
        "client.get(sys.argv[1].rpartition('/')[0] + '/forged').status_code)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    opened = path(tokens.open_url(key(Message.objects.get(run=run))))
    said = subprocess.run(
        [sys.executable, "-c", asked, path(click), opened], env=environment, capture_output=True, text=True
    )
    assert said.stdout.split() == ["302", SHOP, "200", "404"], said.stderr[-2000:]
