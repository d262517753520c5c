"""The house's one-way order, kept by reading every import.

Between apps: config → campaigns → audiences → channels → accounts → common, never to the left.
Inside an app: doors (views, api, admin, tasks, …) → verbs → models. A verb knows no request, form or task.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("config", "campaigns", "audiences", "channels", "accounts", "common")
DOORS = {
    *("views", "api", "admin", "management", "tasks", "forms", "urls", "public_urls"),
    *("middleware", "authentication", "apps", "doors"),
}
NEVER_NAMED = {"services", "utils", "util", "helpers", "helper", "managers", "handlers", "signals"}
FRAMES = ("django.http", "django.forms", "django.views", "django.contrib.admin", "rest_framework", "celery")
# A provider brings the form of its own settings: it is read, reviewed and deleted as one thing.
FORMS_ALLOWED = "channels.providers."
# The bell is rung by a task's name, in one place.
BELL = ("campaigns.delivery.ring", "celery.current_app")
# What the doors of every app share. A door otherwise knows the doors of its own app.
SHARED_DOORS = ("common", "accounts.doors")


def modules() -> Iterator[tuple[str, Path]]:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


MODULES = dict(modules())


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def imports(module: str) -> set[str]:
    return imported(tree(module), module, MODULES[module].name == "__init__.py")


def imported(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Every name a module imports, also inside functions and for the type checker only, as dotted paths."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base]).strip(".")
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def kind(module: str) -> str:
    """`door`, `model` or `verb`, by the second part of the dotted path."""
    parts = module.split(".")
    if len(parts) == 1:
        return "verb"
    if parts[1] in DOORS:
        return "door"
    return "model" if parts[1] == "models" else "verb"


def faults(module: str, names: set[str]) -> list[str]:
    """What a module imports against the order."""
    layer = module.split(".")[0]
    found = []
    for name in sorted(names):
        target = name.split(".")[0]
        if target in LAYERS:
            found += _order_faults(module, layer, name, target)
        elif layer != "config" and kind(module) != "door" and _is_of_a_door(module, name):
            found.append(f"{module} is no door and imports {name}")
    return found


def _order_faults(module: str, layer: str, name: str, target: str) -> list[str]:
    if LAYERS.index(target) < LAYERS.index(layer):
        return [f"{module} imports {name}, to its left"]
    if layer == "config":
        return []
    reachable = (layer, *SHARED_DOORS)
    if kind(name) == "door" and not (kind(module) == "door" and any(within(name, one) for one in reachable)):
        return [f"{module} imports the door {name}"]
    if kind(module) == "model" and target == layer and kind(name) != "model":
        return [f"the model {module} imports the verb {name}"]
    return []


def _is_of_a_door(module: str, name: str) -> bool:
    if (module, name) == BELL or (module.startswith(FORMS_ALLOWED) and within(name, "django.forms")):
        return False
    return any(within(name, frame) for frame in FRAMES)


def test_a_module_imports_to_the_right_and_downwards_only() -> None:
    assert not [fault for module in MODULES for fault in faults(module, imports(module))]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("audiences.evaluate", "from campaigns.models import Campaign"),
        ("common.tokens", "import accounts.models"),
        ("accounts.roles", "def f():\n    from config import env"),
        ("campaigns.lifecycle", "from campaigns import tasks"),
        ("campaigns.lifecycle", "from . import views"),
        ("campaigns.delivery.ring", "from ..tasks import deliver_batch"),
        ("campaigns.delivery.ring", "from celery import shared_task"),
        ("campaigns.views.lists", "from channels.views import show_list"),
        ("campaigns.models.run", "from campaigns.lifecycle import apply"),
        ("channels.configurations", "from django.http import HttpRequest"),
        ("channels.configurations", "from django import forms"),
    ],
)
def test_an_import_against_the_order_is_found(module: str, source: str) -> None:
    assert faults(module, imported(ast.parse(source), module))


def test_rights_on_single_objects_are_asked_in_one_place() -> None:
    """Models may hold guardian's tables; only accounts.access may ask them."""
    askers = {
        module
        for module in MODULES
        if kind(module) != "model" and any(within(name, "guardian") for name in imports(module))
    }
    assert askers <= {"accounts.access"}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [module for module in MODULES if NEVER_NAMED & set(module.split("."))]


def test_every_module_with_code_says_what_it_is() -> None:
    silent = [
        module
        for module, path in MODULES.items()
        if len(path.read_text().splitlines()) > 25 and not ast.get_docstring(tree(module))
    ]
    assert not silent
