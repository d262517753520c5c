"""Reads and writes YAML as plain JSON: YAML 1.2's core schema, so `09:00` and `no` are texts, and no tags.

What grows when it is read is refused before anything is built: anchors and aliases, depth, and the number of
values. A mapping holds each key once, and keys are texts. https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml
from django.utils.translation import gettext as _

from common.errors import Invalid, Problem

MOST_BYTES, MOST_VALUES, DEEPEST = 1024 * 1024, 20_000, 40
RESOLVED = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,17})$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,2})?$"),
        list("-+0123456789."),
    ),
)
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlainLoader(Loader):  # type: ignore[misc]
    """The safe loader with the core schema's own reading of plain words."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in found:
                place = _place(key_node.start_mark)
                detail = _("%(place)s: a key must be a text that stands there once.") % {"place": place}
                raise Invalid(Problem("bad_key", detail))
            found[key] = self.construct_object(value_node, deep=deep)
        return found


class PlainDumper(yaml.SafeDumper):
    """Texts of many lines stand as they are written; what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for tag, pattern, first in RESOLVED:
    PlainLoader.add_implicit_resolver(tag, pattern, first)
    PlainDumper.add_implicit_resolver(tag, pattern, first)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


PlainDumper.add_representer(str, _text)


def write(document: Any) -> str:
    """Plain JSON as YAML that `read` reads back as the same."""
    return yaml.dump(document, Dumper=PlainDumper, allow_unicode=True, sort_keys=False, width=100)


def read(content: bytes) -> Any:
    """The one document as plain JSON. Raises Invalid with the line and column."""
    if len(content) > MOST_BYTES:
        raise Invalid(Problem("too_large", _("The document is larger than 1 MB.")))
    try:
        text = content.decode("utf-8-sig")
        _look_over(text)
        return yaml.load(text, Loader=PlainLoader)  # noqa: S506  a safe loader, made narrower
    except UnicodeDecodeError as error:
        raise Invalid(Problem("not_utf8", _("The document is not UTF-8."))) from error
    except yaml.YAMLError as error:
        raise Invalid(Problem("not_yaml", _words(error))) from error


def _look_over(text: str) -> None:
    """Every event once, before anything is built."""
    depth = values = documents = 0
    for event in yaml.parse(text, Loader=Loader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        fault = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            fault = _("%(place)s: anchors and aliases are not taken.")
        elif getattr(event, "tag", None):
            fault = _("%(place)s: tags are not taken.")
        elif depth > DEEPEST or values > MOST_VALUES:
            fault = _("%(place)s: it nests too deeply or holds too many values.")
        elif documents > 1:
            fault = _("%(place)s: there must be one document.")
        if fault:
            raise Invalid(Problem("not_plain", fault % {"place": _place(event.start_mark)}))


def _place(mark: Any) -> str:
    return _("Line %(line)s, column %(column)s") % {"line": mark.line + 1, "column": mark.column + 1}


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _("The document cannot be read as YAML.")
    problem = str(getattr(error, "problem", "") or "")[:200]
    return f"{_place(mark)}: {problem}" if problem else _place(mark)
