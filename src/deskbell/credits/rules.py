"""What activities cost. Amounts are kept as whole billionths of a US dollar; a credit is one US cent."""

from __future__ import annotations

from deskbell.credits.model import Activity

NANO = 1_000_000_000  # to a US dollar
CREDIT = NANO // 100

#: What an activity costs each time, and for each thousand tokens, in addition to what a provider charges.
EACH: dict[Activity, int] = {
    "chat": 0,
    "summary": 0,
    "search": CREDIT // 100,
    "indexing": 0,
    "file": CREDIT // 10,
}
EACH_THOUSAND_TOKENS: dict[Activity, int] = {"chat": 0, "summary": 0, "search": 0, "indexing": CREDIT // 100, "file": 0}


def charge(activity: Activity, count: int, tokens: int, cost: int) -> int:
    """What is charged for doing an activity `count` times with so many tokens, if a provider charged `cost`."""
    return cost + count * EACH[activity] + tokens * EACH_THOUSAND_TOKENS[activity] // 1000


def credits_of(amount: int) -> float:
    """An amount in credits."""
    return amount / CREDIT
