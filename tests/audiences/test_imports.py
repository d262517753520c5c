"""A file becomes people, or a clear sentence; never half of either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import Role, User, Workspace
from audiences import consent, evaluate, reachability
from audiences.imports import claims, jobs, merge, stage, staging, work
from audiences.models import (
    AttributeDefinition,
    Audience,
    AudienceMember,
    Consent,
    ConsentEntry,
    Identity,
    Import,
    ImportChunk,
    ImportProblem,
    Profile,
    Topic,
)
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests.audiences.imported import NOW, checked, problems, put, uploaded, worked

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return roles.create_workspace(
        name="Fernhill", slug="fernhill", time_zone="Asia/Taipei", actor=SYSTEM, now=NOW
    )


@pytest.fixture
def audience(where: Workspace) -> Audience:
    return Audience.objects.create(workspace=where, name="Upload", kind=Audience.Kind.UPLOAD)


def people(count: int, start: int = 0) -> str:
    names = ["林怡君", "Emily Tsai", "陳柏翰", "James O'Hara"]
    rows = [f'p{n}@example.com,"{names[n % 4]}",zh-TW,Asia/Taipei' for n in range(start, start + count)]
    return "\n".join(["email,name,locale,time_zone", *rows])


def tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'audiences\\_staging\\_%'")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "big5", "gb18030", "utf-16-le"])
def test_two_thousand_people_with_chinese_names_come_in(
    where: Workspace, audience: Audience, encoding: str
) -> None:
    text = people(2000).replace("陳柏翰", "陈志强").replace("林怡君", "王小明")
    text = people(2000) if encoding != "gb18030" else text
    job = put(text.encode(encoding), where, audience=audience)
    assert (job.state, job.created_count, job.rejected_count) == ("completed", 2000, 0)
    name = "王小明" if encoding == "gb18030" else "林怡君"
    assert Profile.objects.get(email="p0@example.com").attributes == {"name": name}
    assert AudienceMember.objects.filter(audience=audience).count() == 2000
    assert tables() == 0
    audience.refresh_from_db()
    assert audience.counted == 2000


def versions() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text, changed_at FROM audiences_profile ORDER BY id")
        return list(cursor.fetchall())


def test_the_same_file_again_rewrites_nobody(where: Workspace, audience: Audience) -> None:
    put(people(10), where, audience=audience)
    before = versions()
    job = checked(people(10), where, audience=audience)
    assert job.forecast == {"new": 0, "changed": 0, "unchanged": 10}
    jobs.start(job, actor=SYSTEM, now=NOW)
    worked(job)
    assert (job.created_count, job.changed_count, job.unchanged_count) == (0, 0, 10)
    assert versions() == before


def test_a_dry_run_tells_what_would_happen_and_changes_nobody(where: Workspace) -> None:
    put(people(4), where)
    text = people(6, start=2).replace("陳柏翰", "陳大文")
    before = versions()
    job = checked(text + "\nnobody,x,,\n", where)
    assert job.state == Import.State.READY
    assert job.forecast == {"new": 4, "changed": 1, "unchanged": 1}
    assert (job.row_count, job.staged_count, job.rejected_count) == (7, 6, 1)
    assert versions() == before
    jobs.start(job, actor=SYSTEM, now=NOW)
    worked(job)
    assert (job.created_count, job.changed_count, job.unchanged_count) == (4, 1, 1)


def test_an_import_keeps_what_it_does_not_name_and_never_undoes_an_opt_out(
    where: Workspace, audience: Audience
) -> None:
    put("email,city,tier\nana@x.tw,Taipei,gold", where, audience=audience)
    profile = Profile.objects.get()
    consent.withdraw(profile_id=profile.pk, channel="email", source="test", now=NOW)
    job = put("email,tier,subscribed\nANA@x.tw,silver,yes", where, audience=audience)
    profile.refresh_from_db()
    assert profile.attributes == {"city": "Taipei", "tier": "silver"}
    assert Consent.objects.get().state == "no"
    assert problems(job) == [(2, "subscribed", "consent_kept")]
    reach = evaluate.reach(
        evaluate.definition(audience), workspace_id=where.pk, channel="email", category="marketing"
    )
    assert reach == {reachability.NO_CONSENT: 1}


def test_consent_comes_back_only_with_newer_evidence(where: Workspace) -> None:
    put("email\nana@x.tw\nbo@x.tw", where)
    for one in Profile.objects.all():
        consent.withdraw(profile_id=one.pk, channel="email", source="test", now=NOW)
    text = "email,subscribed\nana@x.tw,yes\n"
    with pytest.raises(Invalid) as caught:
        checked(text, where, again=True)
    assert {problem.code for problem in caught.value.problems} == {"no_evidence"}
    old = put(text, where, again=True, wording="I agree", agreedAt="2026-11-20")
    assert problems(old) == [(2, "subscribed", "consent_kept")]
    put(text, where, again=True, wording="I agree", agreedAt="2026-11-24")
    ana = Consent.objects.get(profile__email="ana@x.tw")
    assert (ana.state, ana.wording, ana.source.split()[0]) == ("yes", "I agree", "import")
    assert Consent.objects.get(profile__email="bo@x.tw").state == "no"
    entries = ConsentEntry.objects.filter(profile__email="ana@x.tw", state="yes")
    assert entries.count() == 1


def test_the_truth_table_of_consent(where: Workspace) -> None:
    news = Topic.objects.create(workspace=where, key="news", name="News")
    words = ["yes", "是", "TRUE", "1", "Y", "no", "否", "0", "maybe", ""]
    rows = "\n".join(f"p{n}@x.tw,{word}" for n, word in enumerate(words))
    to = {"to": "consent", "channel": "email", "topic": "news"}
    job = put(f"email,subscribed\n{rows}", where, columns={"subscribed": to})
    assert problems(job) == [(10, "subscribed", "row_bad_boolean")]
    said = dict(Consent.objects.filter(topic=news).values_list("profile__email", "state"))
    assert [said.get(f"p{n}@x.tw", "") for n in range(10)] == ["yes"] * 5 + ["no"] * 3 + ["", ""]
    assert ConsentEntry.objects.count() == 8
    put(f"email,subscribed\n{rows}", where, columns={"subscribed": to})
    assert ConsentEntry.objects.count() == 8


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "csv_empty"),
        (b"\xef\xbb\xbf \n", "csv_empty"),
        (b"email,Email\na@x.tw,b@x.tw", "csv_duplicate_header"),
        (",".join(["email", *[f"c{n}" for n in range(10_001)]]).encode(), "csv_too_many_columns"),
        (b"PK\x03\x04rest", "file_type"),
        (b"%PDF-1.7", "file_type"),
        (b"\x1f\x8b\x08", "file_type"),
        (b"\xd0\xcf\x11\xe0", "file_type"),
        (b"PK\x03\x04 [Content_Types].xml xl/", "xlsx_broken"),
        (b'"email', "csv_unclosed_quote"),
    ],
)
def test_a_file_that_cannot_be_right_leaves_nothing_behind(where: Workspace, raw: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        uploaded(raw, where)
    assert caught.value.code == code
    assert (Import.objects.count(), ImportChunk.objects.count(), Profile.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'email,name\na@x.tw,"Ana\nb@x.tw,Bo', "From row 2 on"),
        (b'email,name\na@x.tw,Ana\nb@x.tw,"Bo"x\n', "From row 3 on"),
        (b"email\n", "no row below the header"),
        (b"email,name\nok@x.tw,a\nb@x.tw," + b'"' + b"x" * 300_000, "In row 3 a cell is longer"),
    ],
)
def test_a_file_that_breaks_off_fails_with_the_place_and_changes_nobody(
    where: Workspace, raw: bytes, told: str
) -> None:
    job = checked(raw, where)
    assert job.state == Import.State.FAILED
    assert told in job.reason
    assert not Profile.objects.exists()
    assert tables() == 0


@pytest.mark.parametrize("raw", [b"ana@x.tw,Ana\nbo@x.tw,Bo", b"name,city\nAna,Taipei"])
def test_a_file_without_anybody_to_find_is_told_what_it_has(where: Workspace, raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        checked(raw, where)
    assert caught.value.problems[-1].code == "csv_no_email_column"
    assert "Found: " in caught.value.detail


def test_bad_rows_are_listed_and_the_others_come_in(where: Workspace) -> None:
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
                "",
                "g@x.tw;damaged \ufffd;;;",
                "h@x.tw;" + "x" * 2001 + ";;;",
            ]
        ).encode()
    )
    job = put(raw, where)
    assert problems(job) == [
        (3, "email", "bad_email"),
        (4, "email", "row_duplicate"),
        (5, "name", "row_control_char"),
        (6, "time_zone", "row_bad_time_zone"),
        (7, "phone", "bad_phone"),
        (8, "email", "row_no_identity"),
        (9, "", "row_too_many_cells"),
        (12, "name", "row_encoding"),
        (13, "name", "row_too_long"),
    ]
    assert job.rejected_count == 9
    assert sorted(Profile.objects.values_list("email", flat=True)) == ["a@x.tw", "ok@x.tw"]
    ok = Profile.objects.get(email="ok@x.tw")
    assert (ok.phone, ok.locale, ok.attributes) == ("+886912345678", "zh-TW", {"name": "=HYPERLINK(1)"})


def test_one_person_written_in_many_ways_is_one_row(where: Workspace) -> None:
    written = ["a@x.tw", "A@X.TW", " a@x.tw ", "ａ@x.tw", "a@x.tw.", "　a@x.tw"]
    job = put("email,n\n" + "\n".join(f"{cell},{n}" for n, cell in enumerate(written)), where)
    assert (job.created_count, job.rejected_count) == (1, 5)
    assert set(ImportProblem.objects.values_list("extra", flat=True)) == {"2"}
    assert Profile.objects.get().attributes == {"n": 0}


def test_columns_that_are_ours_or_start_with_a_line_are_ignored(where: Workspace) -> None:
    names = "id,workspace_id,is_suppressed,created_at,__proto__,_connector"
    put(f"email,{names}\na@x.tw,7,8,true,2020-01-01,x,y", where)
    assert Profile.objects.get().attributes == {}
    for name in names.split(","):
        with pytest.raises(Invalid):
            to = {"to": "attribute", "key": name, "type": "text"}
            checked(f"email,{names}\na@x.tw,7,8,true,2020-01-01,x,y", where, columns={name: to})


def test_values_come_in_with_their_types(where: Workspace) -> None:
    text = (
        "email,spent,vip,born,seen,tags,tier,note\n"
        'ana@x.tw,"1,234.50",是,02/03/1990,02/03/2026 13:05,a; b|a,gold,"two\nlines ""q"" \\ end"\n'
        "bo@x.tw,-0,no,,,,,\n"
    )
    columns: dict[str, dict[str, Any]] = {
        "spent": {"type": "number"},
        "vip": {"type": "boolean"},
        "born": {"type": "date"},
        "seen": {"type": "datetime"},
        "tags": {"type": "list"},
        "tier": {"type": "choice"},
        "note": {"type": "text"},
    }
    columns = {key: {"to": "attribute", "key": key, **to} for key, to in columns.items()}
    put(text, where, columns=columns, dateFormat="dmy")
    assert Profile.objects.get(email="ana@x.tw").attributes == {
        "spent": 1234.5,
        "vip": True,
        "born": "1990-03-02",
        "seen": "2026-03-02T05:05:00Z",
        "tags": ["a", "b"],
        "tier": "gold",
        "note": 'two\nlines "q" \\ end',
    }
    assert Profile.objects.get(email="bo@x.tw").attributes == {"spent": 0, "vip": False}
    tier = AttributeDefinition.objects.get(key="tier")
    assert (tier.type, tier.choices) == ("choice", ["gold"])
    job = put("email,tier\nbo@x.tw,silver", where)
    assert problems(job) == [(2, "tier", "row_bad_choice")]


@pytest.mark.parametrize(
    ("style", "cell", "stored"),
    [
        ("dmy", "02/03/2026", "2026-03-02"),
        ("mdy", "02/03/2026", "2026-02-03"),
        ("iso", "2026-02-30", None),
        ("roc", "民國115年3月2日", "2026-03-02"),
        ("roc", "115/3/2", "2026-03-02"),
        ("iso", "民國115年3月2日", None),
        ("iso", "1e9", None),
        ("iso", "0000-00-00", None),
        ("iso", "99999-01-01", None),
        ("ymd", "2026/3/2", "2026-03-02"),
        ("dmy", "2026-03-02", "2026-03-02"),
    ],
)
def test_dates_are_read_as_chosen(where: Workspace, style: str, cell: str, stored: str | None) -> None:
    columns = {"born": {"to": "attribute", "key": "born", "type": "date"}}
    job = put(f"email,born\nok@x.tw,\na@x.tw,{cell}", where, columns=columns, dateFormat=style)
    if stored is None:
        assert problems(job) == [(3, "born", "row_bad_date")]
        assert not Profile.objects.filter(email="a@x.tw").exists()
    else:
        assert Profile.objects.get(email="a@x.tw").attributes == {"born": stored}


def test_people_are_matched_by_the_chosen_identity(where: Workspace) -> None:
    put("member_no,email,phone\nM1,a@x.tw,+886912345678", where, match="external_id")
    put("member_no,email,phone\nM1,new@x.tw,+886912345679", where, match="external_id")
    profile = Profile.objects.get()
    assert (profile.external_id, profile.email, profile.phone) == ("M1", "new@x.tw", "+886912345679")


def test_an_identity_of_another_person_stays_there_and_is_told(where: Workspace) -> None:
    put("email,phone,member_no\na@x.tw,+886912345678,M1", where, match="email")
    text = (
        "email,phone,member_no\nb@x.tw,+886912345678,M2\nc@x.tw,+886912345670,M3\nd@x.tw,+886912345670,M1\n"
    )
    job = put(text, where, match="email")
    assert problems(job) == [
        (2, "phone", "identity_taken"),
        (4, "phone", "identity_twice"),
        (4, "member_no", "identity_taken"),
    ]
    assert (job.created_count, job.rejected_count) == (3, 0)
    phones = dict(Profile.objects.values_list("email", "phone"))
    assert phones == {"a@x.tw": "+886912345678", "b@x.tw": None, "c@x.tw": "+886912345670", "d@x.tw": None}


def test_an_identity_that_was_taken_after_the_dry_run_is_told_too(where: Workspace) -> None:
    job = checked("email,phone\nb@x.tw,+886912345678", where, match="email")
    Profile.objects.create(workspace=where, email="a@x.tw", phone="+886912345678")
    jobs.start(job, actor=SYSTEM, now=NOW)
    worked(job)
    assert problems(job) == [(2, "phone", "identity_taken")]
    assert Profile.objects.get(email="b@x.tw").phone is None


def test_identities_in_other_namespaces_become_rows(where: Workspace) -> None:
    line = "U" + "0" * 32
    job = put(f"email,line_id\na@x.tw,{line}\nb@x.tw,{line}\nc@x.tw,wrong", where)
    assert list(Identity.objects.values_list("profile__email", "value")) == [("a@x.tw", line)]
    assert problems(job) == [(3, "line_id", "identity_taken"), (4, "line_id", "bad_line_id")]


def test_an_empty_cell_says_nothing(where: Workspace) -> None:
    put("email,locale,time_zone,is_test,city\na@x.tw,zh-TW,Asia/Taipei,yes,Taipei", where)
    job = put("email,locale,time_zone,is_test,city\na@x.tw,,,,", where)
    assert job.unchanged_count == 1
    profile = Profile.objects.get()
    assert (profile.locale, profile.time_zone, profile.is_test) == ("zh-TW", "Asia/Taipei", True)
    assert profile.attributes == {"city": "Taipei"}


def test_the_mapping_is_known_again_by_the_names_of_the_columns(where: Workspace) -> None:
    to = {"to": "attribute", "key": "town", "type": "text"}
    put("信箱,城市\na@x.tw,Taipei", where, columns={"城市": to}, again=False)
    job = uploaded("城市,信箱\nTainan,b@x.tw\n".encode(), where)
    assert [one.get("key") for one in job.mapping["columns"]] == ["town", None]
    assert job.mapping["match"] == "email"


def test_a_phone_number_without_a_country_is_of_the_files_country(where: Workspace) -> None:
    Workspace.objects.filter(pk=where.pk).update(time_zone="Asia/Taipei")
    where.refresh_from_db()
    text = "phone\n0912-345-678\n+81 90 1234 5678\n12\n"
    job = put(text, where)
    assert job.mapping["country"] == "TW"
    assert set(Profile.objects.values_list("phone", flat=True)) == {"+886912345678", "+819012345678"}
    assert problems(job) == [(4, "phone", "bad_phone")]
    assert problems(put(text, where, country="")) == [(2, "phone", "bad_phone"), (4, "phone", "bad_phone")]
    with pytest.raises(Invalid) as refused:
        checked(text, where, country="Taiwan")
    assert [problem.pointer for problem in refused.value.problems] == ["/mapping/country"]


def test_pages_grow_to_what_takes_a_second() -> None:
    assert [merge.next_size(2000, 0.01), merge.next_size(4000, 0.8), merge.next_size(16_000, 0.1)] == [
        *(4000, 5000, 20_000),
    ]
    assert merge.next_size(2000, 60) == 2000


# ---- states, leases, kills --------------------------------------------------------------------


def test_an_import_cut_in_the_middle_goes_on(where: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "PAGE", 7)
    monkeypatch.setattr(work, "STRETCH", 0)
    job = checked(people(20), where)
    jobs.start(job, actor=SYSTEM, now=NOW)
    taken = claims.claim(job.pk)
    assert taken and claims.claim(job.pk) is None
    merge._page(taken, merge.plan_of(taken.job), merge.PAGE)
    assert Profile.objects.count() == 6
    assert claims.unfinished() == []
    Import.objects.update(lease_until=NOW)  # the worker is dead
    assert claims.unfinished() == [job.pk]
    worked(job)
    worked(job)
    assert (job.state, job.created_count, job.unchanged_count) == ("completed", 20, 0)
    assert Profile.objects.count() == 20


def test_who_lost_the_claim_writes_nothing_more(where: Workspace) -> None:
    job = checked(people(3), where)
    jobs.start(job, actor=SYSTEM, now=NOW)
    asleep = claims.claim(job.pk)
    assert asleep
    Import.objects.update(lease_until=NOW)
    worked(job)
    with pytest.raises(claims.Lost):
        merge._page(asleep, merge.plan_of(asleep.job), merge.PAGE)
    assert Profile.objects.count() == 3


def test_a_staging_table_emptied_by_a_crash_is_filled_again(
    where: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "PAGE", 7)
    job = checked(people(20) + "\nbad,,,\n", where)
    jobs.start(job, actor=SYSTEM, now=NOW)
    taken = claims.claim(job.pk)
    assert taken
    merge._page(taken, merge.plan_of(taken.job), merge.PAGE)
    taken.release()
    staging.run("TRUNCATE {table}", job.pk)
    worked(job)
    assert (job.state, job.created_count, job.rejected_count) == ("completed", 20, 1)
    assert len(problems(job)) == 1


def test_pause_resume_and_cancel(where: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "PAGE", 7)
    job = checked(people(20), where)
    jobs.start(job, actor=SYSTEM, now=NOW)
    taken = claims.claim(job.pk)
    assert taken
    merge._page(taken, merge.plan_of(taken.job), merge.PAGE)
    jobs.pause(job, actor=SYSTEM, now=NOW)
    with pytest.raises(claims.Lost):
        merge._page(taken, merge.plan_of(taken.job), merge.PAGE)
    assert not work.advance(job.pk)
    with pytest.raises(IllegalTransition):
        jobs.start(job, actor=SYSTEM, now=NOW)
    jobs.resume(job, actor=SYSTEM, now=NOW)
    taken = claims.claim(job.pk)
    assert taken
    merge._page(taken, merge.plan_of(taken.job), merge.PAGE)
    jobs.cancel(job, actor=SYSTEM, now=NOW)
    job.refresh_from_db()
    assert (job.state, job.merged, Profile.objects.count()) == ("cancelled", 13, 13)
    assert tables() == 0 and not ImportChunk.objects.exists()
    with pytest.raises(IllegalTransition):
        jobs.resume(job, actor=SYSTEM, now=NOW)


def test_cancelled_before_the_merge_nothing_is_left(where: Workspace) -> None:
    job = checked(people(3) + "\nbad,,,", where)
    jobs.cancel(job, actor=SYSTEM, now=NOW)
    assert (tables(), ImportChunk.objects.count(), ImportProblem.objects.count()) == (0, 0, 0)
    assert not Profile.objects.exists() and not AttributeDefinition.objects.exists()


def test_the_columns_can_be_matched_again_after_the_dry_run(where: Workspace) -> None:
    job = checked("email,city\na@x.tw,Taipei\nbad,x", where)
    jobs.remap(job, actor=SYSTEM, now=NOW)
    job.refresh_from_db()
    assert (job.state, tables(), ImportProblem.objects.count()) == ("uploaded", 0, 0)
    jobs.check(job, how=job.mapping, actor=SYSTEM, now=NOW)
    assert worked(job).state == "ready"


def test_an_import_that_never_gets_anywhere_is_given_up(where: Workspace) -> None:
    job = checked(people(3), where)
    jobs.start(job, actor=SYSTEM, now=NOW)
    for _again in range(claims.MOST_ATTEMPTS):
        assert claims.claim(job.pk)
        Import.objects.update(lease_until=NOW)
    worked(job)
    assert job.state == Import.State.FAILED


def test_files_are_removed_some_days_later(where: Workspace) -> None:
    done, open_ = put(people(3), where), uploaded(people(3).encode(), where)
    jobs.clear(NOW)
    assert ImportChunk.objects.count() == 2
    Import.objects.filter(pk=done.pk).update(finished_at=NOW - jobs.KEEP_FILE)
    jobs.clear(NOW + jobs.KEEP_UNUSED * 2)
    assert not ImportChunk.objects.exists()
    open_.refresh_from_db()
    assert open_.state == "cancelled"


def test_a_name_that_was_taken_meanwhile_stops_the_start_and_nothing_is_made(where: Workspace) -> None:
    job = checked("email,city\na@x.tw,Taipei", where)
    AttributeDefinition.objects.create(workspace=where, key="city", type="number")
    with pytest.raises(Invalid):
        jobs.start(job, actor=SYSTEM, now=NOW)
    job.refresh_from_db()
    assert job.state == "ready" and not Profile.objects.exists()


def test_a_viewer_imports_nothing(where: Workspace) -> None:
    viewer = User.objects.create_user("v@x.tw", name="V")
    viewer.groups.add(Role.objects.get(workspace=where, builtin="viewer").group_ptr)
    with pytest.raises(PermissionMissing):
        uploaded(b"email\na@x.tw", where, actor=viewer)
    assert not Import.objects.exists()


def test_the_log_holds_numbers_and_no_addresses(where: Workspace) -> None:
    from accounts.models import AuditEntry

    put(people(3), where)
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"upload_import", "check_import", "start_import", "complete_import"} <= verbs
    assert "example.com" not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))


def test_stage_reads_in_pages(where: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PAGE", 3)
    monkeypatch.setattr(stage, "FLUSH", 100)
    job = put(people(20) + "\nbad,,,\n", where)
    assert (job.created_count, problems(job)) == (20, [(22, "email", "bad_email")])
