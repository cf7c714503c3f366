"""How much of a conversation goes into a prompt."""

from __future__ import annotations

from itertools import accumulate

from deskbell.agents.history import recent
from deskbell.agents.models.base import tokens

CONVERSATION = [
    ("user", "How long is the warranty on a new roof?"),
    ("assistant", "Ten years [1]."),
    ("user", "Is hail covered?"),
    ("assistant", "Yes, hail is covered [2]."),
]


def test_a_model_is_told_the_latest_messages_that_fit_and_a_person_says_the_first() -> None:
    newest_first = CONVERSATION[::-1]
    for budget in range(sum(tokens(text) for _, text in CONVERSATION) + 10):
        told = recent(newest_first, budget)
        fit = sum(1 for total in accumulate(tokens(text) for _, text in newest_first) if total <= budget)
        assert fit - 1 <= len(told) <= len(CONVERSATION)
        assert not told or told[0].role == "user" or len(told) == 1
    assert [turn.role for turn in told] == ["user", "assistant", "user", "assistant"]


def test_a_welcome_is_told_while_nothing_is_left_out() -> None:
    greeted = [("assistant", "Welcome! " * 20), *CONVERSATION]
    assert recent(greeted[::-1], 1000)[0].text.startswith("Welcome!")
    assert recent(greeted[::-1], sum(tokens(text) for _, text in CONVERSATION))[0].role == "user"


def test_numbers_of_other_passages_are_not_told() -> None:
    assert [turn.text for turn in recent(CONVERSATION[::-1], 1000)][1::2] == ["Ten years.", "Yes, hail is covered."]
    assert [turn.text for turn in recent([("assistant", "[1]")], 1000)] == ["[1]"]
