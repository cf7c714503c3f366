"""What every benchmark needs: servers on one core, the load on another, rounds that take turns, and figures with their bounds."""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import seed
from load import Load, Round, run

from deskbell.foundation.sqlite.writer import BATCH

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "0.7"))
WARM_UP = 0.5  # seconds
cores = sorted(os.sched_getaffinity(0))[:2]
TICKS = os.sysconf("SC_CLK_TCK")
PLAIN = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log", "--no-server-header"]
UVICORN = ["-m", "uvicorn", "--app-dir", str(HERE), *PLAIN]


started: list[Server] = []


class Server:
    """A server process on the first core; it ends with the benchmark. Its access log, if it writes one, goes to /dev/null."""

    def __init__(self, name: str, command: list[str], *, own: list[int] = cores[:1], **environment: str) -> None:
        started.append(self)
        self.name = name
        self.port = free_port()
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_TALK") else subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, own),
        )
        self.await_answer(f"http://127.0.0.1:{self.port}/readyz")
        self.ready = time.perf_counter() - self.started

    def await_answer(self, url: str) -> None:
        """Waits until the server says anything at all."""
        while self.process.poll() is None and time.perf_counter() - self.started < 30:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(url).close()
                return
            time.sleep(0.005)
        raise SystemExit(f"{self.name} did not start")

    def cpu(self) -> float:
        """Seconds of processor time so far, of the process and its children."""
        return used([self.process.pid, *children(self.process.pid)])

    def stop(self) -> None:
        """Ends the process; the second time it does nothing."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def used(pids: list[int]) -> float:
    """Seconds of processor time of processes that run, and of children that they have outlived."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / TICKS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def place_of(database: Path | str) -> str:
    return f"sqlite:///{database}" if isinstance(database, Path) else database


def deskbell(database: Path | str, *, name: str = "Deskbell", batch: int = 0, fsync_ms: float = 0) -> Server:
    """`deskbell serve`, access log included; with `batch` or `fsync_ms` handicapped as bench/serve_deskbell.py says."""
    handicapped = [str(HERE / "serve_deskbell.py"), str(batch or BATCH), str(fsync_ms)]
    program = handicapped if batch or fsync_ms else ["-m", "deskbell"]
    return Server(name, [sys.executable, *program, "serve", "--database", place_of(database)])


def fastapi(database: Path | str) -> Server:
    """The reference app. It writes no access log."""
    command = [sys.executable, *UVICORN, "reference_fastapi:app"]
    return Server("FastAPI", command, REFERENCE_DATABASE=str(database))


class Measured(NamedTuple):
    """The medians of a server's rounds: answers per second, and processor microseconds per answer.

    `behind` are the microseconds of what stands behind the server, that is of PostgreSQL.
    """

    rate: float
    cpu: float
    busy: float
    """The largest share of its core that the load generator used in a round."""
    behind: float = 0
    costs: tuple[float, ...] = ()
    """Processor microseconds per answer of each round, of the server and of what stands behind it."""


def alternate(
    loads: list[tuple[Server, Load]], connections: int = 32, behind: Callable[[], float] = lambda: 0.0
) -> list[Measured]:
    """Loads the servers in turns, A B A B, so that a noisy moment hits all alike. `behind` tells what PostgreSQL has used."""
    for server, load in loads:
        run(load, server.port, WARM_UP, connections)
    rounds: list[list[tuple[float, float, float, float]]] = [[] for _ in loads]
    for _ in range(ROUNDS):
        for place, (server, load) in enumerate(loads):
            before, there = server.cpu(), behind()
            done: Round = run(load, server.port, SECONDS, connections)
            each = 1e6 / done.answers
            rounds[place].append((done.rate, (server.cpu() - before) * each, done.busy, (behind() - there) * each))
    return [summed_up(each) for each in rounds]


def summed_up(rounds: list[tuple[float, float, float, float]]) -> Measured:
    rates, cpus, busy, behinds = zip(*rounds, strict=True)
    median = statistics.median
    costs = tuple(cpu + behind for _, cpu, _, behind in rounds)
    return Measured(median(rates), median(cpus), max(busy), max(0.0, median(behinds)), costs)


class Figures:
    """Prints a line per figure and remembers whether one was missed."""

    def __init__(self) -> None:
        self.missed = False

    def line(self, name: str, ours: str, reference: str, result: str, bound: str, kept: bool | None) -> None:
        self.missed |= kept is False
        verdict = "" if kept is None else "ok" if kept else "MISSED"
        print(f"{name:<44} {ours:>22} {reference:>30} {result:>22}   {bound:<16} {verdict}", flush=True)

    def faster(self, name: str, ours: Measured, other: str, theirs: Measured, at_least: float | None) -> None:
        """Our throughput as a multiple of theirs; in brackets the same in processor time."""
        ratio = ours.rate / theirs.rate
        self.line(
            name,
            f"{ours.rate:,.0f}/s {ours.cpu:,.0f} us",
            f"{other} {theirs.rate:,.0f}/s {theirs.cpu:,.0f} us",
            f"{ratio:.2f}x (cpu {theirs.cpu / ours.cpu:.2f}x)",
            "reported" if at_least is None else f"at least {at_least:g}x",
            None if at_least is None else ratio >= at_least,
        )
        if max(ours.busy, theirs.busy) > 0.9:
            print(f"  the load generator was {max(ours.busy, theirs.busy):.0%} busy: the ratio is too small")

    def below(self, name: str, value: float, unit: str, bound: float, reference: str = "", most: str = "") -> None:
        self.line(name, f"{value:,.2f} {unit}", reference, "", most or f"below {bound:g} {unit}", value < bound)


def main(bench: Callable[[Figures, seed.Data], Any]) -> None:
    """Runs a benchmark with the load on the second core; exit status 1 says that a bound was missed."""
    figures = Figures()
    data = seed.data()
    os.sched_setaffinity(0, cores[-1:])
    try:
        bench(figures, data)
    finally:
        for server in started:
            server.stop()
    sys.exit(1 if figures.missed else 0)
