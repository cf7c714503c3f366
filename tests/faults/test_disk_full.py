"""A full disk: writes say so and leave nothing behind, reads go on, and with room all is well again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deskbell.foundation.sqlite import verify
from tests.desk import Api, eventually
from tests.faults.process import Process, process
from tests.faults.test_crowds import crowd
from tests.promises.test_writer import database, named, names, together

MEGABYTE = 1024 * 1024
FULL = {"code": "create_failed", "retryable": True}


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes in memory; only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Leaves that many bytes of room on a file system."""
    filler = folder / "filler"
    room = os.statvfs(folder)
    filler.write_bytes(b"0" * (room.f_bavail * room.f_frsize - leave))
    return filler


@contextlib.contextmanager
def small_files(folder: Path, size: int) -> Iterator[Path]:
    """A folder where this process may not let a file grow beyond `size` bytes, as under a quota. Needs no root."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize("body", [2_000, 300_000], ids=["small bodies", "large bodies"])
def test_a_full_disk(tmp_path: Path, body: int) -> None:
    with small_disk(tmp_path, 64 * MEGABYTE), process(tmp_path / "deskbell.db") as server:
        drama(server, body, lambda: fill(tmp_path, body * 20 + 200_000), (tmp_path / "filler").unlink)
        verify(server.path)


def test_a_quota_that_lets_no_file_grow(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        pid = server.process.pid
        limit = lambda size: resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))  # noqa: E731
        largest = lambda: max(file.stat().st_size for file in tmp_path.iterdir())  # noqa: E731
        drama(server, 2_000, lambda: limit(largest() + 40_000), lambda: limit(resource.RLIM_INFINITY))
        verify(server.path)


def drama(server: Process, body: int, fill: Callable[[], Any], free: Callable[[], Any]) -> None:
    api = server.api(server.organization())
    known = api.lead(first_name="Before", phone="+15125550123")
    fill()
    stored, refused = {"Before"}, set()
    for name, answer in crowd(24, 8, lambda number: create(api, number, body)):
        (stored if answer.status_code == 201 else refused).add(name)
        if answer.status_code != 201:
            assert answer.status_code == 500, answer.text
            assert {name: answer.json()["error"][name] for name in FULL} == FULL
    assert len(refused) > 20
    assert api.get(f"/leads/{known['id']}").json()["data"]["first_name"] == "Before"
    assert first_names(api) == stored
    free()
    assert eventually(lambda: api.post("/leads", {"first_name": "After"}).status_code == 201)
    assert first_names(api) == stored | {"After"}
    text = f"/conversations/{known['id']}"
    assert api.post(f"{text}/messages", {"body": "We are back"}).status_code == 201
    eventually(lambda: api.get(text).json()["data"][0]["status"] == "delivered")


def create(api: Api, number: int, body: int) -> tuple[str, Any]:
    name = f"Lead {number}"
    return name, api.post("/leads", {"first_name": name, "custom_fields": {"much": "x" * body}})


def first_names(api: Api) -> set[str]:
    """Every stored lead's first name, page by page."""
    found: list[str] = []
    for page in range(1, 100):
        rows = api.get("/leads", page=page, limit=20).json()["data"]
        found += [row["first_name"] for row in rows]
        if len(rows) < 20:
            break
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("small", [small_disk, small_files])
def test_a_disk_that_fills_in_the_middle_of_a_batch(tmp_path: Path, small: Any) -> None:
    """Sixty units wait for one commit and there is room for some. Whoever hears yes is stored, whoever hears no is not."""

    async def scenario() -> None:
        async with database(tmp_path) as db:
            units = [f"{number} " + "x" * MEGABYTE for number in range(60)]
            answers = await together(db, *(named(name) for name in units))
            yes = [name for name, answer in zip(units, answers, strict=True) if not isinstance(answer, Exception)]
            assert 0 < len(yes) < len(units)
            assert len(await names(db)) == len(yes)
            assert set(await names(db)) == set(yes)

    with small(tmp_path, 40 * MEGABYTE):
        asyncio.run(scenario())
        verify(str(tmp_path / "deskbell.db"))
