"""The asset library by its pages and by REST: what is taken in, how it is served, what is kept while used."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from campaigns import actions, assets, lifecycle, pictures, validation
from campaigns.delivery import clock, files
from campaigns.models import Asset, Campaign
from common.errors import Invalid
from tests import builders
from tests.api import Caller, pointers
from tests.builders import as_, who
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 8


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(1, mia="manager", ana="approver", vera="viewer")


def drawn(kind: str, width: int = 900, height: int = 300, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, kind, **options)
    return out.getvalue()


def upload(client: Client, name: str, octets: bytes, **form: str) -> Any:
    return client.post("/campaigns/assets/", {"file": SimpleUploadedFile(name, octets), **form})


def made(where: Workspace, name: str = "terms.pdf", octets: bytes = PDF) -> Asset:
    return assets.upload(where, name=name, octets=octets, actor=who("mia"), now=timezone.now())


def told(campaign: Campaign) -> dict[str, str]:
    found = validation.validate(Campaign.objects.get(pk=campaign.pk), now=timezone.now())
    return {one.code: one.level for one in found}


def test_a_picture_is_drawn_anew_in_several_widths_and_served_to_anybody_for_long(
    where: Workspace, storage: Path
) -> None:
    secret = b"GPS-and-camera-secret"
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = secret.decode(), 6  # a description, and that it lies on its side
    assert (
        upload(as_("mia"), "logo.jpg", drawn("JPEG", exif=exif) + b"<script>alert(1)</script>").status_code
        == 302
    )
    row = Asset.objects.get()
    assert (row.kind, row.width, row.height, row.widths) == ("image/jpeg", 300, 900, [])
    wide = made(where, "wide.png", drawn("PNG"))
    assert wide.widths == [320, 640] and len(row.token) >= 24
    for asset, width, size in ((row, 0, (300, 900)), (wide, 0, (900, 300)), (wide, 320, (320, 107))):
        answer = Client().get(assets.path_of(asset, width))
        octets = b"".join(answer.streaming_content)
        with Image.open(io.BytesIO(octets)) as image:
            assert image.size == size and not image.getexif()
        assert secret not in octets and b"script" not in octets
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert assets.address(wide, 640).startswith("http")
    for path in (f"/assets/{wide.token}/641/x.png", f"/assets/{wide.token[:-1]}/x.png", "/assets/%00/x.png"):
        assert Client().get(path).status_code == 404
    assert Client().post(assets.path_of(wide)).status_code == 405
    page = as_("vera").get("/campaigns/assets/?search=log").text
    assert "logo.jpg" in page and "wide.png" not in page
    assert "wide.png" in as_("mia").get("/campaigns/assets/pick/").text


def test_a_picture_gets_a_copy_in_another_width_beside_it_and_stays_itself(
    where: Workspace, storage: Path
) -> None:
    row = made(where, "wide.png", drawn("PNG"))
    assets.describe(row, description="Teal", actor=who("mia"), now=timezone.now())
    board = AccessLabel.objects.create(workspace=where, name="Board")
    board.roles.add(Role.objects.get(workspace=where, builtin="manager"))
    row.labels.add(board)
    address = f"/campaigns/assets/{row.pk}/resize/"
    page = as_("mia").post(address, {"width": "300"}, follow=True).text
    copy = Asset.objects.exclude(pk=row.pk).get()
    assert (copy.name, copy.width, copy.height, copy.description) == ("wide-300.png", 300, 100, "Teal")
    assert list(copy.labels.all()) == [board] and "300 × 100" in page
    for one, size in ((copy, (300, 100)), (row, (900, 300))):
        with Image.open(storage / one.path()) as image:
            assert image.size == size
    for width in ("", "15", "900", "-3", "9" * 5, "a"):
        assert "Give a width from 16 to 899" in as_("mia").post(address, {"width": width}, follow=True).text
    assert as_("vera").post(address, {"width": "300"}).status_code == 404
    assert Asset.objects.count() == 2


def test_only_a_picture_that_stands_still_gets_another_width(where: Workspace) -> None:
    frames = [Image.new("RGB", (64, 64), one) for one in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    moving, terms = made(where, "move.gif", out.getvalue()), made(where)
    call = Caller(where, "manager")
    for row, code in ((moving, "picture_moves"), (terms, "no_picture")):
        answer = call.post(f"/api/assets/{row.pk}/resize/", {"width": 32})
        assert (answer.status_code, pointers(answer)) == (400, [(code, "/width")])
    still = made(where, "still.webp", drawn("WEBP"))
    answer = call.post(f"/api/assets/{still.pk}/resize/", {"width": 320})
    assert (answer.status_code, answer.json()["width"], answer.json()["name"]) == (201, 320, "still-320.webp")


def test_a_document_is_always_saved_and_never_shown(where: Workspace) -> None:
    upload(as_("mia"), "..\\..\\條款 terms.pdf", PDF, folder="Legal")
    row = Asset.objects.get()
    assert (row.name, row.folder, row.kind) == ("條款 terms.pdf", "Legal", "application/pdf")
    answer = Client().get(assets.path_of(row))
    assert b"".join(answer.streaming_content) == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred octets that says it is huge."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 999))
        + chunk(b"IEND", b"")
    )


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "/"), text)
    return out.getvalue()


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
MACROS = {"[Content_Types].xml": "", "word__document.xml": "", "word__vbaProject.bin": ""}
HOSTILE: list[tuple[str, bytes, str]] = [
    ("bomb.png", bomb(50_000, 50_000), "picture_too_large"),
    ("bomb.png", bomb(7_000, 7_000), "picture_too_large"),
    ("strip.png", bomb(20_000, 10), "picture_too_large"),
    ("cut.png", drawn("PNG")[:300], "picture_broken"),
    ("cut.jpg", drawn("JPEG")[:400], "picture_broken"),
    ("short.png", bomb(300, 300), "picture_broken"),
    ("x.svg", SVG, "svg_refused"),
    ("x.png", SVG, "svg_refused"),
    ("x.txt", b"\xef\xbb\xbf  " + SVG, "svg_refused"),
    ("x.html", b"<html><script>alert(1)</script>", "file_kind"),
    ("x.txt", b"MZ\x00\x03", "file_kind"),
    ("x.txt", "café".encode("latin-1"), "file_encoding"),
    ("logo.png", drawn("JPEG"), "file_misnamed"),
    ("logo.pdf", drawn("PNG"), "file_misnamed"),
    ("virus.pdf.exe", PDF, "bad_value"),
    ("a\x00b.pdf", PDF, "bad_value"),
    ("", PDF, "bad_value"),
    ("x.zip", archive(a="b"), "file_kind"),
    ("m.docx", archive(**MACROS), "file_kind"),
    ("empty.pdf", b"", "file_empty"),
    ("large.pdf", b"%PDF-" + b"x" * pictures.MOST_OCTETS, "file_too_large"),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "octets", "code"), HOSTILE, ids=[f"{one[0]} {one[2]}" for one in HOSTILE])
def test_what_hurts_is_refused_and_leaves_nothing(
    where: Workspace, storage: Path, name: str, octets: bytes, code: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Invalid) as refused:
            made(where, name, octets)
    assert [one.pointer for one in refused.value.problems] == ["file"]
    if code != "bad_value":  # names are judged, and told about, where attachments are
        assert refused.value.code == code
    assert not Asset.objects.exists() and not list(storage.rglob("*"))


def test_what_moves_keeps_moving_and_a_polyglot_loses_its_other_half(where: Workspace) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], comment=b"*/=alert(1)//", loop=0)
    row = made(where, "spin.gif", out.getvalue() + b"alert(1)")
    octets = files.fetch(where.pk, [row.token])[row.token].octets
    with Image.open(io.BytesIO(octets)) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert b"alert" not in octets


def test_one_bad_file_among_several_is_told_and_the_others_are_kept(where: Workspace) -> None:
    files = [SimpleUploadedFile("a.pdf", PDF), SimpleUploadedFile("b.svg", SVG)]
    page = as_("mia").post("/campaigns/assets/", {"file": files})
    assert page.status_code == 400 and "b.svg: SVG can run code" in page.text
    assert [one.name for one in Asset.objects.all()] == ["a.pdf"]
    assert as_("mia").post("/campaigns/assets/", {}).status_code == 400


def test_files_travel_with_mails_and_what_is_named_stays(where: Workspace) -> None:
    row = made(where)
    client = as_("mia")
    with FakeSmtp() as server:
        campaign = builders.draft(where, who("mia"), configuration=builders.smtp(where, server.port))
        here = f"/campaigns/{campaign.pk}/edit/content/"
        assert "terms.pdf" in client.get(here).text
        assert (
            client.post(f"{here}files/", {"add": row.token, "revision": campaign.revision}).status_code == 302
        )
        assert client.post(f"/campaigns/assets/{row.pk}/delete/", follow=True).text.count("Winter layers")
        campaign.refresh_from_db()
        lifecycle.apply(campaign, "activate", actor=who("ana"), now=timezone.now())
        clock.start_due_runs(now=timezone.now())
        call_command("deliver")
        mail = server.accepted[0].parsed
    attached = list(mail.iter_attachments())
    assert [(one.get_filename(), one.get_content()) for one in attached] == [("terms.pdf", PDF)]
    assert client.post(f"/campaigns/assets/{row.pk}/delete/").status_code == 302
    assert Asset.objects.filter(pk=row.pk).exists()


def test_files_that_are_too_large_together_or_gone_are_findings(where: Workspace) -> None:
    campaign, client = builders.draft(where, who("mia")), as_("mia")
    here = f"/campaigns/{campaign.pk}/edit/content/files/"
    for name in ("a.pdf", "b.pdf"):
        campaign.refresh_from_db()
        big = made(where, name, b"%PDF-" + b"x" * 6_000_000)
        client.post(here, {"add": big.token, "revision": campaign.revision})
    assert told(campaign)["attachments_too_large"] == "error"
    campaign.refresh_from_db()
    client.post(here, {"remove": "0", "revision": campaign.revision})
    assert "attachments_too_large" not in told(campaign)
    Asset.objects.all().delete()
    assert told(campaign)["attachment_missing"] == "error"
    assert "no longer there" in client.get(f"/campaigns/{campaign.pk}/edit/content/").text
    elsewhere = builders.workspace("other")
    foreign = assets.upload(
        elsewhere,
        name="f.pdf",
        octets=PDF,
        actor=builders.person(elsewhere, "manager", "zoe"),
        now=timezone.now(),
    )
    campaign.refresh_from_db()
    client.post(here, {"add": foreign.token, "revision": campaign.revision})
    campaign.refresh_from_db()
    assert foreign.token not in str(campaign.actions.get().content)


def test_a_picture_in_a_message_is_in_use_and_one_in_none_goes_with_its_files(
    where: Workspace, storage: Path, django_capture_on_commit_callbacks: Any
) -> None:
    row = made(where, "wide.png", drawn("PNG"))
    campaign = builders.draft(where, who("mia"))
    html = f'<img src="{assets.address(row, 640)}" alt=""><a href="{{{{ unsubscribe_url }}}}">x</a>'
    by = {"actor": who("mia"), "now": timezone.now()}
    campaign = actions.write(campaign, 0, {"html": html}, revision=campaign.revision, **by)
    api = Caller(where, "manager")
    answer = api.delete(f"/api/assets/{row.pk}/")
    assert answer.status_code == 409 and "Winter layers" in answer.json()["detail"]
    assert api.get(f"/api/assets/{row.pk}/uses/").json()["campaigns"] == [campaign.pk]
    actions.write(campaign, 0, {"html": "x"}, revision=campaign.revision, **by)
    assert len([one for one in storage.rglob("*") if one.is_file()]) == 3
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"/api/assets/{row.pk}/").status_code == 204
    verbs = AuditEntry.objects.filter(object_type="campaigns.asset").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["upload", "delete"]
    assert not [one for one in storage.rglob("*") if one.is_file()]


def test_a_viewer_changes_nothing_and_another_workspace_sees_nothing(where: Workspace) -> None:
    row = made(where)
    viewer = as_("vera")
    assert viewer.get(f"/campaigns/assets/{row.pk}/").status_code == 200
    assert upload(viewer, "b.pdf", PDF).status_code == 403
    assert viewer.post(f"/campaigns/assets/{row.pk}/", {"folder": "x"}).status_code == 403
    assert viewer.post(f"/campaigns/assets/{row.pk}/delete/").status_code == 403
    elsewhere = builders.workspace("other")
    builders.person(elsewhere, "administrator", "zoe")
    zoe = as_("zoe")
    assert zoe.get(f"/campaigns/assets/{row.pk}/").status_code == 404
    assert zoe.post(f"/campaigns/assets/{row.pk}/delete/").status_code == 404
    assert "terms.pdf" not in zoe.get("/campaigns/assets/").text
    assert files.fetch(elsewhere.pk, [row.token]) == {}
    assert Asset.objects.get().folder == ""


def test_assets_by_rest(where: Workspace) -> None:
    api = Caller(where, "manager")

    def send(name: str, octets: bytes, caller: Caller = api, **form: str) -> Any:
        body = {"file": SimpleUploadedFile(name, octets), **form}
        return caller.client.post("/api/assets/", body, headers=caller.headers)

    first = send("logo.png", drawn("PNG"), folder="Brand", description="Our logo")
    assert first.status_code == 201
    shown = first.json()
    assert (shown["width"], shown["mediaType"], list(shown["copies"])) == (900, "image/png", ["320", "640"])
    here = f"/api/assets/{shown['id']}/"
    assert api.patch(here, {"folder": "Old"}).json()["description"] == "Our logo"
    assert pointers(api.patch(here, {"description": "a\nb"})) == [("bad_description", "/description")]
    assert pointers(api.patch(here, {"name": "x"})) == [("unknown_field", "/name")]
    assert pointers(send("x.svg", SVG)) == [("svg_refused", "/file")]
    assert [one["id"] for one in api.get("/api/assets/?search=LOG&folder=Old").json()["results"]] == [
        shown["id"]
    ]
    assert api.get("/api/assets/?folder=Brand").json()["results"] == []
    assert send("a.pdf", PDF, Caller(where, "viewer")).status_code == 403
