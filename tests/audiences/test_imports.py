"""A CSV file becomes people, or a clear sentence; never half of either."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import Role, User, Workspace
from audiences import consent, evaluate, reachability
from audiences.imports import merge, stage
from audiences.models import Audience, AudienceMember, Import, Profile, StagedRow
from common.errors import Invalid, PermissionMissing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def workspace() -> Workspace:
    return roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)


@pytest.fixture
def audience(workspace: Workspace) -> Audience:
    return Audience.objects.create(workspace=workspace, name="Upload", kind=Audience.Kind.UPLOAD)


def put(raw: bytes, audience: Audience) -> Import:
    job = stage.stage(raw, file_name="people.csv", audience=audience, actor=SYSTEM, now=NOW)
    merge.merge(job.pk, now=NOW)
    job.refresh_from_db()
    return job


def people(count: int) -> str:
    names = ["林怡君", "Emily Tsai", "陳柏翰", "James O'Hara"]
    rows = [f'p{n}@example.com,"{names[n % 4]}",zh-TW,Asia/Taipei' for n in range(count)]
    return "\n".join(["email,name,locale,time_zone", *rows])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "big5"])
def test_two_thousand_people_with_chinese_names_come_in(audience: Audience, encoding: str) -> None:
    job = put(people(2000).encode(encoding), audience)
    assert (job.state, job.created_count, job.rejected_count) == ("completed", 2000, 0)
    assert Profile.objects.get(email="p0@example.com").attributes == {"name": "林怡君"}
    assert AudienceMember.objects.filter(audience=audience).count() == 2000
    assert not StagedRow.objects.exists()
    audience.refresh_from_db()
    assert audience.counted == 2000


def test_the_same_file_again_makes_nobody_twice(audience: Audience) -> None:
    put(people(10).encode(), audience)
    job = put(people(10).encode(), audience)
    assert (job.created_count, job.changed_count, Profile.objects.count()) == (0, 10, 10)


def test_an_import_keeps_what_it_does_not_name_and_never_undoes_an_opt_out(audience: Audience) -> None:
    put(b"email,city,tier\nana@x.tw,Taipei,gold", audience)
    profile = Profile.objects.get()
    consent.withdraw(profile_id=profile.pk, channel="email", source="test", now=NOW)
    put(b"email,tier,subscribed\nANA@x.tw,silver,yes", audience)
    profile.refresh_from_db()
    assert profile.attributes == {"city": "Taipei", "tier": "silver", "subscribed": "yes"}
    reach = evaluate.reach(
        evaluate.definition(audience),
        workspace_id=audience.workspace_id,
        channel="email",
        category="marketing",
    )
    assert reach == {reachability.NO_CONSENT: 1}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "csv_empty"),
        (b"\xef\xbb\xbf \n", "csv_empty"),
        (b"ana@x.tw,Ana\nbo@x.tw,Bo", "csv_no_email_column"),
        (b"email,Email\na@x.tw,b@x.tw", "csv_duplicate_header"),
        (",".join(["email", *[f"c{n}" for n in range(10_001)]]).encode(), "csv_too_many_columns"),
        (b"PK\x03\x04rest", "file_type"),
        (b"%PDF-1.7", "file_type"),
        (b"\x1f\x8b\x08", "file_type"),
        (b'email,name\na@x.tw,"Ana\nb@x.tw,Bo', "csv_unclosed_quote"),
        (b"email\n", "csv_no_rows"),
        (b"email\nnobody\n", "csv_no_rows"),
        (b"\xff\xfe\x00", "csv_encoding"),
    ],
)
def test_a_file_that_cannot_be_right_leaves_nothing_behind(audience: Audience, raw: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        put(raw, audience)
    assert caught.value.code == code
    assert (Import.objects.count(), StagedRow.objects.count(), Profile.objects.count()) == (0, 0, 0)


def test_bad_rows_are_listed_and_the_others_come_in(audience: Audience) -> None:
    raw = (
        b"email;name;locale;time_zone;phone\n"
        + "\n".join(
            [
                "ok@x.tw;=HYPERLINK(1);zh_TW;Asia/Taipei;+886 912 345 678",
                "not an address;x;;;",
                "OK@x.tw.;again;;;",
                "c@x.tw;nul\x00;;;",
                "d@x.tw;x;;Mars/Base;",
                "e@x.tw;x;;;0912",
                ";x;;;",
                "f@x.tw;x;;;;;more",
                "ａ@x.tw;full width;;;",
            ]
        ).encode()
    )
    job = put(raw, audience)
    assert [problem["row"] for problem in job.problems] == [3, 4, 5, 6, 7, 8, 9]
    assert sorted(Profile.objects.values_list("email", flat=True)) == ["a@x.tw", "ok@x.tw"]
    ok = Profile.objects.get(email="ok@x.tw")
    assert (ok.phone, ok.locale, ok.attributes) == ("+886912345678", "zh-TW", {"name": "=HYPERLINK(1)"})


def test_columns_that_are_ours_or_unnamed_are_ignored(audience: Audience) -> None:
    put("email,id,__proto__,姓名,is_test\na@x.tw,7,x,y,true".encode(), audience)
    profile = Profile.objects.get()
    assert (profile.attributes, profile.is_test) == ({}, False)


def test_an_import_cut_in_the_middle_goes_on(audience: Audience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "PAGE", 7)
    job = stage.stage(people(20).encode(), file_name="p.csv", audience=audience, actor=SYSTEM, now=NOW)
    assert merge._merge_page(job.pk, NOW)
    assert merge.unfinished(NOW + 2 * merge.STALLED) == [job.pk]
    merge.merge(job.pk, now=NOW)
    merge.merge(job.pk, now=NOW)
    job.refresh_from_db()
    assert (job.created_count, job.changed_count, Profile.objects.count()) == (20, 0, 20)
    assert merge.unfinished(NOW + 2 * merge.STALLED) == []


def test_a_viewer_imports_nothing(workspace: Workspace, audience: Audience) -> None:
    viewer = User.objects.create_user("v@x.tw", name="V")
    viewer.groups.add(Role.objects.get(workspace=workspace, builtin="viewer").group_ptr)
    with pytest.raises(PermissionMissing):
        stage.stage(b"email\na@x.tw", file_name="p.csv", audience=audience, actor=viewer, now=NOW)
    assert not Import.objects.exists()
