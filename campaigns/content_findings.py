"""What is still wrong with the contents of a draft: every language and treatment of every action.

Called by `validation.py`. A finding's `field` is the form field it belongs to; its message says in which
message, language and treatment, where there are several.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from audiences import context
from campaigns import assets, contents, designs, taken
from campaigns.languages import language_name
from campaigns.models import Action, Campaign, Fragment
from campaigns.tracking.links import EMPTY_LINK, IMAGE_WITHOUT_TEXT
from campaigns.variants import offered, treatments
from campaigns.versions import contents_of, pins
from channels import attachments, rendering, trial
from channels import contents as parts
from channels.kinds import KINDS
from channels.sandbox import RenderError
from channels.segments import segment
from common.errors import Invalid, Problem

HEAVY = 100 * 1024
LONG_SMS = 10
OURS = {"unsubscribe_url", "preferences_url", "mirror_url"}


@dataclass(frozen=True)
class ContentFinding:
    """`message` is whole; `where` names the content among several."""

    code: str
    is_error: bool
    field: str
    message: str
    position: int = 0
    treatment: str = ""
    language: str = ""

    @property
    def query(self) -> str:
        """What leads to this content on the page of all contents."""
        named = {"action": self.position, "treatment": self.treatment, "language": self.language}
        said = urlencode({key: value for key, value in named.items() if value})
        return f"?{said}" if said else ""


def findings(campaign: Campaign, actions: list[Action]) -> Iterator[ContentFinding]:
    known = {f"profile.{name}" for name in context.names(campaign.workspace)} | OURS
    known |= {f"audience.{name}" for name in campaign.audience.fields} if campaign.audience else set()
    for action in actions:
        for one in contents_of(action, campaign):
            place = (one["treatment"], one["language"])
            for code, is_error, field, text in _of_content(campaign, action, one["content"], known):
                where = _where(campaign, action, place, len(actions))
                message = _("%(where)s: %(told)s") % {"where": where, "told": text} if where else text
                yield ContentFinding(code, is_error, field, message, action.position, *place)
        yield from _unwritten(campaign, action, len(actions))
    yield from _newer_fragments(campaign)


def _newer_fragments(campaign: Campaign) -> Iterator[ContentFinding]:
    """Fragments that were published again since the campaign was frozen; it never changes by that."""
    version = campaign.version if campaign.draft_state else campaign.live_version or campaign.version
    numbers = version.definition.get("fragments", {}) if version else {}
    rows = Fragment.objects.filter(workspace=campaign.workspace, key__in=numbers, archived_at=None)
    for row in rows.select_related("published"):
        if row.published and row.published.number > numbers[row.key]:
            message = (
                _("The fragment “%(name)s” has a newer version than what was frozen; the draft takes it.")
                if campaign.is_editable
                else _("The fragment “%(name)s” has a newer version; what was frozen keeps the older one.")
            )
            yield ContentFinding("fragment_newer", False, "html", message % {"name": row.name})


Found = tuple[str, bool, str, str]


def _unwritten(campaign: Campaign, action: Action, count: int) -> Iterator[ContentFinding]:
    """The completeness gate: each treatment in each language, or the language goes."""
    written = {(one["treatment"], one["language"]) for one in contents_of(action, campaign)}
    for treatment in treatments(campaign.experiment):
        for language in ["", *offered(campaign.languages)[1:]]:
            if (treatment, language) in written:
                continue
            where = _where(campaign, action, (treatment, language), count)
            message = _("%(where)s: nothing is written yet. Write it, copy it, or take it away.")
            yield ContentFinding(
                "content_missing",
                True,
                "subject" if action.channel == "email" else "text",
                message % {"where": where},
                action.position,
                treatment,
                language,
            )


def _where(campaign: Campaign, action: Action, place: tuple[str, str], count: int) -> str:
    treatment, language = place
    named = []
    if count > 1:
        named.append(f"{KINDS[action.channel].label} {action.position + 1}")
    if campaign.languages.get("default"):
        named.append(language_name(language or campaign.languages["default"]))
    titles = {one["key"]: one.get("title") for one in campaign.experiment.get("treatments", [])}
    if len(titles) > 1:
        named.append(titles.get(treatment or "A") or treatment or "A")
    return " · ".join(str(one) for one in named)


def _of_content(campaign: Campaign, action: Action, kept: dict[str, Any], known: set[str]) -> Iterator[Found]:
    pinned = pins(campaign)
    filled, taking = taken.take(kept, campaign.workspace, pinned)
    # A page that is made from a design is looked at there.
    faults = [one for one in taking.problems if not (kept.get("mjml") and one.pointer == "/html")]
    yield from ((one.code, True, _field(one.pointer), one.detail) for one in faults)
    yield from _attachments(campaign, kept)
    frozen = contents.content_of(contents.frozen(kept, campaign.workspace, pinned))
    if filled.get("mjml"):
        try:
            designs.compiled(filled["mjml"])
        except Invalid as error:
            yield from ((one.code, True, "mjml", one.detail) for one in error.problems)
    missing = list(parts.missing(frozen, action.channel))
    for one in missing:
        yield _missing(one, action.channel)
    try:
        compiled = rendering.compile_content(frozen, action.channel)
    except Invalid as error:
        for one in error.problems:
            yield one.code, True, _field(one.pointer), one.detail
        return
    if any(one.pointer in ("/html", "/text") for one in missing):
        return
    yield from _names(campaign, action.channel, compiled, known)
    yield from _for_everybody(action.channel, frozen, compiled)
    if action.channel == "email":
        yield from _email(campaign, frozen, compiled)
    if action.channel == "sms" and (count := segment(frozen.text).count) > LONG_SMS:
        message = _("The text becomes %(count)s SMS for everybody who gets it.") % {"count": count}
        yield "sms_long", False, "text", message


def _attachments(campaign: Campaign, kept: dict[str, Any]) -> Iterator[Found]:
    named = attachments.references(contents.content_of(kept))
    sizes = {one.token: one.size for one in assets.named_by(campaign.workspace, named)}
    for one in named:
        if one["asset"] not in sizes:
            message = _("The file “%(name)s” is no longer there.") % {"name": one.get("name") or one["asset"]}
            yield "attachment_missing", True, "extra-attachments", message
    if sum(sizes.get(one["asset"], 0) for one in named) > attachments.MOST_OCTETS:
        message = _("The files of a mail have at most 10 MB together.")
        yield "attachments_too_large", True, "extra-attachments", message


def _missing(one: Problem, channel: str) -> Found:
    """The codes and words that the API and the pages had for email all along."""
    if channel == "email":
        told = {
            "/subject": ("subject_missing", _("Write a subject.")),
            "/html": ("body_missing", _("Write the message.")),
        }
        if one.pointer in told:
            code, message = told[one.pointer]
            return code, True, _field(one.pointer), message
    return one.code, True, _field(one.pointer), one.detail


def _field(pointer: str) -> str:
    steps = pointer.strip("/").split("/")
    return f"extra-{steps[1]}" if steps[0] == "extra" and len(steps) > 1 else steps[0]


def _names(
    campaign: Campaign, channel: str, compiled: rendering.Compiled, known: set[str]
) -> Iterator[Found]:
    """Names nobody knows. A text version made from the HTML repeats its names, and not their faults."""
    parts = ("subject", "preheader", "html", "text", "url", "image", "extra")
    templates = {part: getattr(compiled, part) for part in parts}
    if campaign.high_throughput and (asked := sorted(_of_profile(compiled))):
        # 2.64 of the catalogue, where it blocks: here a call may bring what would be read of a profile.
        message = _("No profile is looked up in high throughput: each call has to bring %(names)s.")
        yield "profile_in_high_throughput", False, "html", message % {"names": ", ".join(asked)}
    seen: set[str] = set()
    for field, template in templates.items():
        for name in sorted(template.names) if template else []:
            root = name.partition(".")[0]
            if root in ("context", "audience") and campaign.type == Campaign.Type.API_TRIGGERED:
                continue  # each call brings the one, and names an audience that keeps the other
            if ".".join(name.split(".")[:2]) in known or (
                field == "text" and channel == "email" and name in seen
            ):
                continue
            seen.add(name)
            said = _("“%(name)s” is not a field.")
            if root == "audience":
                said = _("“%(name)s” is not kept with the people of the campaign’s audience.")
            message = said % {"name": name}
            if close := difflib.get_close_matches(name, known, n=1):
                message += " " + _("Did you mean “%(close)s”?") % {"close": close[0]}
            yield "unknown_name", True, field, message


def _for_everybody(channel: str, content: Any, compiled: rendering.Compiled) -> Iterator[Found]:
    """What no person's values could mend: endless loops, texts without bound, a text that is multiplied."""
    shape = parts.SHAPES[channel].names
    tried = [(part, getattr(content, part), part == "html") for part in rendering.PARTS if part in shape]
    for tree, field in ((compiled.extra, "extra"), (compiled.payload, "text")):
        tried += [(field, source, False) for source in (tree.templates if tree else ())]
    for field, source, html in tried:
        if error := trial.fault(source, html=html):
            yield error.code, True, field, _at_line(error)


def _at_line(error: RenderError) -> str:
    if not error.line:
        return str(error.detail)
    return _("Line %(line)s: %(fault)s") % {"line": error.line, "fault": error.detail}


def _of_profile(compiled: rendering.Compiled) -> set[str]:
    return {name for name in compiled.names if name.partition(".")[0] == "profile"}


def _email(campaign: Campaign, content: Any, compiled: rendering.Compiled) -> Iterator[Found]:
    if campaign.category == Campaign.Category.MARKETING and "unsubscribe_url" not in compiled.html.names:
        message = _("Marketing needs a way out: link “{{ unsubscribe_url }}” in the message.")
        yield "template_no_unsubscribe", True, "html", message
    if not content.text.strip():
        yield "text_empty", False, "text", _("There is no text version; one is made from the HTML.")
    if len(content.html.encode()) > HEAVY:
        message = _("The message is larger than 100 kB; some mail programs will cut it.")
        yield "body_heavy", False, "html", message
    if EMPTY_LINK.search(content.html):
        yield "link_empty", False, "html", _("A link leads nowhere: its address is empty.")
    if IMAGE_WITHOUT_TEXT.search(content.html):
        yield "image_without_text", False, "html", _("A picture has no description for who cannot see it.")
