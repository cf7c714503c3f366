"""How much of what was said goes into a prompt."""

from __future__ import annotations

from collections.abc import Iterable

from deskbell.agents.citations import without
from deskbell.agents.models.base import Turn, tokens


def recent(newest_first: Iterable[tuple[str, str]], budget: int) -> list[Turn]:
    """The latest messages that fit into so many tokens, oldest first, beginning with what a person said where that is there.

    Citations are taken out of replies: their numbers are those of other passages. A reply of nothing else keeps them, as endpoints refuse
    an empty message.
    """
    kept: list[Turn] = []
    for role, content in newest_first:
        turn = Turn("assistant", without(content).strip() or content) if role == "assistant" else Turn("user", content)
        budget -= tokens(turn.text)
        if budget < 0:
            break
        kept.append(turn)
    kept.reverse()
    return kept
