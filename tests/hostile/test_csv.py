"""Every file of `csv.yaml`: refused whole with its code, or each bad cell named and the rest come in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.models import Workspace
from audiences.models import AttributeDefinition, Import, Profile
from common.errors import Invalid
from tests import builders
from tests.audiences.imported import problems, put

pytestmark = pytest.mark.django_db
ROWS = yaml.safe_load((Path(__file__).parent / "csv.yaml").read_text())


def written(row: dict[str, Any]) -> bytes:
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    text = row["file"] if "file" in row else "".join(text * times for text, times in row["repeat"])
    return str(text).encode(row.get("encoding", "utf-8"))


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.mark.sampled(5)
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_hostile_file_gets_its_error_and_the_rest_come_in(where: Workspace, row: dict[str, Any]) -> None:
    began = time.monotonic()
    if "code" in row:
        with pytest.raises(Invalid) as refused:
            put(written(row), where)
        assert refused.value.code == row["code"]
        assert all(10 < len(str(one.detail)) < 400 for one in refused.value.problems)
        # What cannot be mapped stays an upload to map again; nothing else is left.
        assert not Import.objects.exclude(state=Import.State.UPLOADED).exists()
        assert not Profile.objects.exists()
    else:
        job = put(written(row), where, columns=row.get("columns"), **row.get("how", {}))
        assert problems(job) == [tuple(one) for one in row.get("problems", [])]
        assert Profile.objects.count() == row["people"]
        assert job.state == row.get("state", Import.State.COMPLETED)
        if "keeps" in row:
            assert Profile.objects.get().attributes == row["keeps"]
        assert row.get("reason", "") in job.reason
        assert not AttributeDefinition.objects.filter(key__in=row.get("ignored", [])).exists()
    assert time.monotonic() - began < 3
