"""The pages of audiences as objects: list, detail, settings, sharing, deleting; by the front door."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.access import may, share
from accounts.models import AccessLabel, AuditEntry, Role, User, Workspace
from audiences import access, audiences, consent, evaluations, values
from audiences.models import AttributeDefinition, Audience, Profile
from campaigns.models import Campaign
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    return made


def signed_in(where: Workspace, role: str, name: str = "") -> Client:
    client = Client()
    client.force_login(builders.person(where, role, name))
    return client


@pytest.fixture
def manager(where: Workspace) -> Client:
    return signed_in(where, "manager")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def shown(client: Client, query: str, *names: str) -> set[str]:
    page = text(client, f"/audiences/?{query}")
    return {name for name in names if f">{name}</a>" in page}


def test_the_list_is_searched_filtered_and_sorted(where: Workspace, manager: Client) -> None:
    me = builders.person(where, "approver")
    builders.audience(where, name="Gold", tags=["vip"], counted=5, owner=me)
    builders.audience(where, name="Silver", kind="upload", counted=9)
    builders.audience(where, name="Sketch", state="draft")
    builders.audience(where, name="Old", state="archived")
    every = ("Gold", "Silver", "Sketch", "Old")
    assert shown(manager, "", *every) == {"Gold", "Silver", "Sketch"}
    assert shown(manager, "state=all", *every) == set(every)
    assert shown(manager, "state=archived", *every) == {"Old"}
    assert shown(manager, "kind=upload", *every) == {"Silver"}
    assert shown(manager, "tag=vip", *every) == shown(manager, "search=%23vip", *every) == {"Gold"}
    assert shown(manager, "search=sket", *every) == {"Sketch"}
    assert shown(manager, "owner=me", *every) == set()
    mine = Client()
    mine.force_login(me)
    assert shown(mine, "owner=me", *every) == {"Gold"}
    page = text(manager, "/audiences/?sort=-size")
    assert page.index(">Silver<") < page.index(">Gold<") < page.index(">Sketch<")
    for strange in (
        "sort=%00",
        "sort=pk;--",
        "state=x&kind=y&page=zz",
        "tag=%00",
        "page=-1",
        "search=%F0%9F",
    ):
        assert manager.get(f"/audiences/?{strange}").status_code == 200


def test_the_list_costs_the_same_with_200_audiences(
    where: Workspace, manager: Client, django_assert_max_num_queries: Any
) -> None:
    label = AccessLabel.objects.create(workspace=where, name="VIP")
    label.roles.add(Role.objects.get(workspace=where, builtin="manager"))

    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            builders.audience(where, name=f"A{number}", tags=[f"t{number % 7}"]).labels.add(label)

    fill(0, 1)
    with django_assert_max_num_queries(25) as for_one:  # of which a dozen for the frame of every page
        text(manager, "/audiences/")
    fill(1, 200)
    with django_assert_max_num_queries(len(for_one)):
        assert "A124" in text(manager, "/audiences/?page=2")


def test_a_labelled_audience_is_nowhere_for_who_lacks_the_label(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where, name="Secret")
    audience.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    assert "Secret" not in text(manager, "/audiences/")
    for part in ("", "settings/", "sample/", "delete/", "edit/", "unreached/email/050101/"):
        assert manager.get(f"/audiences/{audience.pk}/{part}").status_code == 404, part
    for part in ("evaluate/", "share/", "act/archive/", "delete/"):
        assert manager.post(f"/audiences/{audience.pk}/{part}").status_code == 404, part
    assert manager.get(f"/campaigns/audiences/{audience.pk}/").status_code == 404
    audience.refresh_from_db()
    assert (audience.state, audience.counted) == ("published", None)


def test_the_page_shows_the_recorded_size_and_never_counts_twice(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    person = Profile.objects.first()
    assert person
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=builders.NOW)
    address = f"/audiences/{audience.pk}/"
    assert "It is being evaluated." in text(manager, address)
    assert not audience.sizes.exists()  # looking at it writes nothing
    assert manager.post(address + "evaluate/").status_code == 302
    assert '<p class="stat">6</p>' in text(manager, address)
    builders.profiles(where, 2, domain="later.example")
    page = text(manager, address)
    assert '<p class="stat">6</p>' in page and "Reachable by email" in page
    assert audience.sizes.count() == 1
    assert manager.post(address + "evaluate/").status_code == 302
    assert '<p class="stat">8</p>' in text(manager, address)
    assert [size.people for size in audience.sizes.all()] == [8, 6]


def test_a_number_of_people_not_reached_opens_those_people(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    people = list(Profile.objects.order_by("pk"))
    for person in people[:3]:
        consent.withdraw(profile_id=person.pk, channel="email", source="page", now=builders.NOW)
    assert manager.post(f"/audiences/{audience.pk}/evaluate/").status_code == 302
    assert f"/audiences/{audience.pk}/unreached/email/050101/" in text(manager, f"/audiences/{audience.pk}/")
    address = f"/audiences/{audience.pk}/unreached/email/050101/"
    page = text(manager, address)
    assert str(people[0]) in page and str(people[3]) not in page
    assert str(people[0]) not in text(manager, f"{address}?after={people[0].pk}")
    for strange in ("after=x", "after=-1", "after=9223372036854775808", "after=%00", "after=٣"):
        assert manager.get(f"{address}?{strange}").status_code == 200
    for wrong in ("unreached/fax/050101/", "unreached/email/nope/"):
        assert manager.get(f"/audiences/{audience.pk}/{wrong}").status_code == 404


def test_people_stay_closed_to_who_was_only_shared_the_audience(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    viewer = builders.person(where, "viewer")
    form = {"holder": f"user:{viewer.pk}", "level": "manage"}
    assert manager.post(f"/audiences/{audience.pk}/share/", form).status_code == 302
    client = Client()
    client.force_login(viewer)
    text(client, f"/audiences/{audience.pk}/")
    assert "example.com" not in text(client, f"/audiences/{audience.pk}/sample/")
    assert client.get(f"/audiences/{audience.pk}/unreached/email/050101/").status_code == 403


def test_sharing_is_given_and_withdrawn_on_the_page_and_logged_by_number(
    where: Workspace, manager: Client
) -> None:
    audience, viewer = builders.audience(where), builders.person(where, "viewer", "vera")
    role = Role.objects.get(workspace=where, builtin="viewer")
    address = f"/audiences/{audience.pk}/share/"
    for holder in (f"user:{viewer.pk}", f"role:{role.pk}"):
        manager.post(address, {"holder": holder, "level": "view"})
    page = text(manager, f"/audiences/{audience.pk}/")
    assert "Stop sharing with Vera" in page and f"Stop sharing with {role.title}" in page
    assert may(viewer, access.VIEW, audience) and not may(viewer, access.MANAGE, audience)
    for holder in (f"user:{viewer.pk}", f"role:{role.pk}"):
        manager.post(address, {"holder": holder, "withdraw": "1"})
    assert not may(viewer, access.VIEW, audience)
    entries = AuditEntry.objects.filter(object_type="audiences.audience")
    assert sorted(entry.verb for entry in entries) == ["share", "share", "unshare", "unshare"]
    assert viewer.email not in str([entry.details for entry in entries])


def test_only_people_and_roles_of_the_workspace_can_be_shared_with(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    stranger = builders.person(builders.workspace("other"), "manager", "stranger")
    for holder in (f"user:{stranger.pk}", "role:0", "x", "", "user:\0"):
        address, form = f"/audiences/{audience.pk}/share/", {"holder": holder, "level": "view"}
        page = manager.post(address, form, follow=True).content.decode()
        assert "This is not known here. Choose from the list." in page, holder
    approver = Role.objects.get(workspace=where, builtin="approver")
    form = {"holder": f"role:{approver.pk}", "level": "own"}
    assert "Share it as one of: view, manage." in manager.post(address, form, follow=True).content.decode()
    assert not AuditEntry.objects.filter(verb="share").exists()


def form_of(audience: Audience, **changes: Any) -> dict[str, Any]:
    audience.refresh_from_db()
    first = {"name": audience.name, "refresh": "manual", "seen_at": audience.changed_at.isoformat()}
    return {**first, **changes}


def test_settings_are_saved_and_refused_beside_their_field(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    builders.audience(where, name="Taken")
    address = f"/audiences/{audience.pk}/settings/"
    text(manager, address)
    old = form_of(audience)
    assert (
        manager.post(address, form_of(audience, name="Gold", tags="#a, b", refresh="daily")).status_code
        == 302
    )
    audience.refresh_from_db()
    assert (audience.name, audience.tags, audience.refresh) == ("Gold", ["a", "b"], "daily")
    stale = manager.post(address, {**old, "name": "Mine"})
    assert stale.status_code == 409 and "Somebody else has changed" in stale.content.decode()
    assert 'value="Mine"' in stale.content.decode()
    for wrong in ({"name": "Taken"}, {"name": ""}, {"tags": "x" * 60}, {"owner": "0"}, {"seen_at": "x"}):
        assert manager.post(address, form_of(audience, **wrong)).status_code == 400, wrong
    for wrong in ({"name": "a\0b"}, {"refresh": "x"}, {"seen_at": "2026-13-13"}, {"labels": ["1"]}):
        assert manager.post(address, form_of(audience, **wrong)).status_code in (302, 400), wrong
    audience.refresh_from_db()
    assert audience.name == "Gold"
    assert "changed it" in text(manager, f"/audiences/{audience.pk}/")


def test_the_menu_acts_and_deleting_asks_first(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    address = f"/audiences/{audience.pk}/"
    assert manager.post(address + "act/archive/").status_code == 302
    assert manager.post(address + "act/archive/").status_code == 409
    for verb in ("delete", "nonsense", "apply"):
        assert manager.post(address + f"act/{verb}/").status_code == 404
    copy = manager.post(address + "act/duplicate/").headers["Location"]
    assert "Copy of Everybody" in text(manager, copy)
    campaign = Campaign.objects.create(workspace=where, name="Winter", audience=audience)
    assert "campaign “Winter”" in text(manager, address + "delete/")
    assert "Winter" in text(manager, f"/campaigns/audiences/{audience.pk}/")
    assert manager.post(address + "delete/").status_code == 409
    campaign.delete()
    assert Audience.objects.filter(pk=audience.pk).exists()
    assert manager.post(address + "delete/").headers["Location"] == "/audiences/"
    assert not Audience.objects.filter(pk=audience.pk).exists()


def test_who_may_only_see_it_is_told_the_missing_right_and_changes_nothing(where: Workspace) -> None:
    audience = builders.audience(where)
    viewer = builders.person(where, "viewer")
    share(audience, viewer, ["view_audience"])
    client = Client()
    client.force_login(viewer)
    page = text(client, f"/audiences/{audience.pk}/")
    assert "Shared with" not in page and "None of your roles" in page
    for part in ("settings/", "delete/"):
        assert client.get(f"/audiences/{audience.pk}/{part}").status_code == 403
    for part in ("settings/", "delete/", "share/", "act/archive/", "act/duplicate/"):
        assert client.post(f"/audiences/{audience.pk}/{part}").status_code == 403
    assert list(Audience.objects.values_list("state", flat=True)) == ["published"]


def test_a_large_audience_says_that_it_is_being_evaluated(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where, next_evaluation_at=builders.NOW)
    evaluations.claim(builders.NOW)  # a worker is at it
    Audience.objects.filter(pk=audience.pk).update(next_evaluation_at="2999-01-01T00:00Z")
    assert "It is being evaluated." in text(manager, f"/audiences/{audience.pk}/")


def test_the_admin_site_shows_audiences_and_changes_none(where: Workspace) -> None:
    seen, hidden = builders.audience(where, name="Seen"), builders.audience(where, name="Hidden")
    hidden.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    user = builders.person(where, "administrator")
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    page = text(client, "/admin/audiences/audience/")
    assert "Seen" in page and "Hidden" not in page
    address = f"/admin/audiences/audience/{seen.pk}/change/"
    text(client, address)
    assert client.post(address, {"name": "Changed"}).status_code == 403
    assert client.get(f"/admin/audiences/audience/{hidden.pk}/change/").status_code == 302
    seen.refresh_from_db()
    assert seen.name == "Seen"


def test_somebody_is_looked_up_and_told_condition_by_condition(where: Workspace, manager: Client) -> None:
    conditions = [
        {"field": "name", "op": "is", "value": "Ann 2"},
        {"field": "is_test", "op": "is", "value": True},
    ]
    audience = builders.audience(where, rule={"all": conditions})
    Profile.objects.filter(email="p2@example.com").update(external_id="C-2", phone="+886912345678")
    assert "Is this person in?" in text(manager, f"/audiences/{audience.pk}/")
    address = f"/audiences/{audience.pk}/why/"
    for named in ("p2@example.com", " P2@Example.com ", "C-2", "%2B886 912 345 678"):
        page = text(manager, f"{address}?who={named}")
        assert "p2@example.com is not in this audience." in page, named
        assert page.count("finding ok") == 1 and page.count("finding err") == 2
    Profile.objects.update(is_test=True)
    assert "p2@example.com is in this audience." in text(manager, f"{address}?who=C-2")
    part = manager.get(f"{address}?who=C-2", headers={"HX-Request": "true"}).content.decode()
    assert "is in this audience." in part and "<html" not in part
    builders.profiles(builders.workspace("other"), 1, domain="elsewhere.example")
    for nobody in ("p0@elsewhere.example", "x", "%00", "%F0%9F", "'; --", "x" * 3000):
        page = text(manager, f"{address}?who={nobody}")
        assert "is in this audience" not in page and "is not in" not in page, nobody
    text(manager, address)
    Audience.objects.update(rule={"field": "gone", "op": "is", "value": "x"})
    assert "There is no field" in text(manager, f"{address}?who=C-2")


def test_only_who_may_manage_people_asks_about_them(where: Workspace) -> None:
    audience, viewer = builders.audience(where), builders.person(where, "viewer")
    share(audience, viewer, ["view_audience"])
    client = Client()
    client.force_login(viewer)
    assert "Is this person in?" not in text(client, f"/audiences/{audience.pk}/")
    assert client.get(f"/audiences/{audience.pk}/why/?who=p1@example.com").status_code == 403


def test_what_is_built_upon_a_hidden_audience_does_not_tell_of_it(where: Workspace, manager: Client) -> None:
    secret = builders.audience(where, name="Takeover", rule={"field": "name", "op": "is", "value": "Target"})
    inner = builders.audience(where, name="Inner", kind="composition", composition={"audience": secret.pk})
    outer = builders.audience(where, name="Outer", rule={"audience": inner.pk, "op": "in"})
    pages = [f"/audiences/{outer.pk}/", f"/audiences/{outer.pk}/why/?who=p1@example.com"]
    assert all("Inner" in text(manager, address) for address in pages)
    secret.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    for address in pages:
        page = text(manager, address)
        assert "It is built upon an audience or a campaign that you may not see." in page
        assert "Takeover" not in page and "Target" not in page


def test_counting_a_composition_that_stands_upon_a_hidden_audience_does_not_name_it(
    where: Workspace, manager: Client
) -> None:
    secret = builders.audience(where, name="Takeover", rule={"field": "name", "op": "is", "value": "Target"})
    tree = {"audience": secret.pk}
    outer = builders.audience(where, name="Outer", kind="composition", composition=tree)
    secret.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    for address in (f"/audiences/{outer.pk}/composition/", f"/audiences/{outer.pk}/"):
        assert "Takeover" not in text(manager, address)
    form = {"name": "Outer", "join": "union", "order": "desc", "do": "count", "json": json.dumps(tree)}
    page = manager.post(f"/audiences/{outer.pk}/composition/", form).content.decode()
    assert "Takeover" not in page and "may not see" in page


def test_building_a_rule_that_stands_upon_a_hidden_audience_does_not_name_it(
    where: Workspace, manager: Client
) -> None:
    secret = builders.audience(where, name="Takeover")
    outer = builders.audience(where, name="Outer", rule={"audience": secret.pk, "op": "in"})
    secret.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    for address in (f"/audiences/{outer.pk}/edit/", f"/audiences/{outer.pk}/"):
        assert "Takeover" not in text(manager, address)


def test_a_circle_through_a_hidden_audience_does_not_name_it(where: Workspace, manager: Client) -> None:
    outer = builders.audience(where, name="Outer", rule={})
    secret = builders.audience(where, name="Takeover", rule={"audience": outer.pk, "op": "in"})
    middle = builders.audience(where, name="Middle", rule={"audience": secret.pk, "op": "in"})
    secret.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    tree = {"audience": middle.pk, "op": "in"}
    actor = User.objects.get(email__startswith="manager@")
    with pytest.raises(Invalid) as told:
        audiences.change(outer, rule=tree, actor=actor, now=builders.NOW)
    assert told.value.problems[0].code == "rule_audience_cycle" and "Takeover" not in told.value.detail


def test_the_uses_of_an_audience_name_no_campaign_to_who_may_not_see_campaigns(where: Workspace) -> None:
    audience = builders.audience(where)
    builders.draft(where, builders.person(where, "manager", "author"), audience=audience)
    role = Role.objects.get(workspace=where, builtin="viewer")
    role.permissions.set(Permission.objects.filter(codename__in=["view_audience", "manage_audience"]))
    client = Client()
    client.force_login(builders.person(where, "viewer", "keeper"))
    for page in (
        client.get(f"/audiences/{audience.pk}/delete/"),
        client.post(f"/audiences/{audience.pk}/delete/"),
    ):
        assert "Winter layers" not in page.content.decode()


def test_a_sample_shows_values_as_people_write_them(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where)
    Profile.objects.filter(workspace=where).update(attributes={"tags": ["a", "b"], "vip": True})
    page = text(manager, f"/audiences/{audience.pk}/sample/")
    assert "vip: yes, tags: a, b" in page
    assert "[&#39;a&#39;" not in page and "True" not in page


def test_large_numbers_are_grouped_in_both_languages(where: Workspace, manager: Client) -> None:
    builders.audience(where, counted=99_997)
    for language in ("en", "zh-hant"):
        manager.post(reverse("accounts:preferences"), {"language": language})
        page = text(manager, "/audiences/")
        assert f'<html lang="{language.replace("hant", "Hant")}"' in page
        assert "99,997" in page


def test_a_sample_calls_attributes_by_their_name(where: Workspace, manager: Client) -> None:
    AttributeDefinition.objects.create(workspace=where, key="born", type="date", label="Birthday 生日")
    Profile.objects.filter(workspace=where).update(attributes={"born": "1990-05-17"})
    page = text(manager, f"/audiences/{builders.audience(where).pk}/sample/")
    assert "Birthday 生日: 17 May 1990" in page and "born:" not in page


def test_an_estimate_pretends_no_digits_it_cannot_know() -> None:
    assert [values.about(one) for one in (0, 63.7, 200_892, 59_590)] == [0, 64, 200_000, 60_000]


def test_the_sample_shows_dates_and_yes_or_no_as_they_are_read(where: Workspace, manager: Client) -> None:
    values = {"born": "1990-05-17", "seen": "2026-11-23T06:05:00Z", "vip": True, "odd": "2026-13-45"}
    Profile.objects.filter(workspace=where).update(attributes=values)
    page = text(manager, f"/audiences/{builders.audience(where).pk}/sample/")
    assert "born: 17 May 1990" in page and "seen: 23 Nov 2026, " in page
    assert "vip: yes" in page and "odd: 2026-13-45" in page
    assert "1990-05-17" not in page and "T06:05" not in page
