"""Letters for a printer, from an activated campaign to the file: who is erased meanwhile stands in none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audiences import erasure
from audiences.models import AttributeDefinition, Profile
from campaigns.models import Run
from campaigns.reports.metrics import ledger
from channels import mailfiles
from channels.models import InboxItem, MailFile, MailRow
from common.csvfiles import BOM
from tests import builders
from tests.channels.providers import BENCHES

pytestmark = pytest.mark.django_db(transaction=True)  # its lane writes over a line of its own
EXTRA = {
    "filename": "spring/letters.csv",
    "columns": [
        {"label": "Name", "expression": "{{ profile.name }}"},
        {"label": "City", "expression": "{{ profile.city | default('–') }}"},
    ],
    "sort_by": "Name",
    "header": "Spring",
    "footer": "End",
}


@pytest.fixture(autouse=True)
def _here(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path


def test_a_campaign_becomes_one_file_without_those_who_were_erased_while_it_waited(
    client: Client, tmp_path: Path
) -> None:
    where = builders.workspace()
    AttributeDefinition.objects.create(workspace=where, key="city")
    for name, city in (("Ana", "台北"), ("Ben", "Tainan"), ("Evelina", "Yilan")):
        Profile.objects.create(workspace=where, external_id=name, attributes={"name": name, "city": city})
    target = BENCHES["direct_mail"].configuration(None).settings
    configuration = builders.configuration(
        where, name="Printer", provider="direct_mail", channel="direct_mail", settings=target
    )
    campaign = builders.draft_over(configuration, builders.person(where, "manager"), extra=EXTRA)
    approver = builders.person(where, "approver")
    builders.lifecycle.apply(campaign, "activate", actor=approver, now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    assert (ledger(run).accepted, MailRow.objects.count(), MailFile.objects.get().state) == (3, 3, "waiting")

    administrator = builders.person(where, "administrator")
    eve = Profile.objects.get(external_id="Evelina")
    client.force_login(administrator)
    for name in ("Ana", "Evelina"):
        key = MailRow.objects.get(cells__0=name).key
        InboxItem.objects.create(configuration=configuration, recipient=name, key=key, ends_at=timezone.now())
    erasure.erase(eve, actor=administrator, now=timezone.now())
    mailfiles.write_due(timezone.now)

    (written,) = (tmp_path / "mailfiles").rglob("*.csv")
    lines = written.read_text("utf-8").removeprefix(BOM).splitlines()
    assert lines == ["Spring", "Name,City", "Ana,台北", "Ben,Tainan", "End"]
    assert not MailRow.objects.exclude(cells=[]).exists()
    assert ledger(run).accepted == 3  # that it was handed over stays true
    page = client.get(f"/channels/{configuration.pk}/").content.decode()
    assert "letters.csv" in page and "Delivered" in page
    assert "Evelina" not in page
    assert list(InboxItem.objects.values_list("recipient", flat=True)) == ["Ana"]
