"""`deskbell kb`: with and without a server on the database, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deskbell.settings import Settings
from deskbell.surfaces.cli import cli
from tests.desk import running
from tests.library import PRICES


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on a database of the test's own; answers status, standard output and standard error."""
    monkeypatch.setenv("DESKBELL_DATABASE", f"sqlite:///{tmp_path / 'deskbell.db'}")
    monkeypatch.setenv("DESKBELL_EMBEDDER", "none")
    (tmp_path / "prices.md").write_text(PRICES)

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(cli, list(words))
        return done.exit_code, done.stdout, done.stderr

    return run


def made(shell: Any) -> str:
    organization = json.loads(shell("org", "create", "Acme", "--json")[1])["id"]
    return str(json.loads(shell("kb", "create", "--org", organization, "--name", "Prices", "--json")[1])["id"])


@pytest.mark.parametrize("served", [False, True])
def test_a_file_is_added_indexed_and_found(shell: Any, tmp_path: Path, served: bool) -> None:
    base = made(shell)
    file = str(tmp_path / "prices.md")
    if served:
        with running(tmp_path / "deskbell.db", Settings(access_log=False, embedder="none")):
            status, out, err = shell("kb", "add", base, file, "--json")
    else:
        status, out, err = shell("kb", "add", base, file, "--json")
    assert status == 0, err
    added = json.loads(out)
    assert (added["id"][:4], added["status"], added["chunkCount"]) == ("doc_", "ready", 3)
    found = json.loads(shell("kb", "search", base, "ZX-4417", "--json")[1])
    assert "ZX-4417" in found["results"][0]["metadata"]["text"]
    assert json.loads(shell("kb", "status", base, "--json")[1])["readyCount"] == 1
    assert "metal" in shell("kb", "search", base, "metal roof", "--explain")[1]


def test_what_cannot_be_read_ends_with_status_1_and_a_reason(shell: Any, tmp_path: Path) -> None:
    base = made(shell)
    (tmp_path / "broken.pdf").write_bytes(b"no pdf")
    status, out, err = shell("kb", "add", base, str(tmp_path / "prices.md"), str(tmp_path / "broken.pdf"), "--json")
    assert status == 1
    assert [each["status"] for each in json.loads(out)["documents"]] == ["ready", "failed"]
    assert err.startswith("broken.pdf: ")


@pytest.mark.parametrize("words", [("kb_0000000000000000", "x.md"), ("nonsense", "x.md")])
def test_an_unknown_knowledge_base_is_one_line(shell: Any, words: tuple[str, ...]) -> None:
    made(shell)
    status, _, err = shell("kb", "add", *words)
    assert (status, err) == (1, f"Error: No knowledge base has the id {words[0]}\n")


def test_a_file_that_is_not_there_is_one_line(shell: Any) -> None:
    status, _, err = shell("kb", "add", made(shell), "/nowhere/x.md")
    assert (status, err) == (1, "Error: There is no file /nowhere/x.md.\n")
