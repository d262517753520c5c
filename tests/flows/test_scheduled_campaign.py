"""The main job: a file of 2,000 people, a personal message, real SMTP, a click, an unsubscribe, a report."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audiences.models import Audience
from campaigns import drafts, lifecycle
from campaigns.models import Run
from campaigns.reports.metrics import engagement, ledger
from tests import builders
from tests.audiences.imported import put
from tests.fakes.smtp import FakeSmtp

PEOPLE = 2000
NAMES = ["林怡君", "Emily Tsai", "陳柏翰", "James O'Hara"]


@pytest.mark.django_db
def test_a_file_of_two_thousand_people_becomes_two_thousand_messages_and_a_true_report() -> None:
    where = builders.workspace()
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    rows = [f"p{n}@example.com,{NAMES[n % 4]},zh-TW" for n in range(PEOPLE)]
    upload = Audience.objects.create(workspace=where, name="Members", kind=Audience.Kind.UPLOAD)
    put("\n".join(["email,name,locale", *rows]).encode("big5"), where, audience=upload)
    with FakeSmtp() as server:
        draft = drafts.create(
            where, name="Winter", type="scheduled", category="marketing", actor=manager, now=timezone.now()
        )
        draft = drafts.save(
            draft,
            revision=draft.revision,
            actor=manager,
            now=timezone.now(),
            audience=upload,
            configuration=builders.smtp(where, server.port),
            **builders.CONTENT,
        )
        lifecycle.apply(draft, "activate", actor=approver, now=timezone.now())
        call_command("deliver")
        received = Counter(one.recipients[0] for one in server.accepted)
        letters = {one.recipients[0]: one.parsed for one in server.accepted[:50]}

    assert received == Counter(f"p{n}@example.com" for n in range(PEOPLE))
    run = Run.objects.get()
    book = ledger(run)
    assert (run.state, run.campaign.status) == ("completed", "completed")
    assert (book.targeted, book.accepted, book.balances) == (PEOPLE, PEOPLE, True)

    address, letter = next(iter(letters.items()))
    number = int(re.findall(r"\d+", address)[0])
    assert letter["Subject"] == f"News for {NAMES[number % 4]}"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = letter.get_body(("html",)).get_content()
    assert NAMES[number % 4].replace("'", "&#39;") in html
    browser = Client()
    click = re.search(r'href="http://[^/]+(/t/c/[^"]+)"', html).group(1)
    assert browser.get(click).headers["Location"] == "https://shop.example/a?x=1&y=2"
    browser.get(re.search(r'src="http://[^/]+(/t/o/[^"]+)"', html).group(1))
    leave = re.search(r"<http://[^/]+(/u/[^>]+)>", letter["List-Unsubscribe"]).group(1)
    assert browser.post(leave, {"List-Unsubscribe": "One-Click"}).status_code == 200
    told = engagement(run)
    assert (told.opened, told.clicked, told.unsubscribed) == (1, 1, 1)
