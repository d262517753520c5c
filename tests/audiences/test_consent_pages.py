"""The pages of topics, the suppression list, a person's consent and their erasure, by the front door."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AccessLabel, AuditEntry, Workspace
from audiences import lastlook, suppression, suppressionlists, topics
from audiences.models import Consent, Profile, Suppression, Topic
from common.errors import Invalid
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db
LIST = "/audiences/suppression/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def signed_in(where: Workspace, role: str) -> Client:
    client = Client()
    client.force_login(builders.person(where, role))
    return client


def suppressed(where: Workspace, address: str, reason: str = "bounce") -> Suppression:
    suppression.suppress(workspace_id=where.pk, channel="email", address=address, reason=reason, now=NOW)
    return Suppression.objects.latest("pk")


# ---- topics ---------------------------------------------------------------------------------------
def test_a_topic_is_made_changed_archived_and_offered_again(where: Workspace) -> None:
    manager = signed_in(where, "manager")
    form = {"name": "Shop news", "key": "shop-news", "description": "Monthly", "is_public": "on"}
    address = manager.post("/audiences/topics/new/", form).headers["Location"]
    topic = Topic.objects.get()
    assert (topic.key, topic.is_public, topic.double_opt_in) == ("shop-news", True, False)
    page = manager.get(address).content.decode()
    assert "/subscribe/fernhill/shop-news/" in page
    manager.post(address, {"name": "News", "double_opt_in": "on", "is_public": "on", "key": "other"})
    topic.refresh_from_db()
    assert (topic.name, topic.key, topic.double_opt_in) == ("News", "shop-news", True)
    assert "No email configuration is active" in manager.get(address).content.decode()
    manager.post(address + "archive/")
    assert Topic.objects.get().archived_at and "archived" in manager.get(address).content.decode()
    assert manager.post(address + "archive/").status_code == 409
    manager.post(address + "archive/", {"reopen": "1"})
    assert Topic.objects.get().archived_at is None
    verbs = AuditEntry.objects.filter(verb__endswith="_topic").values_list("verb", flat=True)
    assert sorted(verbs) == ["archive_topic", "change_topic", "create_topic", "reopen_topic"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "Shop News"}, "Write small letters"),
        ({"key": "taken"}, "already a topic with this key"),
        ({"name": "Taken"}, "already a topic with this name"),
        ({"name": "a\0b"}, "Null characters"),
        ({"name": ""}, "required"),
    ],
)
def test_a_wrong_topic_is_told_at_its_field_and_not_made(where: Workspace, change: dict, told: str) -> None:
    Topic.objects.create(workspace=where, key="taken", name="Taken")
    answer = signed_in(where, "manager").post("/audiences/topics/new/", {"name": "N", "key": "n", **change})
    assert answer.status_code == 400 and told in answer.content.decode()
    assert Topic.objects.count() == 1


def test_the_list_counts_people_in_a_fixed_number_of_queries(
    where: Workspace, django_assert_max_num_queries
) -> None:
    people = builders.profiles(where, 6)
    for number in range(30):
        topic = Topic.objects.create(workspace=where, key=f"t{number}", name=f"Topic {number}")
        for person, state in zip(people, ["yes", "yes", "yes", "pending", "pending", "no"], strict=True):
            Consent.objects.create(
                profile=person, channel="email", topic=topic, state=state, source="x", at=NOW
            )
    client = signed_in(where, "manager")
    with django_assert_max_num_queries(18):
        page = client.get("/audiences/topics/").content.decode()
    assert re.findall(r'<td class="end"[^>]*>(\d+)</td>', page)[:3] == ["3", "2", "1"]


def test_another_workspaces_topic_is_not_there(where: Workspace) -> None:
    other = Topic.objects.create(workspace=builders.workspace("other"), key="x", name="Secret")
    manager = signed_in(where, "manager")
    assert manager.get(f"/audiences/topics/{other.pk}/").status_code == 404
    assert manager.post(f"/audiences/topics/{other.pk}/archive/").status_code == 404
    assert manager.get(f"/audiences/topics/{2**63 - 1}/").status_code == 404
    assert "Secret" not in manager.get("/audiences/topics/").content.decode()


# ---- suppression ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ana@Example.COM.", "ana@example.com"),
        ("@Example.com", "@example.com"),
        ("*@example.com", "@example.com"),
        ("example.com", "@example.com"),
        ("@例子.example", "@xn--fsqu00a.example"),
    ],
)
def test_what_is_added_is_kept_in_its_one_form(where: Workspace, given: str, kept: str) -> None:
    administrator = signed_in(where, "administrator")
    form = {"address": given, "channel": "email", "reason": "asked by phone"}
    for _twice in range(2):
        assert administrator.post(LIST, form).status_code == 302
    entry = Suppression.objects.get()
    assert (entry.address, entry.reason, entry.created_by.name) == (kept, "asked by phone", "Administrator")
    assert kept in administrator.get(LIST).content.decode()
    assert kept not in str(list(AuditEntry.objects.values_list("details", "object_label")))


@pytest.mark.parametrize(
    "address", ["", "ana", "a\0@example.com", "@", "@@", "x" * 300, "@-.com", "ana@localhost"]
)
def test_what_is_no_address_is_told_and_not_kept(where: Workspace, address: str) -> None:
    form = {"address": address, "channel": "email", "reason": "x"}
    assert signed_in(where, "administrator").post(LIST, form).status_code == 400
    assert not Suppression.objects.exists()


def test_who_manages_people_sees_the_list_but_only_an_administrator_changes_it(where: Workspace) -> None:
    entry = suppressed(where, "ana@example.com")
    manager = signed_in(where, "manager")
    page = manager.get(LIST).content.decode()
    assert "ana@example.com" in page and "Remove" not in page
    form = {"address": "bo@example.com", "channel": "email", "reason": "x"}
    for address in (LIST, f"{LIST}{entry.pk}/remove/"):
        answer = manager.post(address, form)
        assert answer.status_code == 403 and "Manage channel configurations" in answer.content.decode()
    assert signed_in(where, "viewer").get(LIST).status_code == 403
    stranger = signed_in(builders.workspace("other"), "administrator")
    assert stranger.post(f"{LIST}{entry.pk}/remove/").status_code == 404
    assert "ana@example.com" not in stranger.post(LIST + "export.csv").getvalue().decode()
    assert Suppression.objects.get() == entry


def test_taking_back_what_a_person_asked_for_needs_their_word(where: Workspace) -> None:
    administrator = signed_in(where, "administrator")
    bounce, complaint = suppressed(where, "a@example.com"), suppressed(where, "b@example.com", "complaint")
    assert administrator.get(f"{LIST}{bounce.pk}/remove/").status_code == 200
    assert Suppression.objects.count() == 2
    administrator.post(f"{LIST}{bounce.pk}/remove/")
    answer = administrator.post(f"{LIST}{complaint.pk}/remove/")
    assert answer.status_code == 409 and "complaint" in answer.content.decode()
    assert Suppression.objects.get() == complaint
    administrator.post(f"{LIST}{complaint.pk}/remove/", {"sure": "1"})
    assert not Suppression.objects.exists()
    removals = AuditEntry.objects.filter(verb="unsuppress").values_list("details__was_asked_for", flat=True)
    assert list(removals.order_by("sequence")) == [False, True]


def test_an_erased_address_is_found_by_whoever_knows_it(where: Workspace) -> None:
    suppression.replace_by_hashes(where.pk, [("email", "ana@example.com")], reason="erased", now=NOW)
    administrator = signed_in(where, "administrator")
    assert "an erased address" in administrator.get(LIST + "?search=Ana@example.com").content.decode()
    assert "an erased address" not in administrator.get(LIST + "?search=bo@example.com").content.decode()
    form = {"address": "ana@example.com", "channel": "email", "reason": "x"}
    administrator.post(LIST, form)
    assert Suppression.objects.get().kind == "hash"  # never in the clear again
    assert administrator.get(LIST + "?search=%00%25&page=zzz").status_code == 200


def test_a_list_comes_in_line_by_line_and_goes_out_safe_for_a_spreadsheet(where: Workspace) -> None:
    raw = "\ufeffEmail,Reason\nAna@Example.com,\n'@bad.example,spam\nnobody,\n\nana@example.com,x\n=1+1,\n"
    administrator = signed_in(where, "administrator")
    form = {
        "file-channel": "email",
        "file-reason": "old list",
        "file-file": SimpleUploadedFile("x.csv", raw.encode()),
    }
    page = administrator.post(LIST, form).content.decode()
    assert "2 added, 1 were there already, 2 rejected." in page
    assert "Entry 3: “nobody” is not an email address" in page
    assert set(Suppression.objects.values_list("address", "kind", "reason")) == {
        ("ana@example.com", "address", "old list"),
        ("@bad.example", "domain", "spam"),
    }
    text = administrator.post(LIST + "export.csv").getvalue().decode()
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [row["address"] for row in rows] == ["ana@example.com", "'@bad.example"]
    again = suppressionlists.read(io.BytesIO(text.encode()), channel="email", reason="x")
    assert [entry.address for entry in again] == ["ana@example.com", "@bad.example"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The file has no content."),
        (b"\xff\xfe\x00", "This is not a CSV file in UTF-8."),
        (b'"open', "This is not a CSV file in UTF-8."),
        (b"a@b.example\n" * (suppressionlists.MOST_LINES + 1), "more than 100000 lines"),
    ],
)
def test_a_wrong_file_is_told_and_leaves_nothing(where: Workspace, raw: bytes, told: str) -> None:
    form = {"file-channel": "email", "file-reason": "x", "file-file": SimpleUploadedFile("x.csv", raw)}
    answer = signed_in(where, "administrator").post(LIST, form)
    assert answer.status_code == 400 and told in answer.content.decode()
    assert not Suppression.objects.exists()


def test_the_file_reader_never_holds_more_than_a_line() -> None:
    entries = suppressionlists.read(io.BytesIO(b"a@b.example\n" * 10 + b'"'), channel="email", reason="x")
    assert next(entries).address == "a@b.example"
    with pytest.raises(Invalid):
        list(entries)


# ---- one person -----------------------------------------------------------------------------------
def test_consent_is_recorded_by_hand_with_its_evidence(where: Workspace) -> None:
    ana = Profile.objects.create(workspace=where, email="ana@example.com")
    Topic.objects.create(workspace=where, key="news", name="Shop news")
    suppressed(where, "@example.com", "bad domain")
    manager, address = signed_in(where, "manager"), f"/audiences/profiles/{ana.pk}/consents/"
    assert "bad domain" in manager.get(address).content.decode()
    form = {"channel": "email", "topic": "", "state": "no", "source": "by phone", "wording": ""}
    assert "Recorded." in manager.post(address, form).content.decode()
    answer = manager.post(address, {**form, "state": "yes"})
    assert answer.status_code == 400 and "give the source and the wording" in answer.content.decode()
    assert Consent.objects.get().state == "no"
    fragment = manager.post(
        address, {**form, "state": "yes", "wording": "News <b>"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert "<html" not in fragment and "News &lt;b&gt;" in fragment and "recorded by Manager" in fragment
    assert Consent.objects.get().state == "yes"
    other = Topic.objects.create(workspace=builders.workspace("other"), key="x", name="X")
    assert manager.post(address, {**form, "topic": str(other.pk)}).status_code == 400


def test_a_person_is_erased_after_one_question(where: Workspace) -> None:
    ana = Profile.objects.create(workspace=where, email="ana@example.com")
    manager, address = signed_in(where, "manager"), f"/audiences/profiles/{ana.pk}/erase/"
    assert "Erase ana@example.com?" in manager.get(address).content.decode()
    assert Profile.objects.exists()
    for nobody in (signed_in(where, "viewer"), signed_in(builders.workspace("other"), "administrator")):
        assert nobody.post(address).status_code in (403, 404)
    assert Profile.objects.exists()
    assert manager.post(address).headers["Location"] == "/audiences/profiles/"
    assert not Profile.objects.exists() and manager.post(address).status_code == 404
    look = [(None, "ana@example.com")]
    assert lastlook.blocked(where.pk, look, channel="email", category="transactional")


def test_a_topics_page_names_no_audience_whose_label_the_reader_lacks(where: Workspace) -> None:
    manager = builders.person(where, "manager", "reader")
    topic = topics.create(where, key="hush", name="Hush", actor=manager, now=NOW)
    hidden = builders.audience(where, name="Takeover", kind="subscription", topic=topic)
    builders.audience(where, name="Readers", kind="subscription", topic=topic)
    hidden.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    client = Client()
    client.force_login(manager)
    page = client.get(f"/audiences/topics/{topic.pk}/").content.decode()
    assert "Readers" in page and "Takeover" not in page


def test_that_the_suppression_list_left_as_a_file_is_in_the_audit_log(where: Workspace) -> None:
    suppressed(where, "gone@example.com")
    client = Client()
    client.force_login(builders.person(where, "manager", "reader"))
    assert b"gone@example.com" in b"".join(client.post(f"{LIST}export.csv").streaming_content)
    entry = AuditEntry.objects.get(verb="export_suppression")
    assert "Reader" in entry.actor and "gone@" not in f"{entry.details} {entry.object_label}"


def test_our_own_words_stand_beside_the_field_that_is_wrong(where: Workspace) -> None:
    """The browser's own bubbles would come before them, in the browser's language."""
    manager = signed_in(where, "administrator")
    page = manager.get(LIST).content.decode()
    forms = re.findall(r'<form[^>]*method="post"[^>]*class="body stack"[^>]*>', page)
    assert len(forms) == 2 and all("novalidate" in one for one in forms)
    for given, told in (({"address": ""}, "This field is required."), ({"address": "no address"}, "address")):
        answer = manager.post(LIST, {"channel": "email", "reason": "manual", **given})
        found = re.search(r'id="id_address_error">(.*?)</div>', answer.content.decode(), re.S)
        assert answer.status_code == 400 and found and told in found[1], given
    assert not Suppression.objects.exists()
