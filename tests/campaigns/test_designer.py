"""The designer's frame: a policy that runs nothing an author wrote, and files that are the pinned ones."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import actions, designs, library
from config.env import ROOT
from tests import builders

VENDOR = ROOT / "static" / "vendor"


def directives(policy: str) -> dict[str, list[str]]:
    parts = (part.split() for part in policy.split(";"))
    return {name: values for name, *values in parts}


@pytest.mark.django_db
def test_the_frame_runs_three_files_of_ours_and_can_neither_send_nor_fetch(client: Client) -> None:
    page = reverse("campaigns:designer")
    assert client.get(page).status_code == 302
    client.force_login(builders.person(builders.workspace(), "manager"))
    answer = client.get(page)
    said = directives(answer["Content-Security-Policy"])
    assert len(said["script-src"]) == 3 and all(one.endswith(".js") for one in said["script-src"])
    assert said["default-src"] == said["connect-src"] == said["form-action"] == ["'none'"]
    assert "unsafe" not in " ".join(said["script-src"]) and said["frame-ancestors"] == ["'self'"]
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert client.post(page).status_code == 405


@pytest.mark.django_db
def test_without_scripts_the_design_is_a_text_area_and_html_is_never_replaced_by_a_design(
    client: Client,
) -> None:
    where = builders.workspace()
    author = builders.person(where, "manager")
    client.force_login(author)
    campaign = builders.draft(where, author)
    page = reverse("campaigns:content", args=[campaign.pk])
    assert "data-designer" not in client.get(f"{page}?view=design").text  # it has HTML and no design
    client.post(page, {"revision": campaign.revision, "mjml": library.blank("en"), "subject": "Hello"})
    kept = actions.kept_of(actions.at(campaign, 0), "", "")
    assert kept["html"] == designs.compiled(library.blank("en")) and kept["subject"] == "Hello"
    assert 'name="mjml"' in client.get(f"{page}?view=design").text


def test_every_vendored_file_is_the_one_whose_digest_is_written_down() -> None:
    listed = {
        name: digest
        for package in json.loads((VENDOR / "vendor.json").read_text())
        for name, digest in package["files"].items()
    }
    here = {str(one.relative_to(VENDOR)) for one in VENDOR.rglob("*") if one.is_file()} - {"vendor.json"}
    assert here == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
