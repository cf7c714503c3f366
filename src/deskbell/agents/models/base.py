"""What a chat turn knows of a model: it answers a request in pieces, and reports its usage at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

#: Models of every installation: one that needs no endpoint, and the one that the operator has chosen for all agents.
OFFLINE, DEFAULT = "deskbell/extractive", "deskbell/default"

MAX_REPLY = 200_000  # characters
FIRST_WAIT = 0.25  # seconds before another attempt
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class Turn(NamedTuple):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class NumberedPassage(NamedTuple):
    """A passage that an answer may rest on. It is cited by its `number`; `name` is its file or address."""

    number: int
    name: str
    title: str
    headings: list[str]
    text: str
    score: float


class ModelRequest(NamedTuple):
    """All that a model is given: the agent's instructions, the conversation so far, the question, and what the documents say about it.

    `searched` means that documents were searched, even if nothing was found. `suggest` asks for follow-up questions too.
    """

    instructions: str
    history: list[Turn]
    question: str
    passages: list[NumberedPassage]
    searched: bool
    suggest: bool = False


class ModelUsage(NamedTuple):
    """The usage of a reply: tokens in and out, and US dollars. `grounded` means that it rests on the passages alone.

    `follow_ups` are questions that the model suggests to ask next; they may be shown as they are.
    """

    input_tokens: int
    output_tokens: int
    cost: float
    model: str
    grounded: bool = False
    follow_ups: Sequence[str] = ()


class ModelUnavailable(Exception):
    """The model gave no usable answer: it is down, too slow, or what it sends is not an answer. The reason is for the log.

    `retry_after` is after how many seconds another attempt may help; None if none would.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def tokens(text: str) -> int:
    """About how many tokens a text has: one for four letters of Latin script, one for each character of Chinese, Japanese and Korean."""
    dense = sum(1 for sign in text if sign > "\u2e7f") if not text.isascii() else 0
    return dense + (len(text) - dense + 3) // 4


def max_tokens(text: str) -> int:
    """More tokens than a text is likely to have: one for three bytes, which is true of most scripts."""
    return len(text.encode(errors="replace")) // 3 + 4
