"""Fragments by their pages and by REST: taken in where a content is frozen, never behind an approval."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from campaigns import fragments, lifecycle, validation, versions
from campaigns.models import Campaign, Fragment
from common.errors import Invalid
from tests import builders
from tests.api import Caller, pointers
from tests.builders import as_, who

pytestmark = pytest.mark.django_db
WAY_OUT = '<a href="{{ unsubscribe_url }}">Leave</a>'
ROW = "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(2, admin="administrator", mia="manager", ana="approver", vera="viewer")


def by(name: str = "mia") -> dict[str, Any]:
    return {"actor": who(name), "now": timezone.now()}


def made(where: Workspace, key: str, source: str, kind: str = "text", publishes: bool = True) -> Fragment:
    row = fragments.create(where, key=key, name=key.title(), kind=kind, source=source, **by())
    return fragments.publish(row, **by()) if publishes else row


def change(row: Fragment, source: str) -> Fragment:
    row.refresh_from_db()
    fragments.save(row, name=row.name, source=source, revision=row.revision, **by())
    return fragments.publish(row, **by())


def sent(campaign: Campaign, part: str = "html") -> Any:
    campaign = Campaign.objects.get(pk=campaign.pk)
    return versions.definition(campaign)["actions"][0]["contents"][0]["content"][part]


def told(campaign: Campaign) -> dict[str, tuple[str, str]]:
    found = validation.validate(Campaign.objects.get(pk=campaign.pk), now=timezone.now())
    return {one.code: (one.level, one.field) for one in found}


def test_a_manager_writes_publishes_and_uses_one_by_the_pages(where: Workspace) -> None:
    client = as_("mia")
    form = {"name": "Footer", "key": "footer", "kind": "html", "source": f"<p>Fernhill & co {WAY_OUT}</p>"}
    answer = client.post("/campaigns/fragments/new/", form)
    row = Fragment.objects.get()
    assert answer.headers["Location"] == f"/campaigns/fragments/{row.pk}/"
    campaign = builders.draft(where, who("mia"))
    page = client.get(f"/campaigns/{campaign.pk}/edit/content/?view=code").text
    assert "fragment(&#34;footer&#34;)" not in page  # it is not published yet
    body = {
        "revision": campaign.revision,
        "html": '<html><body>Hi {{ fragment("footer") }}</body></html>',
        "mjml": "",
    }
    client.post(f"/campaigns/{campaign.pk}/edit/content/", body)
    assert told(campaign)["fragment_not_published"] == ("error", "html")
    assert client.post(f"/campaigns/fragments/{row.pk}/act/publish/").status_code == 302
    assert "fragment_not_published" not in told(campaign) and "template_no_unsubscribe" not in told(campaign)
    assert sent(campaign) == f"<html><body>Hi <p>Fernhill & co {WAY_OUT}</p></body></html>"
    page = client.get(f"/campaigns/{campaign.pk}/edit/content/?view=code").text
    assert "fragment(&#34;footer&#34;)" in page
    assert "Fernhill &amp; co" in client.get(f"/campaigns/{campaign.pk}/preview/").text.replace(
        "& co", "&amp; co"
    )
    shown = client.get(f"/campaigns/fragments/{row.pk}/")
    assert "Winter layers" in shown.text and "Version 1" in shown.text
    framed = client.get(f"/campaigns/fragments/{row.pk}/preview/")
    assert "Fernhill" in framed.text and "sandbox" in framed.headers["Content-Security-Policy"]
    verbs = AuditEntry.objects.filter(object_type="campaigns.fragment").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["create", "publish"]


def test_what_was_approved_is_what_is_sent_whatever_is_published_later(where: Workspace) -> None:
    Workspace.objects.filter(pk=where.pk).update(approval_required=True)
    row = made(where, "offer", "ten percent")
    html = f'<html><body>{{{{ fragment("offer") }}}} {WAY_OUT}</body></html>'
    campaign = builders.draft(where, who("mia"), html=html)
    campaign = lifecycle.apply(campaign, "request_approval", **by())
    frozen = campaign.version
    assert frozen is not None and frozen.definition["fragments"] == {"offer": 1}
    change(row, "ninety percent")
    assert "ten percent" in sent(campaign)
    assert told(campaign)["fragment_newer"] == ("warning", "html")
    seen = as_("ana").get(f"/campaigns/{campaign.pk}/preview/").text
    assert "ten percent" in seen and "ninety" not in seen
    lifecycle.apply(campaign, "approve", **by("ana"))
    fragments.archive(row, **by())
    live = lifecycle.apply(campaign, "activate", **by("ana"))
    assert live.live_version == frozen
    assert "ten percent" in live.live_version.definition["actions"][0]["contents"][0]["content"]["html"]


def test_back_in_draft_the_newer_one_is_taken_and_the_author_is_told(where: Workspace) -> None:
    row = made(where, "offer", "ten percent")
    campaign = builders.draft(where, who("mia"), html=f'<body>{{{{ fragment("offer") }}}}{WAY_OUT}</body>')
    lifecycle.apply(campaign, "request_approval", **by())
    before = Campaign.objects.get(pk=campaign.pk).version
    change(row, "ninety percent")
    lifecycle.apply(campaign, "cancel_request", **by())
    assert "ninety percent" in sent(campaign) and told(campaign)["fragment_newer"][0] == "warning"
    assert (
        "newer version than what was frozen" in as_("mia").get(f"/campaigns/{campaign.pk}/edit/content/").text
    )
    again = lifecycle.apply(campaign, "request_approval", **by())
    assert again.version != before and again.version and again.version.definition["fragments"] == {"offer": 2}


def test_each_medium_takes_what_fits_and_text_is_escaped_but_for_its_tags(where: Workspace) -> None:
    made(where, "hello", 'Q&A <b> {{ profile.name|default("you & me") }}')
    made(where, "box", "<p>Box</p>", "html")
    made(
        where,
        "band",
        '<mj-section><mj-column><mj-text>{{ fragment("hello") }}</mj-text></mj-column></mj-section>',
        "mjml",
    )
    campaign = builders.draft(where, who("mia"))
    design = (
        '<mjml><mj-body><mj-raw>{{ fragment("band") }}</mj-raw><mj-raw>{{ fragment("box") }}</mj-raw>'
        f"<mj-section><mj-column><mj-text>{WAY_OUT}</mj-text></mj-column></mj-section></mj-body></mjml>"
    )
    body = {"revision": campaign.revision, "subject": "{{ fragment('hello') }}", "mjml": design}
    assert as_("mia").post(f"/campaigns/{campaign.pk}/edit/content/", body).status_code == 302
    assert 'Q&amp;A &lt;b&gt; {{ profile.name|default("you & me") }}' in sent(campaign)
    assert "<p>Box</p>" in sent(campaign) and sent(campaign, "subject").startswith("Q&A <b>")
    assert not {code for code, (level, _field) in told(campaign).items() if level == "error"}
    for part, key, code in (
        ("subject", "box", "fragment_kind"),
        ("html", "band", "fragment_kind"),
        ("mjml", "band", "fragment_place"),
    ):
        campaign.refresh_from_db()
        value = f'x {{{{ fragment("{key}") }}}} {WAY_OUT if part != "subject" else ""}'
        if part == "mjml":
            value = f"<mjml><mj-body>{ROW.format(value)}</mj-body></mjml>"
        given = {"subject": "s", "html": WAY_OUT, "mjml": "", part: value, "revision": campaign.revision}
        assert as_("mia").post(f"/campaigns/{campaign.pk}/edit/content/", given).status_code == 302
        assert told(campaign)[code] == ("error", part)


def test_a_webhooks_json_keeps_its_structure(where: Workspace) -> None:
    made(where, "words", 'say "hi", {{ profile.name }}')
    hook = builders.configuration(where, name="Hook", channel="webhook")
    text = json.dumps({"a": '{{ fragment("words") }}', "b": [1, '{{ fragment("words") }}']})
    campaign = builders.draft_over(hook, who("mia"), text=text)
    assert json.loads(sent(campaign, "text")) == {
        "a": 'say "hi", {{ profile.name }}',
        "b": [1, 'say "hi", {{ profile.name }}'],
    }


def test_rings_and_depth_are_refused_by_name_and_change_nothing(where: Workspace) -> None:
    first = made(where, "a", "A")
    second = made(where, "b", 'B {{ fragment("a") }}')
    page = as_("mia").post(
        f"/campaigns/fragments/{first.pk}/",
        {"name": "A", "source": 'x {{ fragment("b") }}', "revision": first.revision},
    )
    assert page.status_code == 400 and "a → b → a" in page.text
    first.refresh_from_db()
    assert first.source == "A"
    with pytest.raises(Invalid, match="a → a"):
        fragments.save(first, name="A", source='{{ fragment("a") }}', revision=first.revision, **by())
    for key, inner in zip("cdef", "bcde", strict=True):
        if key == "f":
            with pytest.raises(Invalid) as refused:
                made(where, key, f'{{{{ fragment("{inner}") }}}}')
            assert refused.value.code == "fragment_too_deep"
        else:
            made(where, key, f'{{{{ fragment("{inner}") }}}}')
    assert fragments.uses(second, who("mia")).fragments == [Fragment.objects.get(key="c")]
    # Deeper below is refused too, as those above would become too deep.
    made(where, "z", "Z")
    with pytest.raises(Invalid, match="deep"):
        fragments.save(first, name="A", source='{{ fragment("z") }}', revision=first.revision, **by())


def test_growth_is_bounded(where: Workspace) -> None:
    made(where, "big", "x" * 90_000)
    made(where, "ten", '{{ fragment("big") }}' * 5)
    campaign = builders.draft(where, who("mia"), html='{{ fragment("ten") }}' * 2000 + WAY_OUT)
    assert told(campaign)["fragment_too_large"] == ("error", "html")
    assert len(sent(campaign)) < 1000


def test_a_missing_one_is_refused_when_written_and_a_finding_once_it_is_gone(where: Workspace) -> None:
    campaign = builders.draft(where, who("mia"))
    body = {"revision": campaign.revision, "html": '{{ fragment("nowhere") }}', "mjml": "", "subject": "s"}
    page = as_("mia").post(f"/campaigns/{campaign.pk}/edit/content/?view=code", body)
    assert page.status_code == 400 and "no fragment “nowhere”" in page.text
    assert "{{ fragment(&#34;nowhere&#34;) }}" in page.text.replace(
        "&quot;", "&#34;"
    )  # nobody loses their text
    row = made(where, "here", "x")
    body["html"] = f'{{{{ fragment("here") }}}}{WAY_OUT}'
    assert as_("mia").post(f"/campaigns/{campaign.pk}/edit/content/", body).status_code == 302
    fragments.archive(row, **by())
    assert told(campaign)["fragment_archived"] == ("error", "html")
    fragments.archive(row, **by(), back=True)
    assert "fragment_archived" not in told(campaign)


def test_one_behind_a_label_is_as_unknown_as_a_missing_one(where: Workspace) -> None:
    label = AccessLabel.objects.create(workspace=where, name="Board")
    label.roles.add(Role.objects.get(workspace=where, builtin="approver"))
    row = made(where, "secret", "Zqhidden words")
    assert (
        as_("ana").post(f"/campaigns/fragments/{row.pk}/act/place/", {"label": label.pk}).status_code == 302
    )
    assert list(row.labels.all()) == [label]
    client = as_("mia")
    assert "secret" not in client.get("/campaigns/fragments/?search=secr").text.replace('value="secr"', "")
    for tail in ("", "preview/"):
        assert client.get(f"/campaigns/fragments/{row.pk}/{tail}").status_code == 404
    campaign = builders.draft(where, who("mia"))
    page = client.get(f"/campaigns/{campaign.pk}/edit/content/")
    assert "secret" not in page.text
    for key in ("secret", "missing"):
        body = {
            "revision": campaign.revision,
            "html": f'{{{{ fragment("{key}") }}}}',
            "mjml": "",
            "subject": "s",
        }
        page = client.post(f"/campaigns/{campaign.pk}/edit/content/?view=code", body)
        assert page.status_code == 400 and f"no fragment “{key}”, or you may not see it" in page.text
    assert "Zqhidden" not in client.get(f"/campaigns/{campaign.pk}/preview/").text
    api = Caller(where, "manager")
    assert api.get(f"/api/fragments/{row.pk}/").status_code == 404
    assert api.get("/api/fragments/").json()["results"] == []


def test_a_viewer_sees_and_changes_nothing_and_another_workspace_sees_nothing(where: Workspace) -> None:
    row = made(where, "footer", "Ours")
    viewer = as_("vera")
    assert "Ours" in viewer.get(f"/campaigns/fragments/{row.pk}/").text
    assert viewer.get("/campaigns/fragments/").status_code == 200
    assert viewer.get("/campaigns/fragments/new/").status_code == 403
    assert viewer.post(f"/campaigns/fragments/{row.pk}/", {"name": "X", "revision": 1}).status_code == 403
    assert viewer.post(f"/campaigns/fragments/{row.pk}/act/archive/").status_code == 403
    elsewhere = builders.workspace("other")
    builders.person(elsewhere, "manager", "zoe")
    assert as_("zoe").get(f"/campaigns/fragments/{row.pk}/").status_code == 404
    assert as_("zoe").post(f"/campaigns/fragments/{row.pk}/act/publish/").status_code == 404
    campaign = builders.draft(elsewhere, who("zoe"))
    body = {"revision": campaign.revision, "html": '{{ fragment("footer") }}', "mjml": "", "subject": "s"}
    assert as_("zoe").post(f"/campaigns/{campaign.pk}/edit/content/", body).status_code == 400
    row.refresh_from_db()
    assert (row.source, row.archived_at) == ("Ours", None)


def test_broken_ones_are_not_published_and_the_second_editor_is_told(where: Workspace) -> None:
    for kind, source, code in (
        ("text", "{% if x %}", "template_syntax"),
        ("html", "{{ profile.name", "template_syntax"),
        ("mjml", "<mj-section>", "design_syntax"),
        ("mjml", "<mj-evil>x</mj-evil>", "design_unknown_element"),
        ("text", "  ", "source_empty"),
        ("text", "{{ ''.__class__ }}", "template_forbidden"),
    ):
        row = made(where, f"k{Fragment.objects.count()}", source, kind, publishes=False)
        with pytest.raises(Invalid) as refused:
            fragments.publish(row, **by())
        assert [(one.code, one.pointer) for one in refused.value.problems] == [(code, "source")], source
        assert not row.versions.exists()
        assert as_("mia").get(f"/campaigns/fragments/{row.pk}/").status_code == 200
        assert as_("mia").get(f"/campaigns/fragments/{row.pk}/preview/").status_code == 200
    row = made(where, "one", "1")
    change(row, "2")
    page = as_("ana").post(f"/campaigns/fragments/{row.pk}/", {"name": "N", "source": "mine", "revision": 1})
    assert page.status_code == 409 and "mine" in page.text
    assert Fragment.objects.get(pk=row.pk).source == "2"


def test_fragments_by_rest(where: Workspace) -> None:
    api = Caller(where, "manager")
    given = {"key": "footer", "name": "Footer", "kind": "text", "source": "Hello"}
    first = api.post("/api/fragments/", given)
    assert (first.status_code, first.json()["state"]) == (201, "draft")
    here = f"/api/fragments/{first.json()['id']}/"
    assert pointers(api.post("/api/fragments/", given)) == [("key_taken", "/key")]
    assert pointers(api.post("/api/fragments/", {**given, "key": "A b"})) == [("bad_key", "/key")]
    assert api("PATCH", here, {"source": "x"}, headers=api.headers).status_code == 428
    etag = first.headers["ETag"]
    ok = api("PATCH", here, {"source": "Good day"}, headers={**api.headers, "If-Match": etag})
    assert (ok.status_code, ok.json()["source"]) == (200, "Good day")
    late = api("PATCH", here, {"source": "late"}, headers={**api.headers, "If-Match": etag})
    assert late.status_code == 412
    published = api.post(here + "publish/", None)
    assert (published.json()["publishedVersion"], published.json()["hasChanges"]) == (1, False)
    assert api.post(here + "publish/", None).status_code == 409
    assert [one["source"] for one in api.get(here + "versions/").json()["results"]] == ["Good day"]
    campaign = builders.draft(where, who("mia"))
    content = f"/api/campaigns/{campaign.pk}/contents/0/content/"
    body = {"html": f'{{{{ fragment("footer") }}}}{WAY_OUT}'}
    assert api("PATCH", content, body, headers={**api.headers, "If-Match": "*"}).status_code == 200
    assert api.get(here + "uses/").json() == {
        "campaigns": [campaign.pk],
        "fragments": [],
        "templates": [],
        "hiddenCount": 0,
    }
    bad = api("PATCH", content, {"subject": '{{ fragment("no") }}'}, headers={**api.headers, "If-Match": "*"})
    assert pointers(bad) == [("fragment_unknown", "/subject")]
    assert api.delete(here).status_code == 409
    assert api.post(here + "archive/", None).json()["state"] == "archived"
    assert api.get("/api/fragments/").json()["results"] == []
    assert api.delete(here + "archive/").json()["state"] == "published"
    assert Caller(where, "viewer").post("/api/fragments/", given).status_code == 403
