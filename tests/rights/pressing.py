"""Every door that changes something, with something that takes effect: each operation of the API with the
examples of OpenAPI and with a body that fits, each form of the pages and of the admin site as it is shown and
filled in.

What is yielded is the door's name and what presses it; a door comes several times, until something takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.test import Client
from django.utils import timezone

from accounts import roles
from accounts.models import ApiCredential, User
from channels import allowed
from tests.rights.addresses import Address, every, methods
from tests.rights.asking import Asker
from tests.rights.bodies import changes
from tests.rights.forms import Field, Forms
from tests.rights.world import World

Pressed = tuple[str, Callable[[], Any]]
POSTED = "application/x-www-form-urlencoded"
OURS = ("accounts", "audiences", "campaigns", "channels")
# What somebody would write over what the admin site shows.
WRITTEN = {"who": "lin@here.example", "name": "New", "slug": "new", "description": "New"}


def settle(world: World) -> None:
    """What the first call of all would write: that the credential was used, and the list it reads."""
    ApiCredential.objects.update(last_used_at=timezone.now() + timedelta(days=1))
    allowed.list_of(world.here)


def operations(world: World, schema: dict[str, Any]) -> Iterator[Pressed]:
    asker = Asker(world, "administrator")
    headers = {**asker.headers, "If-Match": "*"}
    described = {re.sub(r"{\w+}", "{}", path): told for path, told in schema["paths"].items()}
    fitting = changes(world)
    holder = f"user:{world.people['viewer'].pk}"
    for address in every():
        told = described.get(re.sub(r"<[^>]+>", "{}", address.path))
        if not address.is_api or told is None:
            continue
        path = address.for_kind(world, "own").replace("user:1", holder)
        fits = fitting.get(address.path) or fitting.get(f"{address.path}<int:pk>/")
        for method in sorted(set(methods(address)) - {"GET"}):
            media = told[method.lower()].get("requestBody", {}).get("content", {}).get("application/json", {})
            shown = [media["example"]] if "example" in media else []
            shown += [one["value"] for one in media.get("examples", {}).values()]
            for body in (shown or [None]) + [fits] * (fits is not None):
                given = (method, path, json.dumps(body), "application/json")
                yield f"{method} {address.path}", partial(asker.client.generic, *given, headers=headers)


def pages(asker: Asker, world: World, addresses: Iterable[Address]) -> Iterator[tuple[Address, str, str]]:
    """The addresses, of what is somebody's own, that show a page: with its path and what it says."""
    for address in addresses:
        path = address.for_kind(world, "own")
        answer = asker.ask(address, "GET", path)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            yield address, path, answer.body.decode()


def forms(world: World, addresses: Iterable[Address] | None = None) -> Iterator[Pressed]:
    """Of all pages, or of these."""
    asker = Asker(world, "administrator")
    done: set[Any] = set()
    asked = (one for one in (every() if addresses is None else addresses) if not one.is_api)
    for _address, path, page in pages(asker, world, asked):
        for action, shown in Forms(page, path).found:
            name = _numberless(action)
            for fields in (shown, [(key, value or "7") for key, value in shown]):
                form = (name, *sorted((key, bool(value)) for key, value in fields))
                if form not in done:
                    done.add(form)
                    yield name, partial(asker.client.post, action, urlencode(fields), POSTED)


def forms_of_the_admin_site(world: World) -> Iterator[Pressed]:
    """As somebody who manages the workspace and is a superuser: more than anybody else may do there."""
    person = world.people["administrator"]
    roles.open_or_close_the_admin_site(person)
    User.objects.filter(pk=person.pk).update(is_superuser=True)
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return _of_the_admin_site(client, {**WRITTEN, "workspace": str(world.here.pk)})


def _of_the_admin_site(client: Client, words: dict[str, str]) -> Iterator[Pressed]:
    for model in admin.site._registry:
        if model._meta.app_label not in OURS:
            continue
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        keys = list(model._default_manager.order_by("pk").values_list("pk", flat=True)[:3])
        pages = ["add/", *(f"{key}/{page}/" for page in ("change", "delete") for key in keys)]
        for path in (f"{base}{page}" for page in pages):
            answer = client.get(path)
            found = Forms(answer.content.decode(), path).found if answer.status_code == 200 else []
            for action, shown in found:
                if action.startswith(base):
                    for how, fields in _filled(shown, words):
                        yield (
                            f"{_numberless(action)} {how}",
                            partial(client.post, action, urlencode(fields), POSTED),
                        )
        for key in keys:
            picked = {"action": "delete_selected", "_selected_action": key, "post": "yes"}
            yield f"{base} delete_selected", partial(client.post, base, picked)


def _filled(shown: list[Field], words: dict[str, str]) -> Iterator[tuple[str, list[Field]]]:
    """As it is shown, written over, and with its first row taken out."""
    yield "as shown", shown
    yield "written", [(key, words.get(key.rpartition("-")[2], value)) for key, value in shown]
    yield from (
        ("taken out", [*shown, (key.removesuffix("id") + "DELETE", "on")])
        for key, value in shown
        if key.endswith("-0-id") and value
    )


def _numberless(path: str) -> str:
    return re.sub(r"\d+", "#", path.partition("?")[0])
