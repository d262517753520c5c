"""What authors may write in a message, and what comes out of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.sandbox import RenderError, compile_template
from common.errors import Invalid

CONTEXT: dict[str, Any] = {
    "profile": {
        "name": "Ana <b>",
        "points": 1234,
        "tags": ["a", "b"],
        "empty": "",
        "items": "own",
        "day": "2026-11-23",
    },
    "context": {"order": {"lines": [{"sku": "A-1", "price": 9.5}, {"sku": "B-2", "price": 20}]}},
}


def text(source: str, *, html: bool = False) -> str:
    return compile_template(source, html=html).render(CONTEXT)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ profile.name }}", "Hi Ana <b>"),
        ("{{ profile['name']|upper }}", "ANA <B>"),
        ("{{ profile.items }}", "own"),
        ("{{ profile.nobody|default('you') }}{{ profile.empty|default('you') }}", "youyou"),
        ("{{ nobody.at.all|default('you') }}", "you"),
        ("{% if profile.points > 1000 and not profile.empty %}gold{% else %}basic{% endif %}", "gold"),
        ("{{ 'a' if profile.empty else 'b' }}", "b"),
        ("{% for t in profile.tags %}{{ loop.index }}/{{ loop.length }}{{ t }} {% endfor %}", "1/2a 2/2b "),
        (
            "{% for l in context.order.lines %}{{ l.sku }}:{{ l.price|number(2) }};{% endfor %}",
            "A-1:9.50;B-2:20.00;",
        ),
        ("{% for t in profile.tags if t != 'a' %}{{ t }}{% else %}none{% endfor %}", "b"),
        ("{{ context.order.lines[1].sku }}{{ profile.tags|last }}{{ profile.tags|join('+') }}", "B-2ba+b"),
        (
            "{% set total = profile.points * 2 + 1 %}{{ total }} {{ total // 2 }} {{ -total % 7 }}",
            "2469 1234 2",
        ),
        ("{{ profile.points|number }} {{ '7.456'|float|round(1) }} {{ '12'|int + 1 }}", "1,234 7.5 13"),
        (
            "{{ profile.day|date('y年M月d日') }} {{ profile.day|date('long', 'en') }}",
            "2026年11月23日 November 23, 2026",
        ),
        ("{{ 'hello wide world'|truncate(12) }}{{ ' x '|trim }}", "hello wide…x"),
        ("{{ 'Ana' ~ ' ' ~ 7 }}{{ 'a' + 'b' }}", "Ana 7ab"),
        ("{{ 'a' in profile.tags }}{{ profile.points is even }}{{ nobody is defined }}", "truetruefalse"),
        ("{# a comment #}{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
        ("{{ none }}", ""),
    ],
)
def test_what_an_author_may_write(source: str, expected: str) -> None:
    assert text(source) == expected


def test_values_are_escaped_in_html_and_left_alone_in_text() -> None:
    assert text("<p title='{{ profile.name }}'>", html=True) == "<p title='Ana &lt;b&gt;'>"
    assert text("{{ profile.name|upper ~ '<' }}", html=True) == "ANA &lt;B&gt;&lt;"
    assert text("{{ profile.name|escape }}", html=True) == "Ana &lt;b&gt;"
    assert text("{{ profile.name }}") == "Ana <b>"


def test_the_names_a_template_reads_are_dotted_paths_without_its_own_variables() -> None:
    source = (
        "{{ profile.name }}{{ profile['city']|upper }}{{ unsubscribe_url }}"
        "{% set mine = context.a.b %}{{ mine }}"
        "{% for l in context.lines %}{{ l.sku }}{{ loop.index }}{% endfor %}"
        "{{ context.lines[0].sku }}"
    )
    names = compile_template(source, html=True).names
    assert names == {"profile.name", "profile.city", "unsubscribe_url", "context.a.b", "context.lines"}


def test_a_fault_names_its_line_and_column() -> None:
    with pytest.raises(Invalid) as refused:
        compile_template("one\n  two {{ profile.name|shout }}", html=False)
    assert refused.value.problems[0].detail.startswith("Line 2, column 23:")


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "{#",
                "#}",
                " ",
                "if",
                "for",
                "in",
                "endif",
                "endfor",
                "set",
                "=",
                "a",
                ".b",
                "profile",
                "|",
                "upper",
                "join",
                "(",
                ")",
                "[",
                "]",
                "'x'",
                "1",
                "+",
                "*",
                "~",
                "__class__",
                "loop",
                "-",
                "not",
                "is",
                "even",
                "recursive",
                ",",
                "**",
                "%",
                "\n",
                "raw",
                "macro",
                "block",
                "\x00",
                "𝒜",
            ]
        ),
        max_size=25,
    )
)
def test_no_source_ends_in_anything_but_a_text_or_a_clear_error(words: list[str]) -> None:
    try:
        compile_template(" ".join(words), html=True).render(CONTEXT)
    except (Invalid, RenderError) as error:
        assert error.code
        assert error.detail
