"""`deskbell agent chat` through a pipe and in a terminal, beside a running server."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import commands
from tests.chats import AgentChat, expert
from tests.desk import Server, eventually, running
from tests.models import SCRIPTED, Models

CTRL_C, CTRL_D, UP, ENTER = b"\x03", b"\x04", b"\x1b[A", b"\r"
PATIENCE = 60.0  # seconds


class Terminal:
    """A conversation in a terminal."""

    def __init__(self, server: Server, chat: AgentChat, **settings: str) -> None:
        self.keys, self.screen = pty.openpty()
        self.seen = b""
        python = [sys.executable, "-m", "deskbell", "--database", server.database, "agent", "chat", chat.agent_id]
        # Who opens a terminal as the first of a session owns it: its keys become signals.
        command = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.screen), *python]
        environment = os.environ | {"DESKBELL_EMBEDDER": "none", "TERM": "xterm", **settings}
        self.process = subprocess.Popen(command, env=environment, start_new_session=True)

    def press(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def shows(self, text: str) -> str:
        """Waits until the terminal shows a text, and answers what it has shown up to there since the last time."""
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self.keys], [], [], PATIENCE)
            assert ready, self.seen
            self.seen += os.read(self.keys, 65536)
        before, _, self.seen = self.seen.partition(text.encode())
        return before.decode() + text

    def ends(self, keys: bytes) -> int:
        """Presses keys to leave, and answers the exit code.

        As a person would, it presses again where nothing happens: Python does not see a signal that comes just before it waits for a line.
        """
        for _ in range(3):
            self.press(keys)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(PATIENCE / 3)
        raise AssertionError(f"the conversation goes on after {keys!r}: {self.seen!r}")


@contextlib.contextmanager
def terminal(server: Server, chat: AgentChat, **settings: str) -> Iterator[Terminal]:
    opened = Terminal(server, chat, **settings)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait()
        os.close(opened.keys)
        os.close(opened.screen)


def chat_in_pipe(server: Server, chat: AgentChat, typed: str) -> subprocess.CompletedProcess[str]:
    words = ["--database", server.database, "agent", "chat", chat.agent_id]
    environment = os.environ | {"DESKBELL_EMBEDDER": "none"}
    return commands.run(words, cwd=Path.cwd(), env=environment, input=typed, timeout=120)


def test_a_conversation_in_a_pipe_shows_answers_with_their_sources(tmp_path: Path) -> None:
    with running(tmp_path / "deskbell.db") as server:
        chat, _ = expert(server.api(server.organization()), welcome_message="Hi!")
        done = chat_in_pipe(server, chat, "How long is the warranty on a metal roof?\n\nand its paint?\n")
        assert (done.returncode, done.stderr) == (0, "")
        welcome, answer, source, *rest = done.stdout.splitlines()
        assert (welcome, answer[-3:]) == ("Hi!", "[1]")
        assert "thirty-year warranty" in answer
        assert source.startswith("  [1] warranty.md (Warranties, ")
        assert "five years" in "".join(rest)
        [kept] = chat.api.get("/conversations").json()["conversations"]
        assert kept["messageCount"] == 5
        unknown = chat_in_pipe(server, AgentChat(chat.api, "01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"), "Hello\n")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "No agent has the id" in unknown.stderr


@pytest.mark.parametrize("leave", [CTRL_C, CTRL_D])
def test_a_conversation_in_a_terminal_shows_sources_and_what_to_ask_next(tmp_path: Path, leave: bytes) -> None:
    with running(tmp_path / "deskbell.db") as server:
        chat, _ = expert(server.api(server.organization()), welcome_message="Hi!\x1b[2J")
        with terminal(server, chat) as person:
            assert "Hi![2J" in person.shows("> ")
            person.press(b"How long is the warranty on a metal roof?" + ENTER)
            answer = person.shows("\n> ")
            assert "thirty-year warranty" in answer
            assert "  [1] warranty.md (Warranties, " in answer
            assert "What about" in answer.partition("warranty.md")[2]
            person.press(UP + ENTER)
            assert "thirty-year warranty" in person.shows("\n> ")
            assert person.ends(leave) == 0
        [kept] = chat.api.get("/conversations").json()["conversations"]
        assert kept["messageCount"] == 5


def test_ctrl_c_ends_an_answer_and_not_the_conversation(tmp_path: Path, models: Models) -> None:
    with running(tmp_path / "deskbell.db") as server:
        owner = server.api(server.organization())
        chat, _ = expert(owner, "scripted/steady")
        keys = {f"DESKBELL_{name.upper()}": str(value) for name, value in SCRIPTED.items()}
        models.look()
        with terminal(server, chat, **keys, DESKBELL_LLM_BASE_URL=models.url) as person:
            person.shows("> ")
            person.press(b"Hello" + ENTER)
            person.shows("warranty")
            person.press(CTRL_C)
            person.shows("(stopped, not saved)\r\n> ")
            assert eventually(lambda: models.look()["given_up"])
            chat.api.put(f"/agents/{chat.agent_id}", {"model": "scripted/500"})
            chat.api.post(f"/agents/{chat.agent_id}/publish")
            person.press(b"Hello?" + ENTER)
            person.shows("Error: Chat service is currently unavailable\r\n> ")
            assert person.ends(CTRL_D) == 0
        assert chat.api.get("/conversations").json()["conversations"] == []
