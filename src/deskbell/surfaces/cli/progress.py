"""A progress bar for commands that take a while."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


def progress_bar(length: int, label: str, *, shown: bool = True) -> AbstractContextManager[ProgressBar[int]]:
    """A bar on standard error, if that is a terminal."""
    return click.progressbar(
        length=length, label=click.format_filename(label), file=sys.stderr, hidden=not (shown and sys.stderr.isatty())
    )
