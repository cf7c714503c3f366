"""Keys of the agent API's applications: `brs_live_` and 32 random letters and digits."""

from __future__ import annotations

from deskbell.foundation.ids import random_text

PREFIX = "brs_live_"


def new_key() -> str:
    """A fresh key with 190 random bits."""
    return PREFIX + random_text(32)


def masked(key: str) -> str:
    """A key as tables and logs may show it."""
    return f"{PREFIX}...{key[-4:]}"
