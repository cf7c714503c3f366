"""How much of a conversation goes into a prompt."""

from __future__ import annotations

from collections.abc import Iterable

from deskbell.agents.citations import without_citations
from deskbell.agents.models.base import Turn, tokens


def recent(newest_first: Iterable[tuple[str, str]], budget: int) -> list[Turn]:
    """The latest messages that fit into so many tokens, oldest first. If some are left out, the first is a user's, as some endpoints require.

    Citations are removed from replies, since their numbers refer to other passages. A reply of nothing else keeps them: endpoints refuse
    empty messages.
    """
    messages: list[Turn] = []
    for role, content in newest_first:
        turn = (
            Turn("assistant", without_citations(content).strip() or content)
            if role == "assistant"
            else Turn("user", content)
        )
        budget -= tokens(turn.text)
        if budget < 0:
            while len(messages) > 1 and messages[-1].role == "assistant":
                messages.pop()
            break
        messages.append(turn)
    return messages[::-1]
