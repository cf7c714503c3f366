"""The keywords that people text back, and how they are recognised.

STOP and its synonyms end all texts, START allows them again, HELP asks who is texting (CTIA Messaging Principles, 5.1).
"""

from __future__ import annotations

import unicodedata
from typing import Literal

STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "opt out", "optout"})
START = frozenset({"start", "unstop"})
HELP = frozenset({"help"})


def keyword(body: str) -> Literal["stop", "start", "help"] | None:
    """The keyword, if a text is nothing else. Case, full-width letters, punctuation and emoji are ignored."""
    plain = "".join(map(letter_or_space, unicodedata.normalize("NFKC", body).casefold()))
    word = " ".join(plain.split())
    return "stop" if word in STOP else "start" if word in START else "help" if word in HELP else None


def letter_or_space(character: str) -> str:
    """Keeps letters and digits, removes invisible characters (format characters, emoji variants), and replaces others by a space."""
    kind = unicodedata.category(character)
    if kind[0] in "LN":
        return character
    return "" if kind[0] == "M" or kind == "Cf" else " "
