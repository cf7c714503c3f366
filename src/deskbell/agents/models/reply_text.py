"""The text of a reply while it arrives: what the model reasons is left out, and the questions that it suggests are split off."""

from __future__ import annotations

from deskbell.agents.models.base import MAX_REPLY, ModelUnavailable, tokens
from deskbell.agents.models.reasoning import ReasoningFilter
from deskbell.agents.models.suggestions import FollowUpSplitter


class ReplyText:
    """`tokens` is about what was written, reasoning included; `shown` says that there was any text to show."""

    def __init__(self, *, suggest: bool) -> None:
        self.reasoning = ReasoningFilter()
        self.splitter = FollowUpSplitter() if suggest else None
        self.tokens = self.length = 0
        self.shown = False

    @property
    def complete(self) -> bool:
        """Whether what arrives now are suggestions."""
        return self.splitter is not None and self.splitter.begun

    @property
    def suggestions(self) -> str:
        return self.splitter.rest if self.splitter else ""

    def drop_suggestions(self) -> None:
        if self.splitter:
            self.splitter.rest = ""

    def feed(self, piece: str) -> str:
        """What of the text may be shown by now. Raises ModelUnavailable for a reply that is too long."""
        self.tokens += tokens(piece)
        self.length += len(piece)
        if self.length > MAX_REPLY:
            raise ModelUnavailable(f"the answer is longer than {MAX_REPLY} characters")
        return self.split(self.reasoning.feed(piece))

    def end(self) -> str:
        """What was held back, when no more will come."""
        rest = self.split(self.reasoning.end())
        if self.splitter:
            rest += self.splitter.end()
        self.shown = self.shown or bool(rest)
        return rest

    def split(self, text: str) -> str:
        shown = self.splitter.feed(text) if self.splitter else text
        self.shown = self.shown or bool(shown)
        return shown
