"""An email begins with a template or with HTML from elsewhere; what is brought in can run nothing."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from campaigns import assets, designs, htmlimport, htmlzip, library, validation
from campaigns.models import Asset, Campaign
from common.errors import Invalid
from tests import builders

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=https://evil.example></iframe>",
    '<form action="https://evil.example"><input name=password></form>',
    "<style>@media x{p{background:url(https://evil.example)}}</style>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<style>@media x{</style><script>alert(1)</script>}}</style>",
    "<object data=https://evil.example></object><embed src=https://evil.example>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example"><base href="https://evil.example">',
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("source", HOSTILE)
def test_nothing_that_runs_or_loads_is_brought_in(source: str) -> None:
    taken = htmlimport.taken_in(f"<p>Hello {{{{ profile.name }}}}</p>{source}").lower()
    for trace in ("alert(1)", "evil.example", "<script", "onerror", "javascript:", "<form", "<iframe"):
        assert trace not in taken
    assert "<p>hello {{ profile.name }}</p>" in taken


def test_styles_are_written_to_the_elements_and_tags_stay_where_they_stood() -> None:
    source = (
        "<style>td{color:red} @media (max-width:600px){.a{width:100%}}</style><table>"
        '{% for one in context.rows if one < 3 %}<tr><td class="a">{{ one }}</td></tr>{% endfor %}</table>'
        '<a href="{{ unsubscribe_url }}">Leave</a>{{ "<b>"|upper }}'
    )
    taken = htmlimport.taken_in(source)
    assert 'style="color: red;"' in taken and "@media (max-width:600px)" in taken
    places = [
        taken.index(tag) for tag in ("{% for one in context.rows if one < 3 %}", "{{ one }}", "{% endfor %}")
    ]
    assert places == sorted(places) and taken.index("<table>") < places[0]
    assert 'href="{{ unsubscribe_url }}"' in taken and '{{ "<b>"|upper }}' in taken


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "html_missing"),
        ("only words", "html_missing"),
        ("<p>" + "x" * 500_000, "html_too_large"),
        ('<p {% if a %}class="b"{% endif %}>z</p>', "html_tag_lost"),
        ("<script>{{ profile.name }}</script>", "html_tag_lost"),
    ],
)
def test_what_would_be_lost_is_refused(source: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        htmlimport.taken_in(source)
    assert refused.value.code == code


@pytest.mark.django_db
def test_an_email_begins_with_each_template_in_both_languages_and_could_be_sent() -> None:
    where = builders.workspace()
    campaign = builders.draft(where, builders.person(where, "manager"), category="transactional")
    client = Client()
    client.force_login(builders.User.objects.get(name="Manager"))
    address = f"/campaigns/{campaign.pk}/edit/content/begin/"
    assert len(library.DESIGNS) >= 8
    assert client.get(address).status_code == 200
    for key in library.DESIGNS:
        for language in ("en", "zh-Hant"):
            campaign.refresh_from_db()
            campaign.languages = {"default": language, "others": []}
            campaign.save()
            answer = client.post(address, {"revision": campaign.revision, "design": key})
            assert answer.status_code == 302, key
            found = validation.validate(Campaign.objects.get(pk=campaign.pk), now=timezone.now())
            faults = [one for one in found if one.is_error and "context" not in one.message]
            assert faults == [], key
            assert ("取消訂閱" in campaign.actions.get().content["html"]) == (language == "zh-Hant")
    shown = client.get(f"/campaigns/{campaign.pk}/edit/content/design/offer/")
    assert shown.headers["Content-Security-Policy"].startswith("sandbox;")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"design": "nothing"}, "no such template"),
        ({"html": "words"}, "not HTML"),
        ({"file": SimpleUploadedFile("a.html", "<p>é</p>".encode("latin-1"))}, "not UTF-8"),
        ({"file": SimpleUploadedFile("a.html", b"<p>" + b"x" * 2_000_001)}, "larger than 2 MB"),
        ({"html": "<p>x</p>", "revision": "1e9"}, "Somebody"),
    ],
)
def test_what_cannot_be_brought_in_is_told_and_changes_nothing(form: dict[str, Any], says: str) -> None:
    where = builders.workspace()
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = Client()
    client.force_login(builders.User.objects.get(name="Manager"))
    address = f"/campaigns/{campaign.pk}/edit/content/begin/"
    answer = client.post(address, {"revision": campaign.revision, **form})
    assert answer.status_code in (400, 404, 409)
    assert says in answer.content.decode() or answer.status_code == 409
    assert campaign.actions.get().content["html"] == builders.HTML


def test_a_template_saved_by_a_form_with_its_line_ends_is_still_read() -> None:
    for one in library.DESIGNS.values():
        source = one.source("en")
        assert designs.compiled(source.replace("\n", "\r\n")) == designs.compiled(source)


# ---- a page and its pictures in a zip file -------------------------------------------------------
BROKEN_HTML = (
    '<table><tr><td>您好 {{ profile.name }}<img src=img/a.png><p><div background="./img/b%20c.png?v=1"><b>x'
)


def picture(width: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, 8), "teal").save(out, "PNG")
    return out.getvalue()


def zipped(*files: tuple[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> SimpleUploadedFile:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return SimpleUploadedFile("design.zip", kept.getvalue())


def brought(file: SimpleUploadedFile) -> tuple[int, str, str]:
    """What the page answers, says, and what the message is then."""
    where = builders.workspace()
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = Client()
    client.force_login(builders.User.objects.get(name="Manager"))
    address = f"/campaigns/{campaign.pk}/edit/content/begin/"
    answer = client.post(address, {"revision": campaign.revision, "file": file})
    return answer.status_code, answer.content.decode(), campaign.actions.get().content["html"]


@pytest.mark.django_db
def test_a_zip_file_brings_a_broken_page_and_the_pictures_it_shows(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    other, hidden = ("unused.png", picture()), ("__MACOSX/._index.html", b"\x00\x05")
    file = zipped(
        hidden,
        other,
        ("mail/index.html", BROKEN_HTML),
        ("mail/img/a.png", picture()),
        ("mail/img/b c.png", picture(9)),
    )
    status, _page, html = brought(file)
    assert status == 302 and "您好 {{ profile.name }}" in html and "img/a.png" not in html
    assert sorted(Asset.objects.values_list("name", flat=True)) == ["a.png", "b c.png"]
    first = Asset.objects.get(name="a.png")
    assert f'src="{assets.address(first)}"' in html
    shown = Client().get(assets.path_of(first))
    assert shown.status_code == 200 and b"".join(shown).startswith(b"\x89PNG")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("file", "says"),
    [
        (lambda: zipped(("readme.txt", "x")), "no .html file"),
        (lambda: SimpleUploadedFile("a.zip", b"PK\x03\x04" + b"x" * 99), "broken or locked"),
        (lambda: zipped(("index.html", b"a" * 60_000_000)), "larger than 2 MB"),
        (
            lambda: zipped(("index.html", "<img src=a.png>"), ("a.png", b"a" * 60_000_000)),
            "larger than 10 MB",
        ),
        (lambda: zipped(("index.html", "<img src=a.png>"), ("a.png", b"\x89PNG\r\n\x1a\nno")), "a.png: "),
        (lambda: zipped(("index.html", b"\xff\xfe<p>x")), "not UTF-8"),
        (lambda: zipped(("index.html", "words")), "not HTML"),
        (lambda: zipped(*((f"{n}.html", "<p>x</p>") for n in range(501))), "at most 500 files"),
    ],
)
def test_a_zip_file_that_hurts_or_holds_no_page_changes_nothing(file: Any, says: str) -> None:
    status, page, html = brought(file())
    assert (status, html) == (400, builders.HTML) and says in page
    assert not Asset.objects.exists()


def test_a_page_in_a_zip_file_reads_nothing_but_the_pictures_beside_it() -> None:
    page = (
        '<img src="../secret.png"><img src="https://x.example/a.png"><img src="a.txt"><img src="{{ a }}.png">'
    )
    files = zipped(("b/index.html", page), ("secret.png", b"1"), ("b/a.txt", b"2")).read()
    assert list(htmlzip.unpacked(files).pictures) == ["../secret.png"]
