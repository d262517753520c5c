"""Files on a mail: named by reference, fetched once for everybody, and read back by an independent parser."""

from __future__ import annotations

import email
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email import policy
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns import actions, lifecycle
from campaigns.delivery import clock
from campaigns.models import Asset
from channels import attachments, contents, mime
from channels.messages import Attachment, Content
from common.errors import Invalid
from tests import builders
from tests.channels.test_mime import rendered
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db  # the real library is asked too
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PDF = Attachment("terms.pdf", "application/pdf", b"%PDF-1.4 " + bytes(range(256)) * 20)


@pytest.fixture
def asked() -> Iterator[list[list[str]]]:
    """A library with one file, and what it was asked for."""
    calls: list[list[str]] = []

    def fetch(workspace_id: int, refs: Sequence[str]) -> dict[str, Attachment]:
        calls.append(list(refs))
        return {"a1": PDF} if workspace_id == 1 else {}

    attachments.register(fetch)
    yield calls
    attachments.forget(fetch)


def test_files_and_bodies_are_read_back_as_they_were() -> None:
    named = PDF.named("早鳥條款 — “new” terms of the year two thousand and twenty-six.pdf")
    message = rendered(attachments=(PDF, named), text="早安", html="<p>早安</p>", headers={})
    raw = mime.build(message, now=NOW)
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert mail.get_content_type() == "multipart/mixed"
    bodies = mail.get_body(("html",)), mail.get_body(("plain",))
    assert [body.get_content().strip() for body in bodies if body] == ["<p>早安</p>", "早安"]
    files = list(mail.iter_attachments())
    assert [file.get_filename() for file in files] == [PDF.name, named.name]
    assert all(file.get_content() == PDF.octets for file in files)
    assert [file.get_content_type() for file in files] == ["application/pdf"] * 2
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("name", "kind"),
    [('a"\r\nBcc: thief@example.com', "application/pdf"), ("x", "text/html\r\nBcc: thief@example.com")],
)
def test_a_file_can_add_no_header(name: str, kind: str) -> None:
    raw = mime.build(rendered(attachments=(Attachment(name, kind, b"x"),)), now=NOW)
    for part in email.message_from_bytes(raw, policy=policy.default).walk():
        assert "bcc" not in {header.lower() for header in part.keys()}  # noqa: SIM118


def test_a_file_is_encoded_once_however_many_mails_it_goes_with(asked: Any) -> None:
    named = [{"asset": "a1"}, {"asset": "a1", "name": "again.pdf"}]
    first, second = attachments.fetch(1, named)
    assert asked == [["a1"]]
    assert (first.name, second.name) == ("terms.pdf", "again.pdf")
    assert first.octets is second.octets
    assert first.base64 is first.base64


def test_a_file_that_is_gone_or_of_another_workspace_is_named(asked: Any) -> None:
    for workspace_id, named in ((1, [{"asset": "a1"}, {"asset": "zz"}]), (2, [{"asset": "a1"}])):
        with pytest.raises(Invalid) as caught:
            attachments.fetch(workspace_id, named)
        assert caught.value.code == "attachment_missing"


def test_files_that_are_too_large_together_are_refused() -> None:
    def fetch(workspace_id: int, refs: Sequence[str]) -> dict[str, Attachment]:
        return {"big": Attachment("b.bin", "application/zip", bytes(6_000_000))}

    attachments.register(fetch)
    try:
        assert attachments.fetch(1, [{"asset": "big"}])
        with pytest.raises(Invalid) as caught:
            attachments.fetch(1, [{"asset": "big"}, {"asset": "big"}])
    finally:
        attachments.forget(fetch)
    assert caught.value.code == "attachments_too_large"


@pytest.mark.parametrize(
    "value",
    [
        "a1", [{}], [{"asset": 1}], [{"asset": "a1", "name": "../x.pdf"}], [{"asset": "a1", "name": "x.EXE"}],
        [{"asset": "a1", "name": "a\r\nb.pdf"}], [{"asset": "{{ profile.file }}"}], [{"asset": "a1"}] * 11,
        [{"asset": "a1", "url": "https://x.example"}],
    ],
)  # fmt: skip
def test_what_names_no_file_is_refused_with_its_place(value: Any) -> None:
    content = Content(subject="x", html="x", extra={"attachments": value})
    problems = list(contents.extra_problems(content, "email"))
    assert problems
    assert all(problem.pointer.startswith("/extra/attachments") for problem in problems)
    good = Content(subject="x", html="x", extra={"attachments": [{"asset": "a1", "name": "條款.pdf"}]})
    assert not list(contents.extra_problems(good, "email"))


def test_a_batch_asks_for_its_files_once_and_every_mail_has_them() -> None:
    where = builders.workspace()
    asked_for: list[list[str]] = []

    def fetch(workspace_id: int, refs: Sequence[str]) -> dict[str, Attachment]:
        asked_for.append(list(refs))
        return {"b2": PDF} if workspace_id == where.pk else {}

    attachments.register(fetch)
    # The library knows it, so that nothing stands in the campaign's way; its storage has no such file.
    Asset.objects.create(workspace=where, token="b2", name="b.pdf", kind=PDF.kind, size=9, held=9)
    builders.profiles(where, 4)
    named = [{"asset": "b2", "name": "條款.pdf"}]
    try:
        with FakeSmtp() as server:
            configuration = builders.smtp(where, server.port)
            manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
            made = builders.draft(where, manager, configuration=configuration)
            made = actions.write(
                made, 0, {"extra": {"attachments": named}}, revision=made.revision, actor=manager, now=NOW
            )
            lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
            clock.start_due_runs(now=timezone.now())
            call_command("deliver")
    finally:
        attachments.forget(fetch)
    assert len(server.accepted) == 4
    for mail in server.accepted:
        (file,) = mail.parsed.iter_attachments()
        assert (file.get_filename(), file.get_content()) == ("條款.pdf", PDF.octets)
    assert len(asked_for) == 1
