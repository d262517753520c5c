"""Content becomes Compiled once per campaign version, and Compiled becomes Rendered once per person.

Where the author wrote no text version, one is made from the HTML: once, while compiling, when every template
tag survives the conversion in its place; else anew for each person. What comes next is `mime.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from markupsafe import escape

from channels.contents import SHAPES, extra_problems
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from channels.payload import Payload, Tree
from channels.sandbox import RenderError, Template, compile_template
from common.errors import Invalid, Problem

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MARK = re.compile("\ue000([0-9]+)\ue001")
MAX_SUBJECT = 500
PARTS = ("subject", "preheader", "html", "text", "url", "image")
ONE_LINE = ("subject", "preheader", "url", "image")
AS_TEXT = ParserConfig(display_links=True)
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
    if channel == "email" and not content.text.strip():
        text = _text_template(content.html)
    else:
        text = templates["text"]
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
    )


def _payload(text: str) -> Payload | None:
    try:
        return Payload(text) if text.lstrip().startswith("{") else None
    except Invalid:
        return None


def context_names(content: Content, channel: str = "email") -> list[str]:
    """The `context.` names a message uses, the longest of each branch; none while it cannot be compiled."""
    try:
        used = sorted(name for name in compile_content(content, channel).names if name.startswith("context."))
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
    headers: dict[str, str],
) -> Rendered:
    """The message for one person. Raises RenderError."""
    if configuration.channel != "email":
        return _beyond_email(
            compiled, context, Rendered(key, recipient, "", "", "", "", "", ""), configuration
        )
    html = _with_preheader(compiled.html.render(context), compiled.preheader.render(context))
    return Rendered(
        key=key,
        recipient=recipient,
        sender_name=configuration.sender_name,
        sender_email=configuration.sender_email,
        reply_to=configuration.reply_to,
        subject=_subject(compiled.subject.render(context)),
        html=html,
        text=compiled.text.render(context) if compiled.text else text_of(compiled.html.render(context)),
        headers=headers,
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
    return render(
        compiled, context=context, key="sample", recipient=recipient, configuration=configuration, headers={}
    )


def _subject(text: str) -> str:
    subject = " ".join(CONTROLS.sub(" ", text).split())
    if not subject:
        raise RenderError("subject_empty", _("The subject is empty for this person."))
    if len(subject) > MAX_SUBJECT:
        raise RenderError("subject_too_long", _("The subject is longer than 500 characters for this person."))
    return subject


def _with_preheader(html: str, preheader: str) -> str:
    line = " ".join(CONTROLS.sub(" ", preheader).split())
    if not line:
        return html
    body = BODY.search(html)
    at = body.end() if body else 0
    return html[:at] + HIDDEN.format(escape(line)) + html[at:]


def text_of(html: str) -> str:
    """Readable plain text; links keep their address."""
    try:
        lines = (line.rstrip() for line in get_text(html, AS_TEXT).splitlines())
    except (ValueError, RecursionError, LookupError, TypeError) as error:  # lxml refuses what is no document
        raise RenderError("text_from_html", _("No text version can be made from this HTML.")) from error
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _text_template(html: str) -> Template | None:
    """The text version as a template of its own, or None when a template tag would be lost or moved."""
    tags: list[str] = []

    def mark(match: re.Match[str]) -> str:
        tags.append(match.group())
        return f"\ue000{len(tags) - 1}\ue001"

    if "\ue000" in html or "\ue001" in html:
        return None
    try:
        text = text_of(TAG.sub(mark, html))
    except RenderError:
        return None
    found = [int(number) for number in MARK.findall(text)]
    blocks = [number for number, tag in enumerate(tags) if tag.startswith("{%")]
    kept = [number for number in found if tags[number].startswith("{%")]
    if kept != blocks or re.search(r"\{[{%#]", text):
        return None
    try:
        return compile_template(MARK.sub(lambda match: tags[int(match.group(1))], text), html=False)
    except Invalid:
        return None
