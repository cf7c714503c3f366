"""`kill -9` at any moment: what was acknowledged is there, whole, and the file is sound."""

from __future__ import annotations

from pathlib import Path

from tests.faults import rounds
from tests.faults.process import process


def test_thirty_kills_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        assert list(rounds.run(server, api, 30)) == []
        total = api.get("/leads", limit=1).json()["meta"]["total"]
        assert total >= 30
        assert api.get("/leads", search="r29-", limit=1).json()["meta"]["total"] > 0


def test_control_a_server_that_answers_before_it_commits_is_caught(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db", flaw="early") as server:
        complaints = rounds.run(server, server.api(server.organization()), 30)
        assert any(complaint.endswith("was acknowledged and is gone") for complaint in complaints)
