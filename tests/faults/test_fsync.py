"""Yes means on the disk: before the first byte of a 201, the row is in the write-ahead log and the log is synced."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.process import process

CALLS = "trace=write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync"
_line = re.compile(
    r"^(?P<thread>\d+) +(?:<\.\.\. \w+ resumed>(?P<rest>.*)|(?P<call>.*?)(?P<begun> <unfinished \.\.\.>)?)$"
)


@pytest.fixture
def strace(tmp_path: Path) -> tuple[str, ...]:
    """The command that writes down a server's system calls."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: nothing can tell whether the log is synced before the answer")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here (ptrace is not allowed)")
    return ("strace", "-f", "-y", "-s", "5000", "-e", CALLS, "-e", "signal=none", "-o", str(tmp_path / "calls"))


def test_the_log_is_synced_before_every_answer(tmp_path: Path, strace: tuple[str, ...]) -> None:
    assert unsynced(tmp_path, strace, flaw="") == []


def test_control_answers_before_the_sync_are_seen(tmp_path: Path, strace: tuple[str, ...]) -> None:
    assert unsynced(tmp_path, strace, flaw="early") == NAMES


NAMES = [f"Synced {number}" for number in range(5)]


def unsynced(tmp_path: Path, strace: tuple[str, ...], flaw: str) -> list[str]:
    """The leads whose 201 began before their row was written to the log and the log then synced."""
    with process(tmp_path / "deskbell.db", flaw=flaw, wrapper=strace) as server:
        api = server.api(server.organization())
        for name in NAMES:
            api.lead(first_name=name)
    story = list(events((tmp_path / "calls").read_text(errors="replace").splitlines()))
    assert story.count("answered") == len(NAMES), story
    return [name for number, name in enumerate(NAMES) if not covered(story, name, number)]


def covered(story: list[str], name: str, number: int) -> bool:
    answered = [place for place, event in enumerate(story) if event == "answered"][number]
    before = story[:answered]
    return f"wrote {name}" in before and "synced" in before[before.index(f"wrote {name}") :]


def events(lines: list[str]) -> Iterator[str]:
    """The trace as a story: `wrote NAME` and `synced` when such a call on the log ends, `answered` when a 201 begins to be sent."""
    pending: dict[str, str] = {}
    for line in lines:
        found = _line.match(line)
        if found is None:
            continue
        thread, call = found["thread"], found["call"] or ""
        if "HTTP/1.1 201" in call:
            yield "answered"
        elif found["begun"]:
            pending[thread] = call
        else:
            call = call if found["rest"] is None else pending.pop(thread, "")
            if "-wal>" in call and "sync(" in call:
                yield "synced"
            elif "-wal>" in call:
                yield from (f"wrote {name}" for name in NAMES if name in call)
