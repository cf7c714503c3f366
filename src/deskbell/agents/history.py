"""How much of what was said goes into a prompt."""

from __future__ import annotations

from collections.abc import Iterable

from deskbell.agents.citations import without
from deskbell.agents.models.base import Turn, tokens


def recent(newest_first: Iterable[tuple[str, str]], budget: int) -> list[Turn]:
    """The latest messages that fit into so many tokens, oldest first. Where some are left out, a person says the first, as some endpoints want.

    Citations are taken out of replies: their numbers are those of other passages. A reply of nothing else keeps them, as endpoints refuse
    an empty message.
    """
    kept: list[Turn] = []
    for role, content in newest_first:
        turn = Turn("assistant", without(content).strip() or content) if role == "assistant" else Turn("user", content)
        budget -= tokens(turn.text)
        if budget < 0:
            while len(kept) > 1 and kept[-1].role == "assistant":
                kept.pop()
            break
        kept.append(turn)
    return kept[::-1]
