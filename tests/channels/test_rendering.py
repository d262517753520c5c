"""From what an author wrote to what one person gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels import rendering
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from channels.sending import Dress
from common.errors import Invalid

HTML = """<html><body style="x"><h1>Hi {{ profile.name }}</h1>
{% if profile.gold %}<p>Gold &amp; more</p>{% endif %}
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"""
CONFIGURATION = ChannelConfiguration(sender_name="Fernhill", sender_email="hello@fernhill.example")


def render(content: Content, **profile: Any) -> Rendered:
    context = {
        "profile": {"name": "Ana <b>", "gold": True, **profile},
        "unsubscribe_url": "https://t.example/u/1",
    }
    compiled = rendering.compile_content(content)
    return rendering.render(
        compiled,
        context=context,
        key="1-1",
        recipient="ana@example.com",
        configuration=CONFIGURATION,
        dress=Dress({"X-A": "b"}),
    )


def test_a_message_is_rendered_with_its_sender_and_names() -> None:
    content = Content(subject="For {{ profile.name }}", preheader="Soon < later", html=HTML)
    message = render(content)
    assert message.subject == "For Ana <b>"
    assert "<h1>Hi Ana &lt;b&gt;</h1>" in message.html
    assert (message.sender_email, message.key, message.headers) == (
        "hello@fernhill.example",
        "1-1",
        {"X-A": "b"},
    )
    start = message.html.index('<body style="x">') + len('<body style="x">')
    assert message.html[start:].startswith('<div style="display:none')
    assert "Soon &lt; later" in message.html
    assert rendering.compile_content(content).names == {"profile.name", "profile.gold", "unsubscribe_url"}


def test_a_text_version_is_made_from_the_html_once_for_everybody() -> None:
    compiled = rendering.compile_content(Content(subject="x", html=HTML))
    assert compiled.text is not None
    text = render(Content(subject="x", html=HTML)).text
    assert "Hi Ana <b>" in text
    assert "Gold & more" in text
    assert "[Unsubscribe](https://t.example/u/1)" in text
    assert "Gold" not in render(Content(subject="x", html=HTML), gold=False).text


@pytest.mark.parametrize(
    "html",
    [
        "<p {% if profile.gold %}class='g'{% endif %}>Hi {{ profile.name }}</p>",
        "<p>Hi {{ profile.name }}</p><style>{% if profile.gold %}p {}{% endif %}</style>",
        "<p>&#123;&#123; settings }} Hi {{ profile.name }}</p>",
    ],
)
def test_where_tags_would_be_lost_the_text_is_made_for_each_person(html: str) -> None:
    assert rendering.compile_content(Content(subject="x", html=html)).text is None
    assert "Hi Ana <b>" in render(Content(subject="x", html=html)).text


def test_the_authors_own_text_version_wins() -> None:
    assert render(Content(subject="x", html=HTML, text="Hello {{ profile.name }}")).text == "Hello Ana <b>"


def test_every_faulty_part_is_named_at_once() -> None:
    content = Content(subject="a\nb", preheader="{{ x.__class__ }}", html="{% if %}", text="{{ f() }}")
    with pytest.raises(Invalid) as refused:
        rendering.compile_content(content)
    found = {(problem.pointer, problem.code) for problem in refused.value.problems}
    assert found == {
        ("/subject", "subject_control_char"),
        ("/preheader", "template_forbidden"),
        ("/html", "template_syntax"),
        ("/text", "template_forbidden"),
    }


def test_a_value_cannot_break_the_subjects_line() -> None:
    assert (
        render(Content(subject="For {{ profile.name }}"), name="A\r\nBcc: e@x.tw\x00").subject
        == "For A Bcc: e@x.tw"
    )


@pytest.mark.parametrize(
    ("subject", "code"),
    [("", "subject_empty"), ("{{ profile.name }}", "subject_too_long"), ("{{ nope }}", "undefined_name")],
)
def test_a_subject_that_cannot_be_sent_is_a_clear_error(subject: str, code: str) -> None:
    with pytest.raises(RenderError) as failed:
        render(Content(subject=subject, html="x"), name="x" * 600)
    assert failed.value.code == code


@pytest.mark.parametrize(
    "html", ["", "just text", "<", "<p>" * 5000, "<!-- only -->", "<?xml version='1.0' encoding='x'?>"]
)
def test_odd_html_still_gives_a_text_version_or_a_clear_error(html: str) -> None:
    try:
        assert isinstance(render(Content(subject="x", html=html)).text, str)
    except RenderError as error:
        assert error.code == "text_from_html"


def test_a_sample_is_rendered_for_a_preview() -> None:
    context = {"profile": {"name": "Ana"}}
    sample = rendering.sample(
        Content(subject="Hi {{ profile.name }}"),
        context=context,
        recipient="a@example.com",
        configuration=CONFIGURATION,
    )
    assert sample.subject == "Hi Ana"


def test_outside_email_only_the_text_travels_and_nothing_is_escaped() -> None:
    compiled = rendering.compile_content(Content(subject="x", html=HTML, text="Hi {{ profile.name }} & co"))
    message = rendering.render(
        compiled,
        context={"profile": {"name": "Ana <b>"}},
        key="1-1",
        recipient="+886912345678",
        configuration=ChannelConfiguration(channel="sms", sender_name="Fernhill"),
        dress=Dress({"X-A": "b"}),
    )
    assert message == Rendered("1-1", "+886912345678", "", "", "", "", "", "Hi Ana <b> & co")


def webhook(text: str, name: str) -> str:
    message = rendering.render(
        rendering.compile_content(Content(subject="", html="", text=text)),
        context={"profile": {"name": name}},
        key="1-1",
        recipient="crm-1",
        configuration=ChannelConfiguration(channel="webhook"),
    )
    return message.text


@pytest.mark.parametrize("name", ["Ana", 'x", "admin": true, "y": "', "\\", "a\nb", "蕨 <b>", "{{ 1 }}"])
def test_no_name_changes_the_shape_of_a_webhooks_json(name: str) -> None:
    text = '{"type": "hello", "data": {"name": "{{ profile.name }}", "n": [1, true, null]}}'
    assert json.loads(webhook(text, name)) == {
        "type": "hello",
        "data": {"name": name, "n": [1, True, None]},
    }


@pytest.mark.parametrize(
    "text", ["Hi {{ profile.name }}", "[1]", '{"a": {{ profile.name }}}', "{{ profile.name }}"]
)
def test_a_webhook_that_is_no_json_object_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(RenderError) as failed:
        webhook(text, "1")
    assert failed.value.code == "bad_payload"
