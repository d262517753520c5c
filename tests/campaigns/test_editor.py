"""Several messages, languages and treatments in one draft, by its pages: what is kept, told and refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import User
from audiences.models import Profile
from campaigns import actions, contents, designs, validation, versions
from campaigns.models import Campaign
from campaigns.tracking.links import links_of
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db
ZH_TW = {"field": "email", "op": "starts_with", "value": "zh-TW"}
DESIGN = (
    "<mjml><mj-body><mj-raw>{% if profile.name < 'M' %}</mj-raw><mj-section><mj-column>"
    "<mj-text>Hi {{ profile.name }}<br>&nbsp;</mj-text>"
    '<mj-button href="{{ unsubscribe_url }}">Leave</mj-button></mj-column></mj-section>'
    "<mj-raw>{% endif %}</mj-raw></mj-body></mjml>"
)


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    for locale, people in (("zh-TW", 3), ("en", 2), ("zh-CN", 1)):
        for n in range(people):
            Profile.objects.create(workspace=where, email=f"{locale}{n}@example.com", locale=locale)
    return builders.draft(where, builders.person(where, "manager"))


@pytest.fixture
def manager(campaign: Campaign) -> Client:
    client = Client()
    client.force_login(User.objects.get(name="Manager"))
    return client


def post(client: Client, campaign: Campaign, tail: str, **form: Any) -> Any:
    campaign.refresh_from_db()
    revision = form.pop("revision", campaign.revision)
    return client.post(f"/campaigns/{campaign.pk}/edit/{tail}", {"revision": revision, **form})


def told(campaign: Campaign) -> set[str]:
    return {one.code for one in validation.validate(Campaign.objects.get(pk=campaign.pk), now=timezone.now())}


def test_a_campaign_goes_over_several_channels_each_with_its_own_words(
    campaign: Campaign, manager: Client
) -> None:
    chosen = str(campaign.actions.get().configuration_id)
    answer = post(manager, campaign, "channels/", configuration_0=chosen, add="1", channel="sms")
    assert answer.status_code == 302
    post(manager, campaign, "channels/", configuration_0=chosen, add="1", channel="push")
    sms = builders.configuration(campaign.workspace, name="SMS", channel="sms")
    mixed = {"configuration_0": chosen, "configuration_1": str(sms.pk), "reach": "first"}
    assert post(manager, campaign, "channels/", **mixed).status_code == 302
    assert post(manager, campaign, "content/?action=1", text="哈囉 {{ profile.name }}").status_code == 302
    post(
        manager,
        campaign,
        "content/?action=2",
        subject="Hi",
        text="x",
        **{"extra-buttons": "Go | https://a.example"},
    )
    frozen = versions.definition(Campaign.objects.get(pk=campaign.pk))
    assert [one["channel"] for one in frozen["actions"]] == ["email", "sms", "push"]
    assert frozen["reach"] == "first"
    assert frozen["actions"][1]["configuration"] == sms.pk
    assert frozen["actions"][1]["contents"][0]["content"] == {"text": "哈囉 {{ profile.name }}"}
    buttons = frozen["actions"][2]["contents"][0]["content"]["extra"]["buttons"]
    assert buttons == [{"label": "Go", "url": "https://a.example"}]
    page = manager.get(f"/campaigns/{campaign.pk}/preview/?action=1").content.decode()
    assert "哈囉" in page and "UCS-2" in page


def test_messages_are_ordered_and_removed_but_never_the_last(campaign: Campaign, manager: Client) -> None:
    post(manager, campaign, "channels/", add="1", channel="sms")
    post(manager, campaign, "channels/", up="1")
    kept = [(one.position, one.channel) for one in campaign.actions.all()]
    assert kept == [(0, "sms"), (1, "email")]
    assert campaign.actions.get(channel="email").content["subject"] == builders.CONTENT["subject"]
    post(manager, campaign, "channels/", remove="0")
    assert [(one.position, one.channel) for one in campaign.actions.all()] == [(0, "email")]
    answer = post(manager, campaign, "channels/", remove="0")
    assert answer.status_code in (400, 409) and "needs a message" in answer.content.decode()
    assert post(manager, campaign, "channels/", add="1", channel="fax").status_code in (400, 409)
    assert post(manager, campaign, "channels/", remove="7").status_code in (400, 409)
    assert campaign.actions.count() == 1


def test_a_configuration_of_another_workspace_or_channel_is_not_taken(
    campaign: Campaign, manager: Client
) -> None:
    foreign = builders.configuration(builders.workspace("other"), name="Theirs")
    other = builders.configuration(campaign.workspace, name="SMS", channel="sms")
    for chosen in (foreign, other):
        answer = post(manager, campaign, "channels/", configuration_0=str(chosen.pk))
        assert answer.status_code == 400
        assert campaign.actions.get().configuration_id not in (foreign.pk, other.pk)


def languages(**more: Any) -> dict[str, Any]:
    return {"default": "en", "others": ["zh-Hant"], "when_missing": "default", **more}


def test_each_language_must_be_written_and_the_page_says_who_reads_what(
    campaign: Campaign, manager: Client
) -> None:
    assert post(manager, campaign, "content/languages/", **languages()).status_code == 302
    assert "content_missing" in told(campaign)
    page = manager.get(f"/campaigns/{campaign.pk}/edit/content/languages/").content.decode()
    rows = [" ".join(row.split()) for row in page.split("<tr>")]
    assert any("zh-TW" in row and ">3<" in row and "<td>Chinese (Traditional)" in row for row in rows)
    assert any("zh-CN" in row and "<td>English <span" in row for row in rows)  # never Traditional by accident
    campaign.refresh_from_db()
    copied = manager.post(f"/campaigns/{campaign.pk}/edit/content/copy/", {"revision": campaign.revision})
    assert copied.status_code == 302
    assert "content_missing" not in told(campaign)
    post(manager, campaign, "content/?language=zh-Hant", subject="冬季新品")
    frozen = versions.definition(Campaign.objects.get(pk=campaign.pk))
    written = {one["language"]: one["content"]["subject"] for one in frozen["actions"][0]["contents"]}
    assert written == {"": builders.CONTENT["subject"], "zh-Hant": "冬季新品"}
    post(manager, campaign, "content/languages/", default="")
    frozen = versions.definition(Campaign.objects.get(pk=campaign.pk))
    assert len(frozen["actions"][0]["contents"]) == 1  # kept in the draft, and not sent
    assert manager.get(f"/campaigns/{campaign.pk}/edit/content/?language=zh-Hant").status_code == 404


def test_treatments_have_shares_names_and_a_salt_that_stays(campaign: Campaign, manager: Client) -> None:
    shares = {"title_A": "Long", "percent_A": "50", "title_B": "Short", "percent_B": "50", "holdout": "10"}
    assert post(manager, campaign, "content/languages/", **shares).status_code == 302
    salt = Campaign.objects.get(pk=campaign.pk).experiment["salt"]
    assert post(manager, campaign, "content/?treatment=B", subject="B", html=builders.HTML).status_code == 302
    post(manager, campaign, "content/languages/", **{**shares, "holdout": "5"})
    kept = Campaign.objects.get(pk=campaign.pk).experiment
    assert (kept["salt"], kept["holdout"], kept["metric"]) == (salt, 5, "click")
    assert "B" in manager.get(f"/campaigns/{campaign.pk}/preview/?treatment=B").content.decode()
    assert manager.get(f"/campaigns/{campaign.pk}/preview/?treatment=Z").status_code == 404


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"percent_A": "50", "percent_B": "40"}, "make it 100"),
        ({"percent_A": "100"}, "needs two treatments"),
        ({"percent_A": "50", "percent_C": "50"}, "without a gap"),
        ({"percent_A": "50", "percent_B": "50", "mode": "winner"}, "how many try"),
        ({"holdout": "99"}, "less than or equal to 50"),
        ({"percent_A": "50", "percent_B": "50", "metric": "event"}, "Name the event"),
        ({"others": ["zh-Hant"]}, "Choose the first language"),
        ({"default": "xx"}, "xx"),
        ({"percent_A": "NaN", "percent_B": "1e999"}, "number"),
    ],
)
def test_what_cannot_be_split_is_told_beside_its_field(
    campaign: Campaign, manager: Client, form: dict[str, Any], says: str
) -> None:
    answer = post(manager, campaign, "content/languages/", **form)
    assert answer.status_code == 400 and says in answer.content.decode()
    assert Campaign.objects.get(pk=campaign.pk).experiment == {}


def test_a_design_becomes_html_with_every_tag_in_its_place(campaign: Campaign, manager: Client) -> None:
    assert post(manager, campaign, "content/", mjml=DESIGN, subject="Hi").status_code == 302
    kept = campaign.actions.get().content
    assert kept["mjml"] == DESIGN
    assert kept["html"].index("{% if profile.name < 'M' %}") < kept["html"].index("Hi {{ profile.name }}")
    assert 'href="{{ unsubscribe_url }}"' in kept["html"]
    frozen = versions.definition(campaign)["actions"][0]["contents"][0]["content"]
    assert "mjml" not in frozen and frozen["html"] == kept["html"]
    assert not [one for one in validation.validate(campaign, now=timezone.now()) if one.is_error]


@pytest.mark.parametrize(
    ("design", "code"),
    [
        ("<p>no design</p>", "design_syntax"),
        ("<mjml><mj-body><mj-secton></mj-secton></mj-body></mjml>", "design_unknown_element"),
        ("<mjml><mj-body><mj-section></mj-body></mjml>", "design_syntax"),
        (
            '<mjml><mj-body><mj-section data-x="{{ profile.name }}"></mj-section></mj-body></mjml>',
            "design_tag_lost",
        ),
        ("<mjml>" + "<mj-wrapper>" * 3000 + "</mjml>", "design_too_deep"),
        ("<mjml>" + "x" * 500_001 + "</mjml>", "design_too_large"),
    ],
)
def test_a_design_that_would_lose_something_is_a_finding_and_stays_as_it_was_written(
    campaign: Campaign, manager: Client, design: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        designs.compiled(design)
    assert refused.value.code == code
    if len(design) <= 500_000:
        assert post(manager, campaign, "content/", mjml=design).status_code == 302
        assert campaign.actions.get().content["mjml"] == design
        assert code in told(campaign)


def test_a_link_that_is_not_counted_keeps_its_address(campaign: Campaign, manager: Client) -> None:
    address = f"/campaigns/{campaign.pk}/edit/content/links/"
    campaign.refresh_from_db()
    manager.post(address, {"revision": campaign.revision, "label_0": "Shop"})
    frozen = versions.definition(campaign)
    assert links_of(frozen["actions"][0]) == []
    assert "data-untracked" in frozen["actions"][0]["contents"][0]["content"]["html"]
    campaign.refresh_from_db()
    manager.post(address, {"revision": campaign.revision, "label_0": "Shop", "tracked_0": "on"})
    campaign.refresh_from_db()
    version = versions.freeze(campaign, actor=User.objects.get(name="Manager"), now=builders.NOW)
    assert [(one.url, one.label) for one in version.links.all()] == [
        ("https://shop.example/a?x=1&y=2", "Shop")
    ]


def test_autosave_answers_with_the_next_revision_and_tells_the_slower_one(
    campaign: Campaign, manager: Client
) -> None:
    address, old = f"/campaigns/{campaign.pk}/edit/content/", campaign.revision
    headers = {"X-Autosave": "1"}
    first = manager.post(address, {"revision": old, "subject": "One"}, headers=headers)
    assert (first.status_code, first.json()["revision"]) == (200, old + 1)
    late = manager.post(address, {"revision": old, "subject": "Two"}, headers=headers)
    assert late.status_code == 409 and "Manager saved it" in late.json()["detail"]
    bad = manager.post(address, {"revision": old + 1, "subject": "a\nb"}, headers=headers)
    assert bad.status_code == 400 and "line break" in bad.json()["detail"]
    kept = campaign.actions.get().content
    assert (kept["subject"], kept["html"]) == ("One", builders.HTML)


@pytest.mark.parametrize("query", ["action=9", "action=-1", "action=1e3", "language=xx", "treatment=%00"])
def test_a_content_that_is_not_there_is_not_found(campaign: Campaign, manager: Client, query: str) -> None:
    for page in ("edit/content/", "preview/"):
        assert manager.get(f"/campaigns/{campaign.pk}/{page}?{query}").status_code == 404


@pytest.mark.parametrize(
    "sample", ["{", "[]", '{"profile": []}', "[" * 5000, '{"profile": {"name": "\\ud800"}}', "1e999"]
)
def test_a_strange_sample_is_told_inside_the_frame(campaign: Campaign, manager: Client, sample: str) -> None:
    answer = manager.get(f"/campaigns/{campaign.pk}/preview/", {"sample": sample})
    assert answer.status_code == 200


def test_exclusions_and_a_folder_are_saved_and_nothing_foreign_is(
    campaign: Campaign, manager: Client
) -> None:
    other = builders.audience(campaign.workspace, name="Staff")
    foreign = builders.audience(builders.workspace("other"))
    chosen = {"audience": str(campaign.audience_id), "exclusions": [str(other.pk)]}
    assert post(manager, campaign, "audience/", **chosen).status_code == 302
    assert [one.pk for one in campaign.exclusions.all()] == [other.pk]
    assert len(versions.definition(campaign)["exclusions"]) == 1
    assert (
        post(manager, campaign, "audience/", **{**chosen, "exclusions": [str(foreign.pk)]}).status_code == 400
    )
    assert [one.pk for one in campaign.exclusions.all()] == [other.pk]


def test_only_the_parts_of_a_message_are_frozen() -> None:
    where = builders.workspace("w")
    frozen = contents.frozen({"subject": "s", "links": {"x": {}}, "mjml": "", "text": ""}, where)
    assert frozen == {"subject": "s", "text": ""}


def rows_given(client: Client, campaign: Campaign, octets: bytes) -> str:
    file = SimpleUploadedFile("rows.csv", octets)
    answer = client.post(f"/campaigns/{campaign.pk}/preview/rows/", {"file": file}, follow=True)
    assert answer.status_code == 200
    return answer.text


def test_a_preview_is_shown_as_rows_of_a_csv_file_that_only_its_author_sees(
    campaign: Campaign, manager: Client
) -> None:
    actions.write(
        campaign,
        0,
        {"subject": "{{ profile.name }}, {{ context.order.id }}"},
        revision=campaign.revision,
        actor=SYSTEM,
        now=timezone.now(),
    )
    page = rows_given(
        manager, campaign, "name,context.order.id\r\n陳怡君,A-1\r\n\r\n<b>x</b>,A-2\r\n".encode("big5")
    )
    assert "Sample row 2 · &lt;b&gt;x&lt;/b&gt;" in page
    address = f"/campaigns/{campaign.pk}/preview/?profile="
    assert "陳怡君, A-1" in manager.get(f"{address}row-1").text
    assert "&lt;b&gt;x&lt;/b&gt;, A-2" in manager.get(f"{address}row-2").text
    assert "A-2" not in manager.get(f"{address}row-3").text
    other = Client()
    other.force_login(builders.person(campaign.workspace, "approver", "other"))
    assert "陳怡君" not in other.get(f"{address}row-1").text
    manager.post(f"/campaigns/{campaign.pk}/preview/rows/")
    assert "陳怡君" not in manager.get(f"{address}row-1").text


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "The file has no content"),
        (b"name\n" + b"x\n" * 31, "Give one to 30 rows"),
        (b"name\n", "Give one to 30 rows"),
        (b"name,name\na,b\n", "Not “name”"),
        (b"context.a,context.a.b\n1,2\n", "Not “context.a”"),
        (b"__class__\nx\n", "Not “__class__”"),
        (b"name,email\nx\n", "Row 2 has more or fewer cells"),
        (b'name\n"x\n', "no CSV file"),
        (b"name\n" + b"x" * 200_000, "at most 100 kB"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"PK\x03\x04[Content_Types].xml xl/", "not a CSV file"),
        (b"name,\xe5\x90\x8d\nx,y\n", "Not “名”"),
    ],
)
def test_what_is_no_sample_is_told_and_takes_nothing(
    campaign: Campaign, manager: Client, octets: bytes, told: str
) -> None:
    assert told in rows_given(manager, campaign, octets)
    assert "Sample row 1" not in manager.get(f"/campaigns/{campaign.pk}/edit/content/?view=preview").text


def test_an_sms_tells_what_it_comes_to_while_it_is_written(campaign: Campaign, manager: Client) -> None:
    sms = builders.configuration(campaign.workspace, channel="sms", name="SMS")
    draft = builders.draft_over(sms, User.objects.get(name="Manager"), text="Hi {{ profile.email }}")
    page = f"/campaigns/{draft.pk}/edit/content/"
    assert "1 SMS · GSM-7 · 21 characters, 139 left" in manager.get(page).text
    headers = {"X-Autosave": "1"}
    said = manager.post(page, {"revision": draft.revision, "text": "早" * 71}, headers=headers).json()
    assert said["sms"] == "2 SMS · UCS-2 · 71 characters, 63 left · because of 早"
    said = manager.post(
        page, {"revision": said["revision"], "text": "{{ profile.email"}, headers=headers
    ).json()
    assert "sms" not in said or said["sms"] == ""


def test_a_mail_without_a_subject_is_previewed_and_the_others_say_whose_configuration_is_missing(
    campaign: Campaign, manager: Client
) -> None:
    by: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    saved = actions.write(campaign, 0, {"subject": " "}, revision=campaign.revision, **by)
    text = manager.get(f"/campaigns/{campaign.pk}/preview/").text
    assert "(no subject yet)" in text and "Unsubscribe" in text
    actions.add(saved, "sms", revision=saved.revision, **by)
    campaign.refresh_from_db()
    told = {one.message for one in validation.validate(campaign, now=timezone.now())}
    assert "SMS 2: Choose a channel configuration." in told
    assert 'name="old"' not in manager.get(f"/campaigns/{campaign.pk}/versions/").text


LINE_MESSAGES = [
    {"type": "text", "text": "早 {{ profile.name }}"},
    {"type": "template", "altText": "Spring", "template": {
        "type": "buttons", "thumbnailImageUrl": "https://a.example/t.png", "title": "New shells",
        "text": "For {{ profile.name }}", "actions": [{"type": "uri", "label": "Shop now", "uri": "https://a.example"}],
    }},
    {"type": "flex", "altText": "Card", "contents": {"type": "bubble", "body": {
        "type": "box", "layout": "vertical", "contents": [{"type": "text", "text": "<b>Flex</b>"}],
    }}},
    {"type": "sticker", "packageId": "446", "stickerId": "1988"},
]  # fmt: skip
LIKE = [
    (
        "line",
        {"extra": {"messages": LINE_MESSAGES}},
        ["早 Ann", "<b>New shells</b>", ">Shop now</span>", "For Ann", "&lt;b&gt;Flex", "446/1988"],
    ),
    (
        "whatsapp",
        {"extra": {"template": "spring", "language": "zh_TW", "body": ["{{ profile.name }}"]}},
        ["Template spring in zh_TW", "{{1}} Ann"],
    ),
    (
        "direct_mail",
        {"extra": {"filename": "letters.csv", "header": "Spring", "columns": [
            {"label": "Name", "expression": "{{ profile.name }}, dear"},
            {"label": "City", "expression": "=1"},
        ]}},
        ["letters.csv", "Spring\r\nName,City\r\n&#34;Ann, dear&#34;,&#39;=1"],
    ),
    (
        "webhook",
        {"text": '{"to": {"name": "{{ profile.name }}"}}'},
        ["{\n  &#34;to&#34;: {\n    &#34;name&#34;: &#34;Ann"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "written", "shown"), LIKE, ids=[one[0] for one in LIKE])
def test_a_preview_looks_like_what_arrives(
    campaign: Campaign, manager: Client, channel: str, written: dict[str, Any], shown: list[str]
) -> None:
    by: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    actions.add(campaign, channel, revision=campaign.revision, **by)
    campaign.refresh_from_db()
    actions.write(campaign, 1, written, revision=campaign.revision, **by)
    sample = {"sample": '{"profile": {"name": "Ann"}}', "action": "1"}
    text = manager.get(f"/campaigns/{campaign.pk}/preview/", sample).text
    for one in shown:
        assert one in text


def test_a_campaign_that_is_called_can_be_set_to_high_throughput_and_no_other(
    campaign: Campaign, manager: Client
) -> None:
    form = {"name": "Codes", "on_uncertain": "resend", "high_throughput": "on"}
    author = User.objects.get(name="Manager")
    called = builders.draft(campaign.workspace, author, type="api_triggered", category="transactional")
    assert "High throughput" in manager.get(f"/campaigns/{called.pk}/edit/properties/").content.decode()
    assert post(manager, called, "properties/", **form).status_code == 302
    assert "High throughput" not in manager.get(f"/campaigns/{campaign.pk}/edit/properties/").content.decode()
    assert post(manager, campaign, "properties/", **form).status_code == 302
    assert list(Campaign.objects.order_by("pk").values_list("high_throughput", flat=True)) == [False, True]


def test_the_feedback_webhooks_are_told_unless_the_box_is_cleared(
    campaign: Campaign, manager: Client
) -> None:
    page = manager.get(f"/campaigns/{campaign.pk}/edit/properties/").text
    assert re.search(r'<input[^>]*name="enable_webhooks"[^>]*checked', page)
    form = {"name": "Codes", "on_uncertain": "resend"}
    assert post(manager, campaign, "properties/", **form).status_code == 302
    assert not Campaign.objects.get(pk=campaign.pk).enable_webhooks


def test_a_new_message_begins_with_the_only_configuration_there_is(
    campaign: Campaign, manager: Client
) -> None:
    where = campaign.workspace
    only = campaign.actions.get().configuration
    new = {"name": "Autumn", "type": "scheduled", "category": "marketing"}

    def begun() -> Any:
        pk = manager.post("/campaigns/new/", new).url.split("/")[2]
        return Campaign.objects.get(pk=pk)

    first = begun()
    assert only and first.actions.get().configuration == only
    answer = post(manager, first, "channels/", configuration_0=str(only.pk), add="1", channel="email")
    assert answer.status_code == 302 and first.actions.get(position=1).configuration == only
    builders.configuration(where, name="Sandbox")
    assert begun().actions.get().configuration is None
    new["category"] = "transactional"
    assert begun().actions.get().configuration is None


def test_the_summary_counts_what_the_review_forecasts(campaign: Campaign, manager: Client) -> None:
    where = campaign.workspace
    Profile.objects.filter(email="en0@example.com").update(phone="+886912345678")
    out = builders.audience(where, name="Left out", rule=ZH_TW)
    sms = builders.configuration(where, channel="sms", name="SMS")
    campaign.exclusions.set([out])
    post(manager, campaign, "channels/", add="1", channel="sms", configuration_0="")
    post(manager, campaign, "channels/", up="1", configuration_1=str(sms.pk), reach="first")
    for page in ("edit/properties/", "review/"):
        text = manager.get(f"/campaigns/{campaign.pk}/{page}").content.decode()
        reached = [int(one) for one in re.findall(r"Will get it</dt><dd>(\d+)", text)]
        assert sum(reached) == 3, page


def test_a_text_that_nobody_changed_is_the_same_after_a_browser_sent_it(
    campaign: Campaign, manager: Client
) -> None:
    page = "<p>Hi</p>\n<a href='{{ unsubscribe_url }}'>Leave</a>\n"
    post(manager, campaign, "content/?view=code", subject="Hi", html=page, text="One\nTwo")
    before = versions.fingerprint(versions.definition(Campaign.objects.get(pk=campaign.pk)))
    as_browsers_do = {"html": page.replace("\n", "\r\n"), "text": "One\r\nTwo"}
    assert post(manager, campaign, "content/?view=code", subject="Hi", **as_browsers_do).status_code == 302
    assert versions.fingerprint(versions.definition(Campaign.objects.get(pk=campaign.pk))) == before


def test_while_somebody_types_the_people_are_counted_once_and_again_when_others_are_chosen(
    campaign: Campaign, manager: Client
) -> None:
    def counts(**headers: str) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            page = manager.get(f"/campaigns/{campaign.pk}/edit/properties/", headers=headers).content.decode()
        (shown,) = re.findall(r"Will get it</dt><dd>(\d+)", page)
        return sum("WITH page AS MATERIALIZED" in one["sql"] for one in asked), int(shown)

    renewal = {"X-Renewal": "1"}
    assert counts() == (1, 6)
    post(manager, campaign, "properties/", name="Another name")
    post(manager, campaign, "content/?view=code", subject="Hi", html="<p>Hi</p>", text="Hi")
    assert counts(**renewal) == (0, 6)
    Profile.objects.filter(email="en0@example.com").update(email="")
    assert counts(**renewal) == (0, 6), "of a moment ago"
    assert counts() == (1, 5), "whoever opens the page is told of now"
    campaign.exclusions.set([builders.audience(campaign.workspace, name="Left out", rule=ZH_TW)])
    assert counts(**renewal) == (1, 2)
