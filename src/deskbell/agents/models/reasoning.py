"""Reasoning that some endpoints send at the beginning of a reply, between tags. It is not part of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable

TAGS = ("<think>", "<thinking>")
MAX_SPACE = 50  # characters of space that may come before a tag

_CLOSING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
MAX_CLOSING = 11  # characters


class ReasoningFilter:
    """Reads a reply piece by piece and leaves out the reasoning that it begins with. Later tags are text."""

    def __init__(self) -> None:
        self.held = ""
        self.step: Callable[[ReasoningFilter, str], str] = ReasoningFilter.before

    def feed(self, piece: str) -> str:
        """What of the reply is not reasoning."""
        return self.step(self, piece)

    def end(self) -> str:
        """What was held back, once nothing more arrives."""
        return self.held if self.step is ReasoningFilter.before else ""

    def before(self, piece: str) -> str:
        text = self.held + piece
        start = text.lstrip()
        space, head = len(text) - len(start), start[: len(TAGS[-1])].lower()
        for tag in TAGS:
            if head.startswith(tag):
                self.held, self.step = "", ReasoningFilter.within
                return self.within(start[len(tag) :])
        if space <= MAX_SPACE and any(tag.startswith(head) for tag in TAGS):
            self.held = text
            return ""
        self.held, self.step = "", ReasoningFilter.answer
        return text

    def within(self, piece: str) -> str:
        text = self.held + piece
        closing = _CLOSING.search(text)
        if closing is None:
            self.held = text[1 - MAX_CLOSING :]
            return ""
        self.held, self.step = "", ReasoningFilter.after
        return self.after(text[closing.end() :])

    def after(self, piece: str) -> str:
        text = piece.lstrip()
        if text:
            self.step = ReasoningFilter.answer
        return text

    def answer(self, piece: str) -> str:
        return piece
