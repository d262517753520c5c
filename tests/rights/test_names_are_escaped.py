"""A name may be anything: on every page and in the admin site it is a text."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models, transaction
from django.db.utils import Error
from django.test import Client

from accounts import roles
from tests.rights.addresses import every
from tests.rights.asking import Asker, rows
from tests.rights.pressing import OURS
from tests.rights.world import World

pytestmark = pytest.mark.django_db
MARK = "<zq onx=1>'\"{{7*7}}"
FREE = {"name", "title", "label", "description", "comment", "text", "source_name", "file_name", "reason"}
RAW = (b"<zq", b"onx=1>")


def put_everywhere() -> set[str]:
    """Behind each free text of every table, where the database takes it: the fields."""
    taken = set()
    for model in apps.get_models():
        if model._meta.app_label not in OURS:
            continue
        for field in model._meta.concrete_fields:
            if not isinstance(field, models.CharField | models.TextField) or field.name not in FREE:
                continue
            length = (field.max_length or 500) - len(MARK)
            begin = models.functions.Left(field.name, max(length, 1))
            put = models.functions.Concat(begin, models.Value(MARK), output_field=models.TextField())
            try:
                with transaction.atomic():
                    if model._base_manager.update(**{field.name: put}):
                        taken.add(f"{model._meta.model_name}.{field.name}")
            except Error:
                continue
    return taken


@pytest.mark.slow
def test_no_page_takes_a_name_for_markup(world: World) -> None:
    assert len(put_everywhere()) > 20
    person, asker = world.people["administrator"], Asker(world, "administrator")
    wrong, shown = [], 0
    for _row, address, method in rows(every()):
        if method != "GET":
            continue
        path = address.for_kind(world, "own")
        answer = asker.send(address, "GET", path)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            shown += b"&lt;zq" in answer.body
            wrong += [(path, answer.body[at - 80 : at + 40]) for at in _places(answer.body)]
    roles.open_or_close_the_admin_site(person)
    client = Client(raise_request_exception=False)
    client.force_login(person)
    for model in admin.site._registry:
        if model._meta.app_label in OURS:
            base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            first = model._default_manager.order_by("pk").first()
            for path in (
                [base, f"{base}{first.pk}/change/", f"{base}{first.pk}/history/"] if first else [base]
            ):
                page = client.get(path).content
                wrong += [(path, page[at - 80 : at + 40]) for at in _places(page)]
    assert wrong == []
    assert shown > 60


def _places(page: bytes) -> list[int]:
    return [at for at in (page.find(raw) for raw in RAW) if at >= 0]
