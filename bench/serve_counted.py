"""`deskbell serve` that counts what it does with its SQLite file: serve_counted.py FILE serve ...

FILE always holds the count so far: statements that begin a transaction (all that run outside of one, BEGIN among them), as SQLite's
own trace reports them on every connection of the process, and checkpoints.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any

import apsw

from deskbell.surfaces.cli import main

descriptor = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT)
numbers = itertools.count(1)


def count() -> None:
    os.pwrite(descriptor, str(next(numbers)).encode(), 0)


def statement(event: dict[str, Any]) -> None:
    if not event["connection"].in_transaction:
        count()
        if os.environ.get("BENCH_TALK"):
            print(event["sql"], file=sys.stderr)


class Counted(apsw.Connection):
    """A connection whose transactions and checkpoints are counted."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.trace_v2(apsw.SQLITE_TRACE_STMT, statement)

    def wal_checkpoint(self, *args: Any, **options: Any) -> tuple[int, int]:
        count()
        return super().wal_checkpoint(*args, **options)


apsw.Connection = Counted  # type: ignore[misc]
main()
