"""`deskbell agent chat` through a pipe, beside a running server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.desk import Server, running
from tests.talking import Talk, expert


def chat(server: Server, talk: Talk, typed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deskbell", "--database", server.database, "agent", "chat", talk.agent_id]
    environment = os.environ | {"DESKBELL_EMBEDDER": "none"}
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, env=environment)


def test_a_talk_in_a_pipe_shows_answers_with_their_sources(tmp_path: Path) -> None:
    with running(tmp_path / "deskbell.db") as server:
        talk, _ = expert(server.api(server.organization()), welcome_message="Hi!")
        done = chat(server, talk, "How long is the warranty on a metal roof?\n\nand its paint?\n")
        assert (done.returncode, done.stderr) == (0, "")
        welcome, answer, source, *rest = done.stdout.splitlines()
        assert (welcome, answer[-3:]) == ("Hi!", "[1]")
        assert "thirty-year warranty" in answer
        assert source.startswith("  [1] warranty.md (Warranties, ")
        assert "five years" in "".join(rest)
        [kept] = talk.api.get("/conversations").json()["conversations"]
        assert kept["messageCount"] == 5
        unknown = chat(server, Talk(talk.api, "01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"), "Hello\n")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "No agent has the id" in unknown.stderr
