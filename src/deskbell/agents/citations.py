"""The `[n]` in replies: each stands for one source, and one that stands for none is taken out, also where it comes in pieces."""

from __future__ import annotations

import re

from deskbell.agents.models.base import ModelUnavailable

# One citation, or several in one pair of brackets. Some models write 【1†source】. The space before goes with one that is taken out.
_CITATION = re.compile(
    r"([ \t]{0,8})(?:\[\s{0,8}\^?(\d[\d\s,;]{0,80})\]|【\s{0,8}(\d[\d\s,;]{0,80})(?:†[^】\n]{0,80})?】)"
)
# What may become one: open brackets that hold nothing which a citation cannot hold, one within the other too.
_UNFINISHED = re.compile(
    r"(?:[ \t]{0,8}(?:\[\s{0,8}\^?[\d\s,;]{0,81}|【\s{0,8}[\d\s,;]{0,81}(?:†[^】\n]{0,80})?))+\Z|[ \t]{1,8}\Z"
)
MOST_HELD = 4000  # characters; a reply of nothing but open brackets is none


class Citations:
    """Reads a reply piece by piece. `cited` holds the numbers that it has used, in their order."""

    def __init__(self, sources: int) -> None:
        self.sources = sources
        self.cited: dict[int, None] = {}
        self.held = ""

    def feed(self, piece: str) -> str:
        """What of the reply may be shown by now."""
        text = self.resolved(self.held + piece)
        unfinished = _UNFINISHED.search(text)
        place = unfinished.start() if unfinished else len(text)
        self.held = text[place:]
        if len(self.held) > MOST_HELD:
            raise ModelUnavailable("it writes nothing but brackets")
        return text[:place]

    def end(self) -> str:
        """What was held back, when no more will come. Space at the end of a reply says nothing."""
        rest, self.held = self.held, ""
        return rest.rstrip()

    def resolved(self, text: str) -> str:
        """The text with every citation in its one form. What is left when one is taken out may be another."""
        while (settled := _CITATION.sub(self.resolve, text)) != text:
            text = settled
        return text

    def resolve(self, found: re.Match[str]) -> str:
        space, *groups = found.groups()
        given = [int(number) for number in re.findall(r"\d+", next(filter(None, groups)))]
        numbers = [number for number in dict.fromkeys(given) if 1 <= number <= self.sources]
        self.cited |= dict.fromkeys(numbers)
        return space + "".join(f"[{number}]" for number in numbers) if numbers else ""


def without(text: str) -> str:
    """A reply without its citations, whose numbers mean nothing in a later turn."""
    return Citations(0).resolved(text)
