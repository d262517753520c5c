"""The audit log's page tells what happened in words, in the reader's language, and its filters work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model
from django.test import Client
from django.utils import timezone, translation

from accounts import audit, auditwords
from accounts.access import SYSTEM
from accounts.models import User
from campaigns.lifecycle import PRESSABLE, TRANSITIONS
from config.env import ROOT
from tests import builders

pytestmark = pytest.mark.django_db
WRITTEN = re.compile(
    r'verb="([a-z_ -]+)"|(?:_record|_note|_write|_move|_save)\((?:[\w.()\[\]]+, )*"([a-z_ -]+)"', re.MULTILINE
)


def test_every_verb_that_the_source_records_has_words() -> None:
    found = set(TRANSITIONS) | set(PRESSABLE)
    for app in ("accounts", "audiences", "campaigns", "channels"):
        for path in (ROOT / app).rglob("*.py"):
            text = path.read_text()
            if "audit.record(" not in text:
                continue
            ending = "_import" if path.name == "jobs.py" else ""
            for plain, noted in WRITTEN.findall(text):
                found.add(plain or noted + ending)
    assert len(found) > 60
    assert sorted(found - set(auditwords.VERBS)) == []


def test_every_kind_whose_model_is_named_is_told_in_chinese() -> None:
    named = [model._meta.label_lower for model in apps.get_models() if "verbose_name" in _said(model)]
    apps_of_ours = ("accounts", "audiences", "campaigns", "channels")
    ours = [kind for kind in named if kind.partition(".")[0] in apps_of_ours]
    assert auditwords.kind_in_words("campaigns.run") == "Run" and len(ours) > 30
    with translation.override("zh-hant"):
        assert auditwords.kind_in_words("audiences.attributedefinition") == "屬性"
        told = {kind: auditwords.kind_in_words(kind) for kind in ours}
    assert not [kind for kind, words in told.items() if words.isascii()]


def _said(model: type[Model]) -> dict[str, Any]:
    """The options that its Meta names itself."""
    return model._meta.original_attrs


def test_the_page_tells_words_in_the_readers_language_and_filters_still_work() -> None:
    where = builders.workspace()
    ana = builders.person(where, "administrator", "ana")
    now = timezone.now()
    for verb in ("grant role", "choose_winner", "of_an_older_release"):
        audit.record(actor=SYSTEM, verb=verb, obj=where, workspace=where, now=now)
    client = Client()
    client.force_login(ana)
    page = client.get("/accounts/log/").content.decode()
    assert '<option value="grant role" >Role given</option>' in page
    assert ">Winner chosen</td>" in page and ">of an older release</td>" in page
    assert "accounts.workspace" not in re.sub(r'value="[^"]*"', "", page)
    only = client.get("/accounts/log/?verb=grant+role&kind=accounts.workspace").content.decode()
    assert ">Role given</td>" in only and ">Winner chosen</td>" not in only
    User.objects.filter(pk=ana.pk).update(language="zh-hant")
    chinese = client.get("/accounts/log/?verb=grant+role").content.decode()
    assert ">授予角色</td>" in chinese and "Role given" not in chinese
    assert ">系統</td>" in chinese and "the clock" not in chinese
