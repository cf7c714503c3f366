"""`deskbell serve` with a handicap: serve_deskbell.py BATCH FSYNC_MS serve ...

At most BATCH writes share a commit, and every fsync of the database takes at least FSYNC_MS milliseconds, as on a slow disk.
"""

from __future__ import annotations

import functools
import sys

import slow_disk

from deskbell.foundation import sqlite
from deskbell.surfaces.cli import main

batch, milliseconds = int(sys.argv.pop(1)), float(sys.argv.pop(1))
sqlite.SqliteDatabase = functools.partial(sqlite.SqliteDatabase, batch=batch)  # type: ignore[misc,assignment]
if milliseconds:
    slow_disk.install(milliseconds / 1000)
main()
