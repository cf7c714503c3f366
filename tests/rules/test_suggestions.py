"""Suggestions at the end of a reply: however the reply is cut, its text ends before them, and only plain questions are kept."""

from __future__ import annotations

import pytest

from deskbell.agents.models.suggestions import FollowUpSplitter, questions

REPLIES = {
    "Ten years.\n\n<follow-ups>\nWhy?": ("Ten years.", "\nWhy?"),
    "Ten years.\n `<Follow Ups>`\nWhy?": ("Ten years.", "`\nWhy?"),
    "**Ten** <b>years</b> * 2\n\n* one <follow-ups>\n": ("**Ten** <b>years</b> * 2\n\n* one <follow-ups>", ""),
    "Ten\n<follow-up": ("Ten\n<follow-up", ""),
    "<follow-ups>Why?": ("", "Why?"),
    "\n\n\tTen" + "\n" * 500: ("\n\n\tTen", ""),
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("reply", REPLIES, ids=map(str, range(len(REPLIES))))
def test_a_reply_is_parted_however_it_is_cut(reply: str, size: int) -> None:
    parted = FollowUpSplitter()
    pieces = [parted.feed(reply[place : place + size]) for place in range(0, len(reply), size)]
    assert ("".join([*pieces, parted.end()]).rstrip("\n"), parted.rest) == REPLIES[reply]


SLOW = {
    "lines": "\n" * 200_000,
    "openings": "\n**<follow" * 20_000,
    "marks": "x<follow-ups>" * 15_000,
    "space": " \n" * 50_000 + "<",
}


@pytest.mark.parametrize("name", SLOW)
def test_a_reply_that_is_made_to_be_slow_is_not(name: str) -> None:
    """Each would be, if every place in it were tried as a beginning."""
    reply, parted = SLOW[name], FollowUpSplitter()
    assert (parted.feed(reply) + parted.end()).strip() == reply.strip()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("1) What does part #12 cost?", ["What does part #12 cost?"]),
        ("„Was kostet ein neues Dach?“", ["Was kostet ein neues Dach?"]),
        ("保证期多长？ [2]", ["保证期多长？"]),
        ("รับประกันกี่ปี", ["รับประกันกี่ปี"]),
        ("What is it?</follow-ups>", ["What is it?"]),
        ("How long is the Warranty", []),
        ("how long is the warranty??", []),
        ("# Why?", []),
        ("Is it at evil.example/x?", []),
        ("Is it https://x?", []),
        ("Can I write to a@b?", []),
        ("Is it `code`?", []),
        ("Is it \u202egnorw?", []),
        ("?", []),
        ("a" * 120 + "?", []),
    ],
)
def test_only_plain_questions_are_suggested(line: str, kept: list[str]) -> None:
    assert questions(line, ["How long is the warranty?"]) == kept
