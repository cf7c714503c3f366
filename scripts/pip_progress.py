"""Shows what `pip install` does, from what it prints: one line that changes on a terminal, a line now and then in a log.

Called as pip_progress.py PACKAGES VENV, with pip's output as its input.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

EVERY = 10  # packages, for a line in a log
QUIET = 0.5  # seconds
NAMED = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)|Processing .*/([\w.]+)-\d")


class Progress:
    def __init__(self, total: int) -> None:
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.text = ""

    def show(self, verb: str, count: int, name: str = "") -> None:
        text = f"      {verb} {count} of {self.total}  {name}".rstrip()
        if text == self.text:
            return
        if self.terminal:
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif count % EVERY == 0 or count == self.total:
            print(text, flush=True)
        self.text = text

    def end(self) -> None:
        if self.terminal and self.text:
            print("\r\x1b[K", end="", flush=True)


def installed(venv: str) -> int:
    return sum(1 for _ in Path(venv).glob("lib/python*/site-packages/*.dist-info/INSTALLER"))


def lines() -> Iterator[str | None]:
    """What pip prints, and None whenever it has been silent for a while."""
    rest = b""
    while True:
        if not select.select([sys.stdin], [], [], QUIET)[0]:
            yield None
            continue
        data = os.read(sys.stdin.fileno(), 65536)
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not data:
            return


def main() -> None:
    progress = Progress(int(sys.argv[1]))
    fetched: set[str] = set()
    before, writing = 0, False
    for line in lines():
        if line is None:
            if writing:
                progress.show("written", min(installed(sys.argv[2]) - before, progress.total))
        elif found := NAMED.match(line):
            name = found[1] or found[2]
            fetched.add(name)
            progress.show("fetched", min(len(fetched), progress.total), name)
        elif line.startswith("Installing collected packages"):
            before, writing = installed(sys.argv[2]), True
            progress.total = line.count(",") + 1
    if writing:
        progress.show("written", progress.total)
    progress.end()


main()
