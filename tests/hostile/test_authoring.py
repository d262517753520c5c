"""Everything of `authoring.yaml`, pasted into the editor of a draft by its page: saved as it is, or refused
beside its field with nothing lost; never a 500, always quickly.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from campaigns import validation
from campaigns.models import Campaign
from tests import builders

pytestmark = pytest.mark.django_db
ROWS = yaml.safe_load((Path(__file__).parent / "authoring.yaml").read_text())
LEFT = {"template_no_unsubscribe"}  # these messages lack it, and nothing else
SECONDS = 20  # a busy machine included; on a quiet one each takes well under two


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 1)
    return builders.draft(where, builders.person(where, "manager"))


@pytest.fixture
def client(campaign: Campaign) -> Client:
    client = Client()
    client.force_login(User.objects.get(name="Manager"))
    return client


def source_of(row: dict[str, Any]) -> str:
    return row.get("source") or "".join(text * times for text, times in row["repeat"])


TYPED = [row for row in ROWS if row["field"] != "import"]
BROUGHT = [row for row in ROWS if row["field"] == "import"]


@pytest.mark.sampled(10)
@pytest.mark.parametrize("row", TYPED, ids=[row["id"] for row in TYPED])
def test_what_is_pasted_is_kept_or_refused_in_words(
    row: dict[str, Any], campaign: Campaign, client: Client
) -> None:
    source, field = source_of(row), row["field"]
    page, before = f"/campaigns/{campaign.pk}/edit/content/", campaign.actions.get().content
    begun = time.monotonic()
    answer = client.post(f"{page}?view=code", {"revision": campaign.revision, field: source})
    kept = Campaign.objects.get(pk=campaign.pk).actions.get().content
    if "refused" in row:
        assert answer.status_code == 400 and kept == before
        assert row["refused"] in answer.text
        assert escape(source.replace("\0", "")[:200]) in answer.text  # what was written is there to be mended
    else:
        assert answer.status_code == 302, answer.text
        assert kept[field].replace("\r\n", "\n") == source
        assert client.get(f"{page}?view=code").status_code == 200
        shown = client.get(f"/campaigns/{campaign.pk}/preview/")
        assert shown.status_code == 200 and row.get("preview", "") in shown.text
        assert client.get(f"/campaigns/{campaign.pk}/review/").status_code == 200
        found = validation.validate(Campaign.objects.get(pk=campaign.pk), now=timezone.now())
        errors = {one.code: one for one in found if one.is_error}
        if "code" in row:
            assert row["code"] in errors, errors
            assert row.get("told", "") in errors[row["code"]].message
            assert errors[row["code"]].field == field
        else:
            assert not [
                code for code in errors if code.startswith(("template_", "content_")) and code not in LEFT
            ]
    assert time.monotonic() - begun < SECONDS


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", BROUGHT, ids=[row["id"] for row in BROUGHT])
def test_html_from_elsewhere_is_cleaned_or_refused_in_words(
    row: dict[str, Any], campaign: Campaign, client: Client
) -> None:
    page, source = f"/campaigns/{campaign.pk}/edit/content/begin/", source_of(row)
    before = campaign.actions.get().content
    answer = client.post(page, {"revision": campaign.revision, "html": source})
    kept = Campaign.objects.get(pk=campaign.pk).actions.get().content
    if "refused" in row:
        assert answer.status_code == 400 and kept == before
        assert row["refused"] in answer.text and escape(source[:200]) in answer.text
    else:
        assert answer.status_code == 302
        assert not [word for word in row.get("lacks", ()) if word in kept["html"]]
        assert row["has"] in kept["html"]


def test_a_paste_of_five_megabytes_is_refused_in_words(campaign: Campaign, client: Client) -> None:
    before = campaign.actions.get().content
    for page in ("edit/content/", "edit/content/begin/"):
        answer = client.post(
            f"/campaigns/{campaign.pk}/{page}", {"revision": campaign.revision, "html": "<p>" * 2_000_000}
        )
        assert answer.status_code in (400, 413) and "Traceback" not in answer.text
    assert Campaign.objects.get(pk=campaign.pk).actions.get().content == before


def test_of_two_tabs_the_second_is_told_and_neither_loses_a_word(campaign: Campaign, client: Client) -> None:
    page, old = f"/campaigns/{campaign.pk}/edit/content/", campaign.revision
    assert client.post(page, {"revision": old, "subject": "First tab 一"}).status_code == 302
    late = client.post(page, {"revision": old, "subject": "Second tab 二"})
    assert late.status_code == 409 and "Second tab 二" in late.text and "saved it at" in late.text
    assert campaign.actions.get().content["subject"] == "First tab 一"


@pytest.mark.parametrize("name", ["\u200b\u2060", " \u3000 ", "\ufeff"])
def test_a_name_that_nobody_would_see_is_no_name(name: str, campaign: Campaign, client: Client) -> None:
    form = {"name": name, "type": "scheduled", "category": "marketing"}
    assert client.post("/campaigns/new/", form).status_code == 400
    edit = f"/campaigns/{campaign.pk}/edit/properties/"
    assert client.post(edit, {"revision": campaign.revision, "name": name}).status_code == 400
    assert Campaign.objects.get().name == "Winter layers"


def test_emoji_and_right_to_left_names_stand_in_lists_and_folders(campaign: Campaign, client: Client) -> None:
    names = ["👨‍👩‍👧‍👦 春節 🧧", "تخفيضات الشتاء", "\u202etxt.exe"]
    for name in names:
        client.post("/campaigns/folders/", {"name": name})
        client.post("/campaigns/new/", {"name": name, "type": "scheduled", "category": "marketing"})
    page = client.get("/campaigns/").text
    assert all(name in page for name in names)
