"""Runs the official conformance suites, the Inspector and the official clients: `scripts/mcp-conformance [words of a line's name]`.

Two server processes on one PostgreSQL stand behind a strict round-robin, and one on SQLite. Exit status 1 says that a line failed;
what it printed is then in `build/mcp-conformance/logs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance import clients, tools
from tests.conformance.proxy import RoundRobin, round_robin
from tests.conformance.serve import ROOT, processes
from tests.desk import Server
from tests.postgres import fresh_database, postgres

PATIENCE = 300  # seconds for one program


class Target(NamedTuple):
    """Servers behind a round-robin, and a key for them."""

    name: str
    proxy: RoundRobin
    key: str

    @property
    def url(self) -> str:
        return f"{self.proxy.url}/mcp"


class Report:
    """A line for each thing that was tried."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.wanted = wanted
        self.failed = 0

    def line(self, target: Target, name: str, attempt: Callable[[], str]) -> None:
        """`attempt` answers what was seen, or raises what is wrong."""
        title = f"{name} on {target.name}"
        if not all(word.lower() in title.lower() for word in self.wanted):
            return
        target.proxy.served.clear()
        started = time.monotonic()
        try:
            seen, verdict = attempt(), "ok"
            if target.name != "SQLite" and len(target.proxy.served) < 2:
                raise Failed("all requests went to one process")
        except (Failed, subprocess.TimeoutExpired) as error:
            self.failed += 1
            seen, verdict = str(error), "FAILED"
        took = time.monotonic() - started
        spread = "/".join(str(count) for count in target.proxy.served.values())
        print(f"{verdict:<7}{title:<58} {took:5.1f} s  {spread:>9}  {seen}", flush=True)


class Failed(Exception):
    """Something is not as it should be."""


def ran(name: str, command: Sequence[str | Path], **options: Any) -> str:
    """What a program printed that ended well. What it said goes to a file."""
    log = tools.PLACE / "logs" / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise Failed(f"status {done.returncode}, see {log.relative_to(ROOT)}")
    return done.stdout


def suite(target: Target, place: str, *options: str) -> str:
    """Runs a conformance suite; answers its sum."""
    program = tools.node(tools.module(place, "conformance", "dist", "index.js"))
    out = ran(f"{target.name} {place} {' '.join(options)}", [*program, "server", "--url", target.url, *options])
    scored, _, _ = out.partition("Not scored")
    failed = re.findall(r"✗ ([\w-]+)", scored)
    total = re.search(r"Total: (\d+) passed, (\d+) failed", out)
    if total is None or int(total[1]) == 0:
        raise Failed("the suite gave no sum")
    names = re.findall(r"Running scenario: ([\w-]+)|Running client scenario '([\w-]+)'", out)
    scenarios = len({one or other for one, other in names})
    return f"{scenarios} scenarios, {total[1]} checks passed" + (
        f" ({len(failed)} optional ones fail)" if failed else ""
    )


def inspector(target: Target, era: str, *, stdio: bool) -> str:
    """The Inspector lists the tools under its strictest rules, and calls one."""
    program = tools.node(tools.module("clients", "inspector", "clients", "launcher", "build", "index.js"))
    common = ["--protocol-era", era, "--format", "json", "-q"]
    if stdio:
        way = ["-e", f"BRIGHTLY_API_KEY={target.key}", "-e", f"BRIGHTLY_API_URL={target.proxy.url}"]
        end = ["--", sys.executable, "-m", "deskbell", "mcp"]
    else:
        way, end = [target.url, "--transport", "http", "--header", f"Authorization: Bearer {target.key}"], []

    def told(*more: str) -> Any:
        name = f"inspector {era} {'stdio' if stdio else 'http'} {more[1]}"
        return json.loads(ran(name, [*program, "--cli", *way, *common, *more, *end], cwd=ROOT))["result"]

    listed = told("--method", "tools/list", "--strict")["tools"]
    called = told("--method", "tools/call", "--tool-name", "get_org")
    return seen({"tools": len(listed), "organization": called["structuredContent"]["name"], "refused": True})


def seen(looked: dict[str, Any]) -> str:
    if (looked["tools"], looked["organization"], looked["refused"]) != (11, "Acme Roofing", True):
        raise Failed(f"a client saw {looked}")
    return f"11 tools, a call {looked.get('revision') or ''}".rstrip()


def typescript(target: Target) -> str:
    script = tools.PLACE / "clients" / "clients.mjs"
    script.write_text((Path(__file__).parent / "clients.mjs").read_text())
    out = ran("TypeScript clients", tools.node(script, target.url, target.key))
    looked = [json.loads(line) for line in out.splitlines()]
    for each in looked:
        seen(each)
    return ", ".join(f"{each['who'].removeprefix('TypeScript ')} {each['revision']}" for each in looked)


def older_python(target: Target) -> str:
    script = Path(__file__).parent / "older_client.py"
    return seen(json.loads(ran("Python 1.x", [tools.older_python(), str(script), target.url, target.key])))


@contextlib.contextmanager
def target(name: str, place: str, count: int, *more: str) -> Iterator[Target]:
    desk = Server(place)
    key = desk.api(desk.organization()).key
    with processes(place, count, *more) as ports, round_robin(ports, key) as proxy:
        yield Target(name, proxy, key)


def conformance(report: Report, fixtures: Target) -> None:
    report.line(fixtures, "suite 0.1.16, active", lambda: suite(fixtures, "suite-0.1"))
    for revision in ("2025-11-25", "2026-07-28"):
        options = ("--requirements", revision, "-o", str(tools.PLACE / "results"))
        report.line(
            fixtures,
            f"suite 0.2 {revision}",
            lambda options=options: suite(fixtures, "suite-0.2", *options),  # type: ignore[misc]
        )


def product(report: Report, desk: Target) -> None:
    for era in ("legacy", "auto", "modern"):
        report.line(desk, f"Inspector, HTTP, {era}", lambda era=era: inspector(desk, era, stdio=False))  # type: ignore[misc]
        if desk.name == "SQLite":
            report.line(desk, f"Inspector, stdio, {era}", lambda era=era: inspector(desk, era, stdio=True))  # type: ignore[misc]
    for mode in clients.MODES:
        looked = lambda mode=mode: seen(asyncio.run(clients.look(desk.url, desk.key, mode)))  # noqa: E731
        report.line(desk, f"Python client 2.x, {mode}", looked)
    report.line(desk, "Python client 1.x", lambda: older_python(desk))
    report.line(desk, "TypeScript clients 1.x and 2.x", lambda: typescript(desk))


def main(wanted: Sequence[str]) -> int:
    os.environ["DESKBELL_ACCESS_LOG"] = "false"
    tools.install()
    report = Report(wanted)
    with tempfile.TemporaryDirectory() as folder, postgres() as url:
        with target("two on PostgreSQL", fresh_database(url), 2, "fixtures") as two:
            conformance(report, two)
        with target("SQLite", f"sqlite:///{folder}/fixtures.db", 1, "fixtures") as one:
            conformance(report, one)
        with target("two on PostgreSQL", fresh_database(url), 2) as two:
            product(report, two)
        with target("SQLite", f"sqlite:///{folder}/desk.db", 1) as one:
            product(report, one)
    print(f"{report.failed} failed" if report.failed else "all passed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
