"""What a server costs that nobody asks anything: transactions, and processor time. `BENCH_IDLE` is how many seconds are measured, 60."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import seed

IDLE = float(os.environ.get("BENCH_IDLE", "60"))
SETTLED = 5.0  # seconds after the start, in which a server may catch up with what it finds
COUNTED = str(common.HERE / "serve_counted.py")


def demo(folder: str) -> str:
    """The database of `deskbell demo`."""
    url = f"sqlite:///{folder}/demo.db"
    subprocess.run([sys.executable, "-m", "deskbell", "--database", url, "demo"], check=True, stdout=subprocess.DEVNULL)
    return url


def bench(figures: common.Figures, data: seed.Data) -> None:
    """One server is as it is; another one counts, beside it, as counting takes time."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        count = Path(second) / "count"
        plain = common.deskbell(demo(first))
        command = [sys.executable, COUNTED, str(count), "serve", "--database", demo(second)]
        counted = common.Server("counted", command)
        time.sleep(SETTLED)
        before, used = int(count.read_text()), plain.cpu()
        time.sleep(IDLE)
        transactions, seconds = int(count.read_text()) - before, plain.cpu() - used
        for server in (plain, counted):
            server.stop()
    each = IDLE / 60
    figures.below("transactions of an idle server in a minute", transactions / each, "", 60)
    figures.below("processor time of an idle server", 100 * seconds / IDLE, "% of a core", 0.3)


if __name__ == "__main__":
    common.main(bench)
