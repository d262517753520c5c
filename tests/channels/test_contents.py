"""Each channel's own parts of a message: what may be written, what is missing, what one person gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels import contents, rendering
from channels.kinds import KINDS
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from common.errors import Invalid

FLEX = {
    "type": "flex",
    "altText": "For {{ profile.name }}",
    "contents": {"type": "bubble", "body": {"type": "box", "layout": "vertical", "contents": [
        {"type": "text", "text": "Hi {{ profile.name }}", "wrap": True},
    ]}},
}  # fmt: skip
COLUMNS = [{"label": "Name", "expression": "{{ profile.name }}"}, {"label": "n", "expression": "1"}]
WHOLE: dict[str, Content] = {
    "email": Content(subject="Early", html="<p>x</p>"),
    "sms": Content(text="Hi {{ profile.name }}"),
    "push": Content(
        subject="For {{ profile.name }}", text="Early", url="fernhill://offer/{{ profile.name }}",
        extra={"data": {"who": "{{ profile.name }}"}, "buttons": [{"label": "Open", "url": "https://x.tw/"}]},
    ),
    "webpush": Content(subject="Early", text="x", url="https://x.tw/", extra={"icon": "https://x.tw/i.png"}),
    "line": Content(
        extra={"messages": [FLEX, {"type": "text", "text": "{{ profile.name }}"}], "silent": True}
    ),
    "whatsapp": Content(
        image="https://x.tw/head.png",
        extra={"template": "early_bird", "language": "zh_TW", "body": ["{{ profile.name }}", "20 %"],
               "buttons": [{"index": 0, "type": "url", "text": "{{ profile.name }}"}]},
    ),
    "webhook": Content(text='{"who": "{{ profile.name }}"}'),
    "direct_mail": Content(
        extra={"filename": "spring/letters.csv", "timestamp": True, "columns": COLUMNS, "sort_by": "Name"}
    ),
    "inapp": Content(subject="For {{ profile.name }}", text="x", url="https://x.tw/", extra={"days": 30}),
}  # fmt: skip


def render(channel: str, content: Content, name: str = "Ana") -> Rendered:
    return rendering.render(
        rendering.compile_content(content, channel),
        context={"profile": {"name": name}},
        key="1.0.1",
        recipient="x",
        configuration=ChannelConfiguration(channel=channel, sender_email="a@x.tw", sender_name="F"),
    )


def refused(channel: str, content: Content) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as found:
        rendering.compile_content(content, channel)
    return {(problem.pointer, problem.code) for problem in found.value.problems}


def test_every_channel_has_a_shape_and_a_whole_message_misses_nothing() -> None:
    assert set(contents.SHAPES) == set(KINDS) == set(WHOLE)
    for channel, content in WHOLE.items():
        assert list(contents.missing(content, channel)) == []
        assert list(contents.extra_problems(content, channel)) == []
        assert list(contents.missing(Content(), channel)) != []
        assert render(channel, content).key == "1.0.1"


def test_what_was_stored_before_a_part_was_invented_is_still_read() -> None:
    stored = {"subject": "a", "preheader": "b", "html": "c", "text": "d"}
    assert Content(**stored) == Content("a", "b", "c", "d")
    assert Content(**stored).extra == {}


@pytest.mark.parametrize("name", ["Ana", 'x", "admin": true, "y": "', "\\", "a\nb", "蕨 <b>", "{{ 1 }}"])
def test_no_name_changes_the_shape_of_what_leaves(name: str) -> None:
    message = render("line", WHOLE["line"], name)
    assert message.extra["messages"][1] == {"type": "text", "text": name}
    assert message.extra["messages"][0]["contents"]["body"]["contents"][0]["text"] == f"Hi {name}"
    assert message.extra["silent"] is True
    assert render("whatsapp", WHOLE["whatsapp"], name).extra["body"] == [name, "20 %"]
    assert render("push", WHOLE["push"], name).extra["data"] == {"who": name}
    assert json.loads(render("webhook", WHOLE["webhook"], name).text) == {"who": name}
    assert render("direct_mail", WHOLE["direct_mail"], name).extra["columns"][0]["expression"] == name


def test_a_title_stays_on_its_line_and_other_channels_parts_do_not_travel() -> None:
    content = Content(subject="For {{ profile.name }}", preheader="p", html="<p>{% broken", text="b")
    message = render("push", content, "A\r\nB")
    assert (message.subject, message.text, message.html) == ("For A B", "b", "")
    assert render("push", WHOLE["push"], "蕨 B").url == "fernhill://offer/%E8%95%A8%20B"
    assert render("sms", content).subject == ""


@pytest.mark.parametrize(
    "written",
    ["javascript:alert(1)", "{{ profile.name }}", "data:text/html,x", "/relative"],
)
@pytest.mark.parametrize("part", ["url", "image"])
def test_where_a_notification_leads_never_runs_code(part: str, written: str) -> None:
    with pytest.raises(RenderError) as failed:
        render("webpush", Content(**{"subject": "x", part: written}), " JavaScript:alert(1)")
    assert failed.value.code == "bad_address"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("sms", {"messages": []}, "/extra/messages"),
    ("push", {"data": {"a": 1}}, "/extra/data/a"),
    ("push", {"data": {"a b": "x"}}, "/extra/data"),
    ("push", {"silent": "yes"}, "/extra/silent"),
    ("push", {"buttons": [{"label": "x"}]}, "/extra/buttons/0"),
    ("webpush", {"buttons": [{"label": "x", "url": "y"}] * 3}, "/extra/buttons"),
    ("webpush", {"buttons": [{"label": "x", "url": "y", "~/": 1}]}, "/extra/buttons/0/~0~1"),
    ("line", {"messages": {"type": "text", "text": "x"}}, "/extra/messages"),
    ("line", {"messages": [{"type": "text", "text": "x"}] * 6}, "/extra/messages"),
    ("line", {"messages": [{"type": "bomb"}]}, "/extra/messages/0"),
    ("line", {"messages": [{"type": "flex", "altText": "x"}]}, "/extra/messages/0"),
    ("whatsapp", {"template": "Early Bird"}, "/extra/template"),
    ("whatsapp", {"language": "zh-TW"}, "/extra/language"),
    ("whatsapp", {"body": "x"}, "/extra/body"),
    ("direct_mail", {"filename": "../../etc/passwd"}, "/extra/filename"),
    ("direct_mail", {"filename": "/etc/passwd"}, "/extra/filename"),
    ("direct_mail", {"filename": "{{ profile.name }}.csv"}, "/extra/filename"),
    ("direct_mail", {"columns": COLUMNS * 26}, "/extra/columns"),
    ("direct_mail", {"columns": COLUMNS + COLUMNS}, "/extra/columns"),
    ("direct_mail", {"columns": COLUMNS, "sort_by": "Nome"}, "/extra/sort_by"),
    ("inapp", {"days": 0}, "/extra/days"),
    ("inapp", {"days": True}, "/extra/days"),
]


@pytest.mark.parametrize(("channel", "extra", "pointer"), BAD)
def test_what_a_channel_cannot_carry_is_refused_where_it_stands(
    channel: str, extra: dict[str, Any], pointer: str
) -> None:
    assert pointer in {where for where, _code in refused(channel, Content(extra=extra))}


def test_a_fault_in_a_template_points_to_its_leaf() -> None:
    found = refused("line", Content(extra={"messages": [FLEX, {"type": "text", "text": "{{ f() }}"}]}))
    assert found == {("/extra/messages/1/text", "template_forbidden")}
    deep: Any = "x"
    for _level in range(40):
        deep = [deep]
    bubble = {"type": "flex", "altText": "x", "contents": deep}
    assert {code for _where, code in refused("line", Content(extra={"messages": [bubble]}))} == {
        "bad_payload"
    }
    many = {"type": "flex", "altText": "x", "contents": ["x"] * 2000}
    assert refused("line", Content(extra={"messages": [many]})) == {("/extra", "bad_payload")}
