"""An idle server leaves its file alone, and still notices within a second what a command writes, whatever has become of the log."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest

from deskbell.foundation import sqlite
from deskbell.foundation.sqlite.database import FileWatch
from tests import commands
from tests.desk import PATIENCE, SOON, Api, Server, eventually, running

A_WHILE = 2.0  # seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "deskbell.db") as server:
        yield server


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """What this process runs on connections that it opens in this block."""
    seen: list[str] = []

    def hook(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: seen.append(event["sql"]))

    apsw.connection_hooks.append(hook)
    try:
        yield seen
    finally:
        apsw.connection_hooks.remove(hook)


def test_an_idle_server_does_not_touch_its_file(tmp_path: Path) -> None:
    with statements() as seen, running(tmp_path / "deskbell.db"):
        pause = threading.Event()
        pause.wait(A_WHILE)  # for what a start brings
        before = len(seen)
        pause.wait(A_WHILE)
        assert seen[before:] == []


def empty_log(path: str) -> None:
    """Leaves a log whose next commit begins at its start."""
    with contextlib.closing(sqlite.connect(path)) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)


def cut_log(path: str) -> None:
    with contextlib.closing(sqlite.connect(path)) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


@pytest.mark.parametrize("before", [empty_log, cut_log])
def test_a_command_is_noticed_after_the_log_was_moved_into_the_file(
    server: Server, alice: Api, before: partial[None]
) -> None:
    assert alice.get("/org").status_code == 200
    before(server.path)
    words = ["--database", server.database, "key", "revoke", alice.key_id]
    assert commands.run(words, cwd=Path.cwd(), env=os.environ, timeout=PATIENCE).returncode == 0
    eventually(lambda: alice.get("/org").status_code == 401, SOON)


@pytest.mark.parametrize("between", [empty_log, cut_log, lambda path: None])
def test_every_commit_shows_in_the_log(tmp_path: Path, between: partial[None]) -> None:
    path = str(tmp_path / "file.db")
    with contextlib.closing(sqlite.connect(path, create=True)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        watch = FileWatch(path + "-wal")
        assert watch.may_have_changed()
        for number in range(20):
            between(path)
            os.utime(path + "-wal", (number, number))  # the last commit is a while ago
            while watch.may_have_changed():
                pass
            connection.execute("INSERT INTO numbers VALUES (?)", (number,))
            assert watch.may_have_changed()
        assert watch.may_have_changed()
        assert not watch.may_have_changed()


def test_two_commits_at_one_time_of_the_file_are_both_seen(tmp_path: Path) -> None:
    log = tmp_path / "file.db-wal"
    log.write_bytes(b"first")
    watch = FileWatch(str(log))
    assert watch.may_have_changed()
    moment = os.stat(log).st_mtime_ns
    log.write_bytes(b"other")
    os.utime(log, ns=(moment, moment))
    assert watch.may_have_changed()
