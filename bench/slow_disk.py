"""A disk whose fsync is slow: a layer over SQLite's file system that waits after each one."""

from __future__ import annotations

import time
from typing import Any

import apsw


class SlowFile(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], seconds: float) -> None:
        super().__init__(base, name, flags)
        self.seconds = seconds

    def xSync(self, flags: int) -> None:
        """Really syncs, then waits for the rest of the time that a slow disk would take."""
        started = time.perf_counter()
        super().xSync(flags)
        time.sleep(max(0.0, self.seconds - (time.perf_counter() - started)))


class SlowDisk(apsw.VFS):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.base = apsw.vfs_names()[0]
        super().__init__("slow", self.base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> SlowFile:
        return SlowFile(self.base, name, flags, self.seconds)


def install(seconds: float) -> None:
    """From now on every fsync of this process's databases takes at least so long."""
    global disk
    disk = SlowDisk(seconds)
