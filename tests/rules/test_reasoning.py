"""What a model thinks before it answers: however the reply is cut, the reasoning is left out and nothing else is."""

from __future__ import annotations

import pytest

from deskbell.agents.models.reasoning import ReasoningFilter

REPLIES = {
    "<think>\nIs it [9]? <b>\n</think>\n\nTen years.": "Ten years.",
    "\n <Thinking>x</thinking> Ten </think> years. ": "Ten </think> years. ",
    "<think></think>Ten years.": "Ten years.",
    "<think>one</think><think>Ten</think>": "<think>Ten</think>",
    "<think>Ten years. </thin": "",
    " <thi": " <thi",
    "<thinker> Ten": "<thinker> Ten",
    "Ten <think>years</think>.": "Ten <think>years</think>.",
    "\n" * 500 + "Ten": "\n" * 500 + "Ten",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("reply", REPLIES, ids=map(str, range(len(REPLIES))))
def test_reasoning_is_left_out_however_they_are_cut(reply: str, size: int) -> None:
    reader = ReasoningFilter()
    pieces = [reader.feed(reply[place : place + size]) for place in range(0, len(reply), size)]
    assert "".join([*pieces, reader.end()]) == REPLIES[reply]
