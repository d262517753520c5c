"""Bodies that are written in quoted-printable at once say what the plain rendering says, to the letter."""

from __future__ import annotations

import binascii
import email
import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import mime, rendering
from channels.messages import Content
from channels.models import ChannelConfiguration
from channels.sandbox import ALLOWED, RenderError, compile_template

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROW = ChannelConfiguration(
    provider="smtp", channel="email", sender_name="Fernhill 蕨丘", sender_email="hello@fernhill.example"
)
ODD = [
    "", ".", "..", "=", "=3D", " ", "\t", "\n", "\r\n", "\n.\n", "." * 99, "x" * 75 + "..", "From ", "x" * 76,
    "蕨" * 40, "a b " * 30, "x" * 29 + " " + "a b " * 30 + "\n",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(ODD), st.text(max_size=60))
LITERAL = TEXT.map(lambda text: re.sub(r"[{}#%\x00]", "", text))
TAG = st.sampled_from(
    [
        "{{ profile.a }}", "{{ profile.b|upper }}", "{{ profile.a|escape }}", "{{ profile.a ~ profile.b }}",
        "{{ 'a<b=' }}", "{% if profile.a %}.{{ profile.b }}{% else %}\n.{% endif %}",
        "{% for one in profile.all %}{{ one }}\n.{% endfor %}", "{% set x = profile.b %}{{ x|trim }}",
        "{{ profile.n }}", "{{ profile.none }}", "{{ profile.flag }}", "{{ profile.gone|default('=') }}",
        "{% raw %}{{ = }}{% endraw %}", "{{- profile.a -}}",
    ]
)  # fmt: skip
SOURCE = st.lists(st.one_of(LITERAL, TAG), max_size=8).map("".join)


def written(content: Content, context: dict[str, Any], *, encoded: bool) -> EmailMessage:
    compiled = rendering.compile_content(content)
    message = rendering.render(
        compiled, context=context, key="1.0.1", recipient="ana@example.com", configuration=ROW,
        encoded=encoded,
    )  # fmt: skip
    assert bool(message.bodies) is (encoded and compiled.encoded is not None)
    raw = mime.build(message, now=NOW)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\r\n." not in raw
    assert all(len(line) <= 76 for line in raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    return email.message_from_bytes(raw, policy=policy.default)  # type: ignore[return-value]


def bodies(message: EmailMessage) -> list[str]:
    parts = list(message.walk())
    assert [part.defects for part in parts] == [[], [], []]
    return [part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in parts[1:]]  # type: ignore[union-attr]


def with_line_feeds(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.slow
@given(html=SOURCE, text=SOURCE, preheader=SOURCE, a=TEXT, b=TEXT, listed=st.lists(TEXT, max_size=3))
@settings(max_examples=150)
def test_the_fast_way_and_the_plain_way_say_the_same(
    html: str, text: str, preheader: str, a: str, b: str, listed: list[str]
) -> None:
    preheader = rendering.CONTROLS.sub("", preheader)
    content = Content("S {{ profile.a }}", preheader, f"<html><body>{html}</body></html>", text or "x")
    values = {"a": a, "b": b, "all": listed, "n": 1.5, "none": None, "flag": True}
    plain = {**values, "a": with_line_feeds(a), "b": with_line_feeds(b)}
    plain["all"] = [with_line_feeds(one) for one in listed]
    fast = written(content, {"profile": values}, encoded=True)
    slow = written(content, {"profile": plain}, encoded=False)
    assert bodies(fast) == bodies(slow)
    assert fast["Subject"] == slow["Subject"]


@pytest.mark.parametrize(
    ("html", "is_fast"),
    [
        ("<body class='a'><p>x</p>", True),
        ("<p>no body</p>", False),
        ("{% if profile.a %}<body>{% else %}<body id=b>{% endif %}x", False),
        ("{# <body> #}<body>x", False),
        ("<body class='{{ profile.a }}'>x", False),
    ],
)
def test_a_preheader_without_one_fixed_place_takes_the_slow_way_and_stands_where_it_should(
    html: str, is_fast: bool
) -> None:
    content = Content("S", "Hello {{ profile.a }}", html, "text")
    compiled = rendering.compile_content(content)
    assert (compiled.encoded is not None) is is_fast
    context = {"profile": {"a": "A&B"}}
    quick, plain = (bodies(written(content, context, encoded=way)) for way in (True, False))
    assert quick == plain
    assert quick[1].count("Hello A&amp;B") == 1
    assert "carillon_preheader" not in compiled.names


def test_an_empty_preheader_leaves_no_trace() -> None:
    content = Content("S", "{{ profile.a }}", "<body><p>x</p></body>", "text")
    html = bodies(written(content, {"profile": {"a": " "}}, encoded=True))[1]
    assert html == "<body><p>x</p></body>"


def test_nothing_a_template_may_use_captures_what_it_writes() -> None:
    capturing = {"AssignBlock", "FilterBlock", "CallBlock", "Macro", "Block", "Include", "Import"}
    assert not capturing & {node.__name__ for node in ALLOWED}


def test_what_is_written_stays_bounded_in_both_ways() -> None:
    source = "{% for a in p.x %}{{ p.y }}{% endfor %}"
    context = {"p": {"x": list(range(200)), "y": "字" * 80_000}}
    for encoded in (False, True):
        with pytest.raises(RenderError) as caught:
            compile_template(source, html=True, encoded=encoded).render(context)
        assert caught.value.code == "template_too_large"


@given(source=SOURCE, a=TEXT, b=TEXT, listed=st.lists(TEXT, max_size=3), html=st.booleans())
@settings(max_examples=150)
def test_the_quick_way_through_a_template_writes_what_the_whole_one_writes(
    source: str, a: str, b: str, listed: list[str], html: bool
) -> None:
    profile = {"a": a, "b": b, "all": listed, "n": 1.5, "none": None, "flag": True}
    for encoded in (False, True):
        template = compile_template(source, html=html, encoded=encoded)
        assert template.render({"profile": profile}) == template._run_whole({"profile": profile})


@pytest.mark.parametrize(
    ("source", "profile", "code"),
    [
        ("a\n{{ profile.gone }}", {}, "undefined_name"),
        ("a\n{{ profile.all }}", {"all": ["x"]}, "not_printable"),
        ("a\n{{ profile.a.b }}", {"a": "x"}, "undefined_name"),
        ("{{ profile.a }}\n{{ profile.a|round }}", {"a": "x"}, "template_value"),
    ],
)
def test_a_fault_is_told_with_its_line_whichever_way_was_begun(
    source: str, profile: dict[str, Any], code: str
) -> None:
    for encoded in (False, True):
        with pytest.raises(RenderError) as caught:
            compile_template(source, html=True, encoded=encoded).render({"profile": profile})
        assert (caught.value.code, caught.value.line) == (code, 2)


@pytest.mark.parametrize("length", [1, 74, 75, 76, 150, 151, 1999, 2001])
@pytest.mark.parametrize("sign", ["a", "~", "."])
def test_a_long_address_is_cut_into_lines_that_may_travel(length: int, sign: str) -> None:
    address = sign * length
    piece = mime.encoded_piece(address)
    lines = piece.split("\r\n")
    assert binascii.a2b_qp(piece.encode()).decode() == address
    assert lines.pop() == "" and all(line.endswith("=") for line in lines)
    assert all(len(line) <= 76 and not line.startswith(".") for line in lines)
