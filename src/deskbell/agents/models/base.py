"""What every model is to a turn: something that answers a question in pieces, and says at the end what that took."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple, Protocol

#: Models that every installation has: one that needs no endpoint, and whichever the operator has chosen for all.
OFFLINE, DEFAULT = "deskbell/extractive", "deskbell/default"

MAX_REPLY = 200_000  # characters
FIRST_WAIT = 0.25  # seconds before another attempt
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class Turn(NamedTuple):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class NumberedPassage(NamedTuple):
    """A passage that an answer may rest on: `number` is what cites it, `name` its file or address."""

    number: int
    name: str
    title: str
    headings: list[str]
    text: str
    score: float


class ModelRequest(NamedTuple):
    """All that a model is told: the agent's instructions, what was said, the question, and what the documents have on it.

    `searched` says that documents were looked at, whether or not anything was found. `suggest` asks for follow-up questions too.
    """

    instructions: str
    history: list[Turn]
    question: str
    passages: list[NumberedPassage]
    searched: bool
    suggest: bool = False


class ModelUsage(NamedTuple):
    """What a reply took: tokens in and out, and US dollars. `grounded` says that it rests on nothing but the passages.

    `follow_ups` are questions that the model suggests to ask next, fit to be shown.
    """

    input_tokens: int
    output_tokens: int
    cost: float
    model: str
    grounded: bool = False
    follow_ups: Sequence[str] = ()


class ModelUnavailable(Exception):
    """The model gave no answer that could be used: it is down, too slow, or sends what is no answer. Says why, for the log.

    `retry_after` is the wait in seconds after which another try may help; None where it would not.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Model(Protocol):
    """Answers. `name` is what an agent calls it by."""

    name: str

    def reply(self, asked: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """The pieces of the reply, then once what it took. Closing the iterator ends the work. Raises ModelUnavailable."""


def tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its letters in Latin script, one for each sign of the dense scripts."""
    dense = sum(1 for sign in text if sign > "\u2e7f") if not text.isascii() else 0
    return dense + (len(text) - dense + 3) // 4


def at_most(text: str) -> int:
    """More tokens than a text is likely to have: one for three bytes, which holds for most scripts."""
    return len(text.encode(errors="replace")) // 3 + 4
