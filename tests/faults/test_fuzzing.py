"""The live server keeps what its own OpenAPI document says, whoever asks and whatever they send."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskbell.app import OPERATIONS
from tests.faults.fuzzing import IDENTITIES, fuzz
from tests.faults.process import process


@pytest.mark.parametrize("identity", IDENTITIES)
def test_schemathesis_finds_no_failure(tmp_path: Path, identity: str) -> None:
    with process(tmp_path / "deskbell.db") as server:
        run = fuzz(server, identity, examples=5, seed=1, folder=tmp_path)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert f"Tested: {len([each for each in OPERATIONS if not each.is_stream])}" in run.stdout
