"""deskbell copy: from an SQLite file to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib

import click

from deskbell import app  # noqa: F401  the slices' tables must be known
from deskbell.foundation import databases, sqlite
from deskbell.surfaces.cli.database import file_of
from deskbell.surfaces.cli.progress import progress_bar


@click.command()
@click.option("--from", "source", required=True, metavar="URL", help="sqlite:///FILE")
@click.option(
    "--to", "target", required=True, metavar="URL", help="postgresql://USER:PASSWORD@HOST/NAME, an empty database"
)
def copy(source: str, target: str) -> None:
    """Copy a whole installation from an SQLite file to an empty PostgreSQL database, and verify the copy.

    Stop the server first. The file is not changed. To resume an interrupted copy, run the same command again.
    """
    path = file_of(source)
    databases.require_postgres(target)
    from deskbell.foundation.postgres.copying import copy as copy_rows

    with sqlite.exclusive(path), contextlib.ExitStack() as bars:
        table, bar = "", None

        def watch(copied: str, done: int, total: int) -> None:
            nonlocal table, bar
            if copied != table or bar is None:
                bars.close()
                table = copied
                bar = bars.enter_context(progress_bar(total, copied))
            bar.update(done - bar.pos)

        counts = asyncio.run(copy_rows(path, target, watch))
    for table, rows in sorted(counts.items()):
        click.echo(f"{rows:>10,}  {table}")
    click.echo(f"Copied and verified. From now on use DESKBELL_DATABASE={databases.redact(target)}")
