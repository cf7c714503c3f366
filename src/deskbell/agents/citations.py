"""The citations `[n]` in replies: each stands for a source. One without a source is removed, even if it arrives in pieces."""

from __future__ import annotations

import re

from deskbell.agents.models.base import ModelUnavailable

# One citation, or several in one pair of brackets. Some models write 【1†source】. The space before a removed one is removed too.
_CITATION = re.compile(
    r"([ \t]{0,8})(?:\[\s{0,8}\^?(\d[\d\s,;]{0,80})\]|【\s{0,8}(\d[\d\s,;]{0,80})(?:†[^】\n]{0,80})?】)"
)
# What may become one: open brackets, nested ones too, with nothing in them that a citation cannot have.
_UNFINISHED = re.compile(
    r"(?:[ \t]{0,8}(?:\[\s{0,8}\^?[\d\s,;]{0,81}|【\s{0,8}[\d\s,;]{0,81}(?:†[^】\n]{0,80})?))+\Z|[ \t]{1,8}\Z"
)
MAX_PENDING = 4000  # characters; a reply of nothing but open brackets is none


class Citations:
    """Reads a reply piece by piece. `cited` are the numbers that it has used, in order."""

    def __init__(self, sources: int) -> None:
        self.sources = sources
        self.cited: dict[int, None] = {}
        self.pending = ""

    def feed(self, piece: str) -> str:
        """The text that can be shown by now."""
        text = self.normalize(self.pending + piece)
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self.pending = text[end:]
        if len(self.pending) > MAX_PENDING:
            raise ModelUnavailable("it writes nothing but brackets")
        return text[:end]

    def end(self) -> str:
        """The rest of the text, when no more will come, without space at its end."""
        rest, self.pending = self.pending, ""
        return rest.rstrip()

    def normalize(self, text: str) -> str:
        """The text with every citation as `[n]`. Removing one may leave another, so it is repeated until nothing changes."""
        while (next_text := _CITATION.sub(self.replace, text)) != text:
            text = next_text
        return text

    def replace(self, match: re.Match[str]) -> str:
        space, *groups = match.groups()
        given = [int(number) for number in re.findall(r"\d+", next(filter(None, groups)))]
        numbers = [number for number in dict.fromkeys(given) if 1 <= number <= self.sources]
        self.cited |= dict.fromkeys(numbers)
        return space + "".join(f"[{number}]" for number in numbers) if numbers else ""


def without_citations(text: str) -> str:
    """A reply without its citations: in a later turn their numbers mean nothing."""
    return Citations(0).normalize(text)
