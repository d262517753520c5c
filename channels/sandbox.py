"""Message templates are written by people we need not trust.

A source is parsed by Jinja2 and compared with a list of what is allowed: values, conditions, loops and a few
filters. Nothing can be called, no Python attribute can be read (a dot looks up a key of plain data and
nothing else), and what runs is counted: loop steps, characters handled, characters written. Jinja2's own
sandbox stands behind all that. Faults found in the source are Invalid with line and column; faults found
while rendering are RenderError.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import jinja2
from django.utils.translation import gettext as _
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context

from channels import slots, syntaxwords
from channels.mime import encoded_piece
from channels.sandbox_environment import CONCATENATE, STEPS, environment
from channels.sandbox_filters import FILTERS, TESTS
from channels.sandbox_printing import Ready, printer
from channels.sandbox_values import MAX_INTEGER, MAX_OUTPUT, Budget, RenderError, too_large
from channels.slots import Slots
from common.errors import Invalid, Problem

__all__ = ["Ready", "RenderError", "Template", "TemplateProblem", "compile_template"]

MAX_SOURCE, MAX_TAGS, MAX_NODES, MAX_DEPTH = 500_000, 5_000, 20_000, 60
AT_ONCE = 32  # pieces between two looks at how much was written
ENCODED_LENGTH = 12  # a character of four octets in quoted-printable
RESERVED = {"self", "super", "caller", "varargs", "kwargs"}
ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For,
    nodes.Assign, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.Concat, nodes.List, nodes.Tuple,
)  # fmt: skip


@dataclass(frozen=True)
class TemplateProblem(Problem):
    """A fault in a template; `line` and `column` count from 1."""

    line: int = 0
    column: int = 0


class Template:
    """A compiled source. `names` holds the dotted paths it reads, such as `profile.first_name`, `lists` those
    of them that it loops over or joins; `fixed` is its text where that is the same for everybody; `slots`
    is the quick way through it; `most` is how many characters it may write.
    """

    def __init__(
        self,
        compiled: jinja2.Template,
        names: set[str],
        lists: set[str],
        most: int,
        fixed: str | None,
        slots: Slots | None,
    ) -> None:
        self._compiled = compiled
        self.names, self.lists = names, lists
        self.most = most
        self._fixed = fixed
        self.slots = slots

    def render(self, context: dict[str, Any]) -> str:
        """The text for one person. `context` is plain data; anything else in it cannot be read or printed."""
        if self._fixed is not None:
            return self._fixed
        if self.slots is not None and (text := self._filled(self.slots, context)) is not None:
            return text
        return self._run_whole(context)

    def _context(self, context: dict[str, Any]) -> Context:
        values = {name: value for name, value in context.items() if name[:1] != "_"}
        values[Budget.KEY] = Budget()
        return self._compiled.new_context(values)

    def _filled(self, slots: Slots, context: dict[str, Any]) -> str | None:
        """None where it is better said by the whole template."""
        found = slots.fill(context)
        if found is None:
            return None
        pieces, length = found
        if (parts := self.run_parts(context)) is None:
            return None
        for place, written in parts:
            pieces[place] = written
            length += len(written)
        return "".join(pieces) if length <= self.most else None

    def run_parts(self, context: dict[str, Any]) -> list[tuple[int, str]] | None:
        """What the parts between the slots write, each with its place; None where that is better said by the
        whole template.
        """
        if self.slots is None or not self.slots.parts:
            return []
        found = list[tuple[int, str]]()
        try:
            made, left = self._context(context), self.most
            for place, part in self.slots.parts:
                written, left = _run(part, made, left)
                found.append((place, "".join(written)))
        except RenderError as error:
            if error.code != "template_too_slow":
                return None
            error.line = error.line or self._line(error)
            raise  # the whole would take as long again
        except Exception:
            return None
        return found

    def _run_whole(self, context: dict[str, Any]) -> str:
        try:
            written, _left = _run(self._compiled.root_render_func, self._context(context), self.most)
        except RenderError as error:
            error.line = error.line or self._line(error)
            raise
        except jinja2.UndefinedError as error:
            raise RenderError("undefined_name", str(error), self._line(error)) from error
        except (RecursionError, MemoryError) as error:
            raise RenderError(
                "template_too_complex", _("This nests too deeply."), self._line(error)
            ) from error
        except (TypeError, ValueError, ArithmeticError, LookupError, jinja2.TemplateError) as error:
            detail = _("This cannot be worked out: %(reason)s.") % {"reason": str(error)[:120]}
            raise RenderError("template_value", detail, self._line(error)) from error
        return "".join(written)

    def _line(self, error: BaseException) -> int:
        line, traceback = 0, error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == "<template>":
                line = self._compiled.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


def _run(function: Callable[[Context], Iterator[str]], context: Context, left: int) -> tuple[list[str], int]:
    """What it writes, and how many characters are left of those it may."""
    written, pieces = list[str](), function(context)
    while some := list(islice(pieces, AT_ONCE)):
        written += some
        left -= sum(map(len, some))
        if left < 0:
            raise too_large()
    return written, left


def compile_template(source: str, *, html: bool, encoded: bool = False) -> Template:
    """`html` switches escaping of values on; `encoded` makes it write quoted-printable, its own text encoded
    here and now, each value when it is printed. That is right because nothing a template may use captures
    what it writes: there are no set blocks, filter blocks or macros. Raises Invalid with one TemplateProblem.
    """
    env = environment(html, encoded)
    check = _Check(source)
    if len(source) > MAX_SOURCE:
        check.refuse("template_too_large", _("The template is longer than 500,000 characters."), 1)
    if source.count("{{") + source.count("{%") > MAX_TAGS:  # before parsing, which takes long for so many
        check.refuse("template_too_complex", _("The template has more than 5,000 tags."), 1)
    try:
        tree = env.parse(source)
        check.tree(tree)
        names = _names(tree)
        lists = _lists(tree) & names
        _count_and_bound(tree)
        if encoded:
            _encode(tree)
        code = env.compile(tree)
        quick = slots.of(tree, env, path_of, printer(html, encoded))
    except jinja2.TemplateSyntaxError as error:
        check.refuse("template_syntax", syntaxwords.told(error.message or ""), error.lineno)
    except (RecursionError, MemoryError, SyntaxError):
        check.refuse("template_too_complex", _("This nests too deeply. Use fewer nested parts."), 1)
    except ValueError:  # a number of thousands of digits, refused by Python itself
        check.refuse("template_syntax", _("A number in the template is too long."), 1)
    most = MAX_OUTPUT * ENCODED_LENGTH if encoded else MAX_OUTPUT
    return Template(env.template_class.from_code(env, code, {}), names, lists, most, _fixed(tree), quick)


def _fixed(tree: nodes.Template) -> str | None:
    """What a template without any tag writes."""
    pieces = [piece for node in tree.body for piece in getattr(node, "nodes", [node])]
    if not all(isinstance(piece, nodes.TemplateData) for piece in pieces):
        return None
    return "".join(piece.data for piece in pieces)


class _Check:
    """Compares a tree with what is allowed."""

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines() or [""]

    def refuse(self, code: str, detail: str, line: int | None, hint: str = "") -> NoReturn:
        line = line or 1
        text = self.lines[min(line, len(self.lines)) - 1]
        found = re.search(rf"\b{re.escape(hint)}\b", text) if hint.isidentifier() else None
        found = found or re.search(r"\{[{%#]", text)
        column = found.start() + 1 if found else 1
        where = _("Line %(line)s, column %(column)s:") % {"line": line, "column": column}
        raise Invalid(TemplateProblem(code, f"{where} {detail}", line=line, column=column))

    def forbid(self, what: str, node: nodes.Node, hint: str = "") -> NoReturn:
        self.refuse("template_forbidden", what, node.lineno, hint)

    def tree(self, tree: nodes.Template) -> None:
        """Without recursion, so that depth is a finding and not a failure."""
        todo: list[tuple[nodes.Node, int]] = [(tree, 0)]
        seen = 0
        while todo:
            node, depth = todo.pop()
            seen += 1
            if seen > MAX_NODES or depth > MAX_DEPTH:
                detail = _("The template is too complex. Use fewer and less nested parts.")
                self.refuse("template_too_complex", detail, node.lineno)
            self.node(node)
            todo.extend((child, depth + 1) for child in node.iter_child_nodes())

    def node(self, node: nodes.Node) -> None:
        if not isinstance(node, ALLOWED):
            kind = syntaxwords.WRITTEN.get(type(node).__name__, type(node).__name__.lower())
            self.forbid(_("“%(kind)s” is not available in messages.") % {"kind": kind}, node)
        check = getattr(self, f"_{type(node).__name__.lower()}", None)
        if check is not None:
            check(node)

    def _name(self, node: nodes.Name) -> None:
        self._plain(node.name, node)
        if node.name in RESERVED or (node.name == "loop" and node.ctx == "store"):
            self.forbid(_("The name “%(name)s” is reserved.") % {"name": node.name}, node, node.name)

    def _plain(self, name: str, node: nodes.Node) -> None:
        if name.startswith("_"):
            detail = _("The name “%(name)s” begins with an underscore.") % {"name": name[:80]}
            self.forbid(detail, node, name)

    def _getattr(self, node: nodes.Getattr) -> None:
        self._plain(node.attr, node)

    def _getitem(self, node: nodes.Getitem) -> None:
        if not isinstance(node.arg, nodes.Const) or not isinstance(node.arg.value, str | int):
            self.forbid(_("Between [ and ] only a fixed name or number can stand."), node)
        if isinstance(node.arg.value, str):
            self._plain(node.arg.value, node)

    def _const(self, node: nodes.Const) -> None:
        if isinstance(node.value, int) and abs(node.value) > MAX_INTEGER:
            self.refuse("number_too_large", _("This number is too large."), node.lineno)

    def _for(self, node: nodes.For) -> None:
        if node.recursive:
            self.forbid(_("A loop cannot be recursive."), node, "recursive")

    def _assign(self, node: nodes.Assign) -> None:
        if not isinstance(node.target, nodes.Name):
            self.forbid(_("“set” can only give a value to a plain name."), node, "set")

    def _list(self, node: nodes.List) -> None:
        if not all(isinstance(item, nodes.Const) for item in node.items):
            self.forbid(_("A list can hold fixed values only."), node)

    def _tuple(self, node: nodes.Tuple) -> None:
        wanted = nodes.Name if node.ctx == "store" else nodes.Const
        if not all(isinstance(item, wanted) for item in node.items):
            self.forbid(_("A list can hold fixed values only."), node)

    def _filter(self, node: nodes.Filter) -> None:
        self._named(node, FILTERS, _("There is no filter “%(name)s” in messages."))

    def _test(self, node: nodes.Test) -> None:
        self._named(node, TESTS, _("There is no test “%(name)s” in messages."))

    def _named(self, node: nodes.Filter | nodes.Test, known: dict[str, Any], missing: str) -> None:
        if node.name not in known:
            self.forbid(missing % {"name": node.name[:80]}, node, node.name)
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            self.forbid(
                _("Only plain values can be given to “%(name)s”.") % {"name": node.name}, node, node.name
            )
        given = {str(getattr(pair, "key", "")): None for pair in node.kwargs}
        function = known[node.name]
        first = (None, None) if node.name in FILTERS and isinstance(node, nodes.Filter) else (None,)
        try:
            inspect.signature(function).bind(*first, *node.args, **given)
        except TypeError:
            detail = _("“%(name)s” is given too many, too few or unknown values.") % {"name": node.name}
            self.refuse("template_syntax", detail, node.lineno, node.name)


def _encode(tree: nodes.Template) -> None:
    for text in tree.find_all(nodes.TemplateData):
        text.data = encoded_piece(text.data)


def _count_and_bound(tree: nodes.Template) -> None:
    """Every loop counts its steps; every joining with ~ is bounded like +."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _call_filter(STEPS, loop.iter, [])
    _replace_joins(tree)


def _replace_joins(node: nodes.Node) -> None:
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, field, _without_join(value))
        elif isinstance(value, list):
            setattr(node, field, [_without_join(v) if isinstance(v, nodes.Node) else v for v in value])


def _without_join(node: nodes.Node) -> nodes.Node:
    _replace_joins(node)
    if isinstance(node, nodes.Concat):
        return _call_filter(CONCATENATE, node.nodes[0], node.nodes[1:])
    return node


def _call_filter(name: str, value: Any, args: Iterable[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=value.lineno)


def _names(tree: nodes.Template) -> set[str]:
    free = find_undeclared_variables(tree)
    inner = {
        id(getattr(node, "node", None))
        for node in tree.find_all((nodes.Getattr, nodes.Getitem))
        if _key(node) is not None
    }
    return {
        ".".join(path)
        for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem))
        if id(node) not in inner and (path := list(path_of(node))) and path[0] in free
    }


def _lists(tree: nodes.Template) -> set[str]:
    looped = [loop.iter for loop in tree.find_all(nodes.For)]
    joined = [one.node for one in tree.find_all(nodes.Filter) if one.name == "join" and one.node]
    return {".".join(path_of(node)) for node in (*looped, *joined)}


def _key(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if (
        isinstance(node, nodes.Getitem)
        and isinstance(node.arg, nodes.Const)
        and isinstance(node.arg.value, str)
    ):
        return node.arg.value
    return None


def path_of(node: nodes.Node) -> Iterator[str]:
    """The names from the root to this node; nothing when it does not begin with a name."""
    if isinstance(node, nodes.Name):
        if node.ctx == "load":
            yield node.name
    elif isinstance(node, nodes.Getattr | nodes.Getitem) and (key := _key(node)) is not None:
        before = list(path_of(node.node))
        if before:
            yield from (*before, key)
