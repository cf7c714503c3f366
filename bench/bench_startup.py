"""How soon `deskbell serve` answers on an existing file, what memory it then holds, and how long `deskbell --help` takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import common
import psutil
import seed

TRIES = 5


def help_ms() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "deskbell", "--help"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def start(data: seed.Data) -> tuple[float, float]:
    """Seconds until ready, and MiB of resident memory then."""
    server = common.deskbell(data.deskbell)
    memory = psutil.Process(server.process.pid).memory_info().rss / 2**20
    server.stop()
    return server.ready, memory


def bench(figures: common.Figures, data: seed.Data) -> None:
    help_ms()  # compiles what has changed since
    starts = [start(data) for _ in range(TRIES)]
    figures.below("ready after deskbell serve", statistics.median(s for s, _ in starts), "s", 1.0)
    figures.below("resident memory then", statistics.median(m for _, m in starts), "MB", 90)
    figures.below("deskbell --help", statistics.median(help_ms() for _ in range(TRIES)), "ms", 150)


if __name__ == "__main__":
    common.main(bench)
