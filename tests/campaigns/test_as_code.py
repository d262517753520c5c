"""Campaigns as code: out as YAML and in again by the same verbs, dry first, closed to what would hurt."""

from __future__ import annotations

import random
import string
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from accounts.models import AccessLabel, Workspace
from audiences import audiences
from audiences.models import Audience
from campaigns import actions, fragments, lifecycle
from campaigns.ascode import document, yamltext
from campaigns.models import Campaign, Folder
from tests import builders
from tests.api import Caller, pointers
from tests.builders import NOW

pytestmark = pytest.mark.django_db
RULE = {"all": [{"field": "email", "op": "contains", "value": "@"}]}
MINIMAL: dict[str, Any] = {
    "carillon": 1,
    "campaign": {"name": "Small", "type": "scheduled", "category": "marketing"},
    "messages": [{"channel": "email", "contents": [{"content": {"subject": "Hi"}}]}],
}


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def rich(where: Workspace) -> Campaign:
    """One of everything that a document can hold."""
    author = builders.person(where, "manager")
    by: dict[str, Any] = {"actor": author, "now": NOW}
    inner = audiences.create(where, name="Readers", kind="rule", rule=RULE, **by)
    outer = audiences.create(
        where, name="VIP: 讀者", kind="rule", rule={"all": [{"audience": inner.pk, "op": "in"}]}, **by
    )
    folder = Folder.objects.create(workspace=where, name="2027")
    inside = Folder.objects.create(workspace=where, name="Winter", parent=folder)
    made = builders.draft(
        where,
        author,
        audience=outer,
        exclusions=[inner],
        folder=inside,
        description="Two\nlines",
        tags=["winter", "no"],
        rate=50,
        starts_at=NOW + timedelta(days=40),
        schedule={"zone": "Asia/Taipei", "rules": [{"every": "week", "at": "09:00", "weekdays": ["mon"]}]},
        languages={"default": "en", "others": ["zh-Hant"], "when_missing": "default"},
        html="<p>One</p>\n<p>Two  </p>\n",
    )
    actions.write(made, 0, {"subject": "冬季"}, language="zh-Hant", revision=made.revision + 0, **by)
    made.refresh_from_db()
    return made


def put(call: Caller, address: str, given: Any, method: str = "POST", **headers: str) -> Any:
    content = given if isinstance(given, bytes) else yamltext.write(given).encode()
    headers = {**call.headers, **headers}
    return call(method, address, content, content_type="application/yaml", headers=headers)


def test_out_and_into_another_workspace_and_out_again_is_the_same(where: Workspace) -> None:
    campaign = rich(where)
    other = builders.workspace("elsewhere")
    builders.configuration(other, name="For marketing", kind="marketing")
    parent = Folder.objects.create(workspace=other, name="2027")
    Folder.objects.create(workspace=other, name="Winter", parent=parent)
    text = Caller(where).get(f"/api/campaigns/{campaign.pk}/code/").content
    there = Caller(other)
    answer = put(there, "/api/campaigns/code/", text)
    assert answer.status_code == 201, answer.content
    assert answer.json()["audiences"] == [
        {"name": "Readers", "outcome": "created"},
        {"name": "VIP: 讀者", "outcome": "created"},
    ]
    again = there.get(f"/api/campaigns/{answer.json()['id']}/code/").content
    assert again == text
    made = Campaign.objects.get(pk=answer.json()["id"])
    assert (made.status, made.workspace) == ("draft", other)
    assert made.audience is not None and made.audience.workspace == other
    told = yaml.safe_load(text)
    assert told["campaign"]["schedule"]["rules"][0]["at"] == "09:00"
    assert told["campaign"]["tags"] == ["no", "winter"] or told["campaign"]["tags"] == ["winter", "no"]


def test_treatments_two_channels_and_a_fragment_come_back_the_same(where: Workspace) -> None:
    campaign = rich(where)
    author = builders.person(where, "manager", "Bo")
    by: dict[str, Any] = {"actor": author, "now": NOW}
    other = builders.workspace("elsewhere")
    builders.configuration(other, name="For marketing", kind="marketing")
    parent = Folder.objects.create(workspace=other, name="2027")
    Folder.objects.create(workspace=other, name="Winter", parent=parent)
    experiment = {
        "treatments": [{"key": key, "title": key, "percent": 50} for key in "AB"],
        "metric": "click",
        "window_hours": 24,
        "mode": "winner",
        "winner": {"test_percent": 40, "after_hours": 4},
    }
    call, here = Caller(where), f"/api/campaigns/{campaign.pk}/"
    assert call.patch(here, {"experiment": experiment, "enableWebhooks": False}).status_code == 200
    for place in (where, other):
        whose: dict[str, Any] = {"actor": builders.person(place, "manager", f"Of {place.name}"), "now": NOW}
        made = fragments.create(place, key="foot", name="Foot", kind="text", source="Bye", **whose)
        fragments.publish(made, **whose)
    campaign.refresh_from_db()
    actions.add(campaign, "sms", revision=campaign.revision, **by)
    for position, written in (
        (0, {"subject": "B {{ profile.name }}"}),
        (1, {"text": "{{ fragment('foot') }}"}),
    ):
        campaign.refresh_from_db()
        actions.write(campaign, position, written, treatment="B", revision=campaign.revision, **by)
    text = call.get(f"{here}code/").content
    there = Caller(other)
    dry = put(there, "/api/campaigns/code/?dryRun=true", text)
    assert dry.status_code == 200, dry.content
    assert not Campaign.objects.filter(workspace=other).exists()
    answer = put(there, "/api/campaigns/code/", text)
    assert answer.status_code == 201, answer.content
    again = there.get(f"/api/campaigns/{answer.json()['id']}/code/").content
    assert again == text
    told = yaml.safe_load(text)
    assert [one["channel"] for one in told["messages"]] == ["email", "sms"]
    assert told["campaign"]["enableWebhooks"] is False and b"fragment" in text


def test_a_dry_run_tells_the_difference_and_changes_nothing(where: Workspace) -> None:
    campaign = rich(where)
    call, here = Caller(where), f"/api/campaigns/{campaign.pk}/code/"
    given = yamltext.read(call.get(here).content)
    etag = call.get(f"/api/campaigns/{campaign.pk}/").headers["ETag"]
    same = put(call, f"{here}?dryRun=true", given, "PUT", **{"If-Match": etag})
    assert same.json()["differences"] == []
    given["campaign"]["name"] = "Spring"
    del given["campaign"]["rate"]
    given["messages"][0]["contents"][0]["content"]["subject"] = "Sun"
    given["messages"].append({"channel": "sms"})
    dry = put(call, f"{here}?dryRun=true", given, "PUT", **{"If-Match": etag}).json()
    assert dry["isDryRun"]
    assert [(one["pointer"], one["after"]) for one in dry["differences"]] == [
        ("/campaign/name", "Spring"),
        ("/campaign/rate", None),
        ("/messages/0/contents/0/content/subject", "Sun"),
        ("/messages/1", {"channel": "sms"}),
    ]
    untouched = Campaign.objects.get(pk=campaign.pk)
    assert (untouched.name, untouched.revision, untouched.actions.count()) == (
        campaign.name,
        campaign.revision,
        1,
    )
    wet = put(call, here, given, "PUT", **{"If-Match": etag}).json()
    assert wet["differences"] == dry["differences"]
    campaign.refresh_from_db()
    assert (campaign.name, campaign.rate, campaign.actions.count()) == ("Spring", None, 2)
    assert put(call, here, given, "PUT", **{"If-Match": etag}).status_code == 412
    assert put(call, here, given, "PUT").status_code == 428


def test_a_dry_run_of_a_new_one_leaves_no_audience_behind(where: Workspace) -> None:
    given = {**MINIMAL, "audiences": [{"name": "New", "kind": "rule", "rule": RULE}]}
    answer = put(Caller(where), "/api/campaigns/code/?dryRun=true", given)
    assert (answer.status_code, answer.json()["id"]) == (200, None)
    assert (Campaign.objects.count(), Audience.objects.count()) == (0, 0)


def test_an_audience_that_is_there_is_changed_only_when_asked(where: Workspace) -> None:
    author = builders.person(where, "manager")
    known = audiences.create(where, name="Readers", kind="rule", rule=RULE, actor=author, now=NOW)
    other = {"all": [{"field": "email", "op": "contains", "value": "x"}]}
    given = {**MINIMAL, "audiences": [{"name": "Readers", "kind": "rule", "rule": other}]}
    call = Caller(where)
    kept = put(call, "/api/campaigns/code/", given).json()
    assert kept["audiences"] == [{"name": "Readers", "outcome": "kept"}]
    known.refresh_from_db()
    assert known.rule == RULE
    changed = put(call, "/api/campaigns/code/?updateAudiences=true", given).json()
    assert changed["audiences"] == [{"name": "Readers", "outcome": "changed"}]
    known.refresh_from_db()
    assert known.rule == other


def test_messages_are_put_in_place_over_their_channels(where: Workspace) -> None:
    campaign = rich(where)
    call, here = Caller(where), f"/api/campaigns/{campaign.pk}/code/"
    given = yamltext.read(call.get(here).content)
    for channels in (["sms", "email"], ["email"], ["push", "sms", "email"], ["sms"]):
        given["messages"] = [{"channel": channel} for channel in channels]
        etag = call.get(f"/api/campaigns/{campaign.pk}/").headers["ETag"]
        answer = put(call, here, given, "PUT", **{"If-Match": etag})
        assert answer.status_code == 200, answer.content
        found = campaign.actions.order_by("position")
        assert [(one.position, one.channel) for one in found] == list(enumerate(channels))
        assert not any(actions.kept_of(one, "", "").get("subject") for one in found)


def test_nothing_goes_past_rights_labels_or_the_state(where: Workspace) -> None:
    campaign = rich(where)
    audience = campaign.audience
    assert audience is not None
    audience.labels.add(AccessLabel.objects.create(workspace=where, name="Board"))
    call, here = Caller(where), f"/api/campaigns/{campaign.pk}/code/"
    text = call.get(here).content.decode()
    assert "VIP" not in text
    assert put(Caller(where, "viewer"), "/api/campaigns/code/", MINIMAL).status_code == 403
    named = {**MINIMAL, "campaign": {**MINIMAL["campaign"], "audience": audience.name}}
    assert pointers(put(call, "/api/campaigns/code/", named)) == [("unknown", "/campaign/audience")]
    taken = {**MINIMAL, "audiences": [{"name": audience.name, "kind": "rule", "rule": RULE}]}
    assert put(call, "/api/campaigns/code/", taken).status_code == 400
    stranger = Caller(builders.workspace("elsewhere"))
    assert stranger.get(here).status_code == 404
    assert put(stranger, here, MINIMAL, "PUT", **{"If-Match": "*"}).status_code == 404
    live = builders.live(builders.workspace("third"))
    third = Caller(live.workspace)
    answer = put(third, f"/api/campaigns/{live.pk}/code/", MINIMAL, "PUT", **{"If-Match": "*"})
    assert answer.status_code == 409
    assert Campaign.objects.get(pk=live.pk).name == live.name


def test_an_approval_lapses_or_holds_as_it_does_for_the_pages(where: Workspace) -> None:
    """What is approved cannot be written over: it goes back to a draft first, and the approval with it."""
    author = builders.person(where, "manager")
    campaign = builders.draft(where, author)
    lifecycle.apply(campaign, "request_approval", actor=author, now=NOW)
    answer = put(Caller(where), f"/api/campaigns/{campaign.pk}/code/", MINIMAL, "PUT", **{"If-Match": "*"})
    assert answer.status_code == 409


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"carillon": 2}, ("max_value", "/carillon")),
        ({"extra": 1}, ("unknown_field", "/extra")),
        ({"campaign": []}, ("invalid", "/campaign")),
        ({"campaign": {**MINIMAL["campaign"], "nmae": "x"}}, ("unknown_field", "/campaign/nmae")),
        ({"campaign": {**MINIMAL["campaign"], "owner": "a@b.example"}}, ("unknown_field", "/campaign/owner")),
        ({"campaign": {**MINIMAL["campaign"], "rate": "fast"}}, ("invalid", "/campaign/rate")),
        ({"campaign": {**MINIMAL["campaign"], "schedule": {"zone": "Mars"}}}, None),
        ({"campaign": {**MINIMAL["campaign"], "folder": "No / such"}}, ("unknown", "/campaign/folder")),
        ({"campaign": {**MINIMAL["campaign"], "name": "nul \0"}}, None),
        ({"messages": []}, ("no_message", "/messages")),
        ({"messages": [{"channel": "email"}] * 11}, ("too_many_actions", "/messages")),
        ({"messages": [{"channel": "pigeon"}]}, ("invalid_choice", "/messages/0/channel")),
        (
            {"messages": [{"channel": "email", "configuration": "None"}]},
            ("unknown", "/messages/0/configuration"),
        ),
        (
            {"messages": [{"channel": "email", "contents": [{"content": {"subject": 5}}]}]},
            ("not_a_text", "/messages/0/contents/0/content/subject"),
        ),
        (
            {"messages": [{"channel": "email", "contents": [{"language": "fr", "content": {}}]}]},
            ("not_offered", "/messages/0/contents/0"),
        ),
        (
            {"messages": [{"channel": "email", "contents": [{"content": {}}, {"content": {}}]}]},
            ("twice", "/messages/0/contents"),
        ),
        ({"audiences": [{"name": "A", "kind": "rule", "rule": {"all": [{"fiel": 1}]}}]}, None),
    ],
)
def test_each_fault_is_told_with_its_place_and_nothing_is_made(
    where: Workspace, change: dict[str, Any], fault: tuple[str, str] | None
) -> None:
    given = {**MINIMAL, **change}
    answer = put(Caller(where), "/api/campaigns/code/", given)
    assert answer.status_code == 400, answer.content
    if fault:
        assert fault in pointers(answer)
    else:
        assert all(
            pointer.startswith(("/campaign", "/audiences/0")) or code in ("not_yaml", "not_storable")
            for code, pointer in pointers(answer)
        )
    assert (Campaign.objects.count(), Audience.objects.count()) == (0, 0)


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)
HOSTILE = {
    "a billion laughs": (BOMB.encode(), "not_plain"),
    "an anchor in itself": (b"&a [*a]", "not_plain"),
    "a python object": (b"!!python/object/apply:os.system ['true']", "not_plain"),
    "a tag of its own": (b"a: !secret x", "not_plain"),
    "a standard tag": (b"a: !!binary aGk=", "not_plain"),
    "two documents": (b"a: 1\n---\nb: 2\n", "not_plain"),
    "a thousand brackets": (b"[" * 1000 + b"]" * 1000, "not_plain"),
    "brackets without end": (b"[" * 100_000, "not_yaml"),
    "a mapping as a key": (b"? {a: 1}\n: 2\n", "bad_key"),
    "a number as a key": (b"1: 2\n", "bad_key"),
    "a key twice": (b"a: 1\na: 2\n", "bad_key"),
    "too many values": (b"[" + b"1," * 30_000 + b"1]", "not_plain"),
    "too large": (b"a: " + b"x" * 1_100_000, "too_large"),
    "no YAML": (b"a: [1, 2\nb: }", "not_yaml"),
    "no UTF-8": (b"a: \xff\xfe", "not_utf8"),
    "a control character": (b"a: \x07", "not_yaml"),
    "tabs": (b"a:\n\t- b", "not_yaml"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", HOSTILE)
def test_yaml_made_to_hurt_is_refused_with_a_word(where: Workspace, name: str) -> None:
    content, code = HOSTILE[name]
    answer = put(Caller(where), "/api/campaigns/code/", content)
    assert answer.status_code == 400
    assert answer.json()["code"] == code


@pytest.mark.parametrize("content", [b"", b"null", b"5", b"- 1", b"text", b"a: 1", b'""'])
def test_yaml_that_is_no_document_is_refused(where: Workspace, content: bytes) -> None:
    assert put(Caller(where), "/api/campaigns/code/", content).status_code == 400


def test_plain_words_are_read_as_yaml_1_2_reads_them() -> None:
    text = b"a: 09:00\nb: no\nc: on\nd: 2026-01-01\ne: 1e5\nf: 010\ng: 1_000\nh: .nan\ni: true\nj: 12\n"
    text += b"k: 1.5\nl: ~\nm: 0x1F\n"
    assert yamltext.read(text) == {
        "a": "09:00",
        "b": "no",
        "c": "on",
        "d": "2026-01-01",
        "e": "1e5",
        "f": "010",
        "g": "1_000",
        "h": ".nan",
        "i": True,
        "j": 12,
        "k": 1.5,
        "l": None,
        "m": "0x1F",
    }


def test_whatever_text_is_written_is_read_back() -> None:
    dice = random.Random(7)
    alphabet = (
        string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "") + "讀者😀é\u2028\xa0"
    )
    texts = [
        "",
        " ",
        "\n",
        "a\n",
        "a\n\n",
        " a\n b",
        "~",
        "true",
        "1",
        "1.0",
        "-",
        "# x",
        "a: b",
        "'",
        '"',
        "\t",
        "é\n \n",
    ]
    texts += ["".join(dice.choices(alphabet, k=dice.randint(1, 60))) for _one in range(500)]
    assert yamltext.read(yamltext.write(texts).encode()) == texts
    numbers = [0, -5, 10**17, 0.5, -1.25, True, False, None]
    assert yamltext.read(yamltext.write({"n": numbers}).encode()) == {"n": numbers}


def test_the_commands_do_the_same_as_a_person(where: Workspace, tmp_path: Path) -> None:
    campaign = rich(where)
    out = StringIO()
    call_command("campaign_export", campaign.pk, "--as", f"manager@{where.slug}.example", stdout=out)
    file = tmp_path / "winter.yaml"
    file.write_text(out.getvalue().replace("name: Winter layers", "name: Spring"))
    asked = [str(file), "--workspace", where.slug, "--as", f"manager@{where.slug}.example"]
    said = StringIO()
    call_command("campaign_import", *asked, "--campaign", campaign.pk, "--dry-run", stdout=said)
    assert "/campaign/name" in said.getvalue()
    assert "Spring" in said.getvalue()
    campaign.refresh_from_db()
    assert campaign.name == "Winter layers"
    call_command("campaign_import", *asked, stdout=said)
    assert Campaign.objects.get(name="Spring").created_by == campaign.created_by
    builders.person(where, "viewer")
    with pytest.raises(CommandError, match="Permission needed"):
        call_command("campaign_import", *asked[:-1], f"viewer@{where.slug}.example")
    file.write_text("carillon: 1\ncampaign: {}\nmessages: []\n")
    with pytest.raises(CommandError, match="/campaign/name"):
        call_command("campaign_import", *asked)
    file.write_text("a: &x 1")
    with pytest.raises(CommandError, match="Line 1, column 4"):
        call_command("campaign_import", *asked)


def test_differences_are_found_wherever_they_are() -> None:
    before = {"a": 1, "b": [{"x": 1}, {"x": 2}], "c": ["p"], "d/e": 1}
    after = {"a": 1, "b": [{"x": 1}], "c": ["p", "q"], "f": None, "d/e": 2}
    assert [one["pointer"] for one in document.differences(before, after)] == ["/b/1", "/c", "/d~1e"]
