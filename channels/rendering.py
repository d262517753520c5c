"""Content becomes Compiled once per campaign version, and Compiled becomes Rendered once per person.

Where the author wrote no text version, one is made from the HTML: once, while compiling, when every template
tag survives the conversion in its place; else anew for each person. What comes next is `mime.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from markupsafe import escape

from channels.bodies import Bodies
from channels.contents import SHAPES, extra_problems
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from channels.payload import Payload, Tree
from channels.sandbox import RenderError, Template, compile_template
from channels.sending import UNDRESSED, Dress
from common.errors import Invalid, Problem

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MARK = re.compile("\ue000([0-9]+)\ue001")
MAX_SUBJECT = 500
PARTS = ("subject", "preheader", "html", "text", "url", "image")
ONE_LINE = ("subject", "preheader", "url", "image")
AS_TEXT = ParserConfig(display_links=True)
PREHEADER = "carillon_preheader"
HIDDEN = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>'


MAX_EXTRA, EXTRA_NESTING = 1000, 20  # a LINE flex message nests deeply
SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,30}:(?=[^\s])", re.IGNORECASE)
RUNS_CODE = ("javascript:", "data:", "vbscript:", "file:", "blob:")


@dataclass(frozen=True)
class Compiled:
    """`text` is None when the text version has to be made from each person's HTML. `payload` is the text as
    a JSON object of templates, where it is one.
    """

    subject: Template
    preheader: Template
    html: Template
    text: Template | None
    names: frozenset[str]
    payload: Payload | None = None
    url: Template | None = None
    image: Template | None = None
    extra: Tree | None = None
    sources: tuple[str, str] = ("", "")  # of HTML and text, with the preheader in the HTML

    @cached_property
    def encoded(self) -> Bodies | None:
        """HTML and text that are written in quoted-printable at once; None when there is no text template, or
        no fixed place for the preheader: then they are rendered first and encoded afterwards.
        """
        html, text = self.sources
        if not html or self.text is None or PREHEADER in self.text.names:
            return None
        try:
            return Bodies(
                compile_template(text, html=False, encoded=True),
                compile_template(html, html=True, encoded=True),
            )
        except Invalid:  # so large that the line for the preheader was too much
            return None


def compile_content(content: Content, channel: str = "email") -> Compiled:
    """Raises Invalid with every part's fault. Pointers are the parts, such as /subject or
    /extra/columns/0/expression. Of what the channel has no use for nothing is looked at.
    """
    problems: list[Problem] = []
    parts = SHAPES[channel].names

    def part(name: str, *, html: bool = False) -> Template:
        source = getattr(content, name) if name in parts else ""
        if name in ONE_LINE and CONTROLS.search(source):
            detail = _("A line break or control character cannot stand here. Write it on one line.")
            problems.append(Problem(f"{name}_control_char", detail, f"/{name}"))
            return EMPTY
        try:
            return compile_template(source, html=html)
        except Invalid as error:
            problems.extend(replace(problem, pointer=f"/{name}") for problem in error.problems)
            return EMPTY

    templates = {name: part(name, html=name == "html") for name in PARTS}
    extra = None
    if content.extra:
        found = list(extra_problems(content, channel))
        try:
            extra = found or Tree(content.extra, "/extra", most=MAX_EXTRA, nesting=EXTRA_NESTING)
        except Invalid as error:
            found = list(error.problems)
        problems += found
    if problems or isinstance(extra, list):
        raise Invalid(problems)
    names = frozenset(name for template in templates.values() for name in template.names)
    text: Template | None = templates["text"]
    text_source = content.text
    if channel == "email" and not content.text.strip():
        text, text_source = _text_template(content.html)
    return Compiled(
        subject=templates["subject"],
        preheader=templates["preheader"],
        html=templates["html"],
        text=text,
        url=templates["url"],
        image=templates["image"],
        names=names | (extra.names if extra else frozenset()),
        payload=_payload(content.text),
        extra=extra,
        sources=(_with_place(content), text_source),
    )


def _payload(text: str) -> Payload | None:
    try:
        return Payload(text) if text.lstrip().startswith("{") else None
    except Invalid:
        return None


def names_under(root: str, content: Content, channel: str) -> list[str]:
    """The names a message uses under one such as `context`, the longest of each branch; none while it cannot
    be compiled.
    """
    try:
        names = compile_content(content, channel).names
        used = sorted(name for name in names if name.startswith(f"{root}."))
    except Invalid:
        return []
    return [name for name in used if not any(other.startswith(f"{name}.") for other in used)]


EMPTY = compile_template("", html=False)


def render(
    compiled: Compiled,
    *,
    context: dict[str, Any],
    key: str,
    recipient: str,
    configuration: ChannelConfiguration,
    dress: Dress = UNDRESSED,
    encoded: bool = False,
) -> Rendered:
    """The message for one person. `encoded` asks for the bodies as they travel, where they can be written so
    in one go: for a provider that hands over whole mails. Raises RenderError.
    """
    if configuration.channel != "email":
        return _beyond_email(
            compiled, context, Rendered(key, recipient, "", "", "", "", "", ""), configuration
        )
    preheader = _one_line(compiled.preheader.render(context))
    html, text, bodies = "", "", b""
    if encoded and compiled.encoded is not None:
        bodies = compiled.encoded.write({**context, PREHEADER: preheader})
    else:
        html = _with_preheader(compiled.html.render(context), preheader)
        text = compiled.text.render(context) if compiled.text else text_of(compiled.html.render(context))
    return Rendered(
        key=key,
        recipient=recipient,
        sender_name=configuration.sender_name,
        sender_email=configuration.sender_email,
        reply_to=dress.reply_to or configuration.reply_to,
        subject=_subject(compiled.subject.render(context)),
        html=html,
        text=text,
        headers=dress.headers,
        bodies=bodies,
        envelope_sender=dress.envelope_sender,
        bcc=dress.bcc,
    )


def _beyond_email(
    compiled: Compiled, context: dict[str, Any], bare: Rendered, configuration: ChannelConfiguration
) -> Rendered:
    """Each channel's own parts; of a notification's title the line must hold, as of a subject."""
    channel = configuration.channel
    has_title = "subject" in SHAPES[channel].names
    return replace(
        bare,
        sender_name=configuration.sender_name if channel == "line" else "",
        subject=_subject(compiled.subject.render(context)) if has_title else "",
        text=_plain(compiled, context, channel),
        url=_address(compiled.url, context),
        image=_address(compiled.image, context),
        extra=compiled.extra.fill(context) if compiled.extra else {},
    )


def _address(template: Template | None, context: dict[str, Any]) -> str:
    """Where something leads: a web address, or one that an app opens. Never one that runs code."""
    text = CONTROLS.sub("", template.render(context)).strip() if template else ""
    if text and (not SCHEME.match(text) or text.lower().startswith(RUNS_CODE)):
        raise RenderError("bad_address", _("“%(text)s” is not an address.") % {"text": text[:80]})
    return quote(text, safe="%/:?#[]@!$&'()*+,;=~")


def _plain(compiled: Compiled, context: dict[str, Any], channel: str) -> str:
    """A webhook's JSON is filled in text by text, so that no person's name can change its structure."""
    if channel != "webhook":
        return compiled.text.render(context) if compiled.text else ""
    if compiled.payload is None:
        raise RenderError("bad_payload", _("The message must be a JSON object."))
    return json.dumps(compiled.payload.fill(context), ensure_ascii=False)


def sample(
    content: Content, *, context: dict[str, Any], recipient: str, configuration: ChannelConfiguration
) -> Rendered:
    """What one person would get, for a preview. Raises Invalid or RenderError."""
    compiled = compile_content(content, configuration.channel)
    return render(compiled, context=context, key="sample", recipient=recipient, configuration=configuration)


def _subject(text: str) -> str:
    subject = _one_line(text)
    if not subject:
        raise RenderError("subject_empty", _("The subject is empty for this person."))
    if len(subject) > MAX_SUBJECT:
        raise RenderError("subject_too_long", _("The subject is longer than 500 characters for this person."))
    return subject


def _with_preheader(html: str, line: str) -> str:
    if not line:
        return html
    body = BODY.search(html)
    at = body.end() if body else 0
    return html[:at] + HIDDEN.format(escape(line)) + html[at:]


def _with_place(content: Content) -> str:
    """The HTML with a place for the preheader; nothing when only the rendered HTML shows where that is."""
    if not content.preheader:
        return content.html
    found = list(BODY.finditer(content.html))
    if len(found) != 1 or re.search(r"\{[%#]", content.html[: found[0].end()]) or "{{" in found[0].group():
        return ""
    at = found[0].end()
    line = HIDDEN.format(f"{{{{ {PREHEADER} }}}}")
    return f"{content.html[:at]}{{% if {PREHEADER} %}}{line}{{% endif %}}{content.html[at:]}"


def _one_line(text: str) -> str:
    return " ".join(CONTROLS.sub(" ", text).split())


def text_of(html: str) -> str:
    """Readable plain text; links keep their address."""
    try:
        lines = (line.rstrip() for line in get_text(html, AS_TEXT).splitlines())
    except (ValueError, RecursionError, LookupError, TypeError) as error:  # lxml refuses what is no document
        raise RenderError("text_from_html", _("No text version can be made from this HTML.")) from error
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _text_template(html: str) -> tuple[Template | None, str]:
    """The text version as a template of its own and its source; None when a tag would be lost or moved."""
    tags: list[str] = []

    def mark(match: re.Match[str]) -> str:
        tags.append(match.group())
        return f"\ue000{len(tags) - 1}\ue001"

    if "\ue000" in html or "\ue001" in html:
        return None, ""
    try:
        text = text_of(TAG.sub(mark, html))
    except RenderError:
        return None, ""
    found = [int(number) for number in MARK.findall(text)]
    blocks = [number for number, tag in enumerate(tags) if tag.startswith("{%")]
    kept = [number for number in found if tags[number].startswith("{%")]
    if kept != blocks or re.search(r"\{[{%#]", text):
        return None, ""
    try:
        source = MARK.sub(lambda match: tags[int(match.group(1))], text)
        return compile_template(source, html=False), source
    except Invalid:
        return None, ""
