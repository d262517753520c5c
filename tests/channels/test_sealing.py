"""Provider secrets at rest."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Workspace
from channels import sealing
from channels.models import Credential
from channels.sealing import SealBroken, seal, unseal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_secret_opens_in_its_own_row_only() -> None:
    sealed = seal("pässword", row=1)
    assert "pässword".encode() not in sealed
    assert unseal(sealed, row=1) == "pässword"
    with pytest.raises(SealBroken):
        unseal(sealed, row=2)


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert seal("same", row=1) != seal("same", row=1)


@pytest.mark.parametrize("place", [0, 1, 6, 20, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    sealed = bytearray(seal("secret", row=1))
    sealed[place] ^= 1
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), row=1)


@pytest.mark.parametrize("broken", [b"", b"\x01", b"x" * 17, b"\x01" + b"x" * 200])
def test_what_was_never_sealed_does_not_open(broken: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(broken, row=1)


def test_keys_rotate_while_the_old_one_is_kept(settings: Any) -> None:
    old = seal("secret", row=1)
    settings.SEALING_KEY_FALLBACKS, settings.SEALING_KEY = (
        [settings.SEALING_KEY],
        "another key, quite long enough",
    )
    assert unseal(old, row=1) == "secret"
    new = seal("secret", row=1)
    settings.SEALING_KEY_FALLBACKS = []
    assert unseal(new, row=1) == "secret"
    with pytest.raises(SealBroken) as broken:
        unseal(old, row=1)
    assert "secret" not in str(broken.value)


@pytest.mark.django_db
def test_two_rows_whose_secrets_were_swapped_in_the_database_do_not_open() -> None:
    workspace = Workspace.objects.create(name="here", slug="here")
    one, two = (
        sealing.keep(secret, workspace=workspace, name=secret, credential=None, now=NOW)
        for secret in ("one", "two")
    )
    Credential.objects.filter(pk=one.pk).update(sealed=bytes(two.sealed))
    Credential.objects.filter(pk=two.pk).update(sealed=bytes(one.sealed))
    for row in Credential.objects.all():
        with pytest.raises(SealBroken):
            unseal(row.sealed, row=row.pk)


@pytest.mark.django_db
def test_rotation_seals_every_secret_anew_in_batches_and_says_how_many(settings: Any) -> None:
    workspace = Workspace.objects.create(name="here", slug="here")
    for number in range(5):
        sealing.keep(f"secret {number}", workspace=workspace, name=str(number), credential=None, now=NOW)
    settings.SEALING_KEY_FALLBACKS, settings.SEALING_KEY = [settings.SEALING_KEY], "another key, long enough"
    sealing.keep("secret 5", workspace=workspace, name="5", credential=None, now=NOW)
    said = StringIO()
    call_command("reseal_credentials", batch=2, stdout=said)
    assert said.getvalue().splitlines()[-1] == "5 sealed anew, 1 under the present key already."
    settings.SEALING_KEY_FALLBACKS = []
    opened = [unseal(row.sealed, row=row.pk) for row in Credential.objects.order_by("pk")]
    assert opened == [f"secret {number}" for number in range(6)]
    call_command("reseal_credentials", stdout=said)
    assert said.getvalue().splitlines()[-1] == "0 sealed anew, 6 under the present key already."


@pytest.mark.django_db
def test_rotation_leaves_what_no_kept_key_opens_and_names_it(settings: Any) -> None:
    workspace = Workspace.objects.create(name="here", slug="here")
    lost = sealing.keep("lost", workspace=workspace, name="lost", credential=None, now=NOW)
    settings.SEALING_KEY = "another key, long enough"
    kept = sealing.keep("kept", workspace=workspace, name="kept", credential=None, now=NOW)
    with pytest.raises(CommandError, match=rf"1 cannot be read .*\[{lost.pk}\]"):
        call_command("reseal_credentials", stdout=StringIO())
    before = bytes(lost.sealed)
    lost.refresh_from_db()
    assert bytes(lost.sealed) == before
    kept.refresh_from_db()
    assert unseal(kept.sealed, row=kept.pk) == "kept"
