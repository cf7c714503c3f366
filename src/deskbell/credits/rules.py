"""What activities cost. Amounts are stored as whole billionths of a US dollar; a credit is one US cent."""

from __future__ import annotations

from deskbell.credits.model import Activity

DOLLAR = 1_000_000_000  # in billionths, as amounts are stored
CREDIT = DOLLAR // 100

#: The fees for one use of an activity and for a thousand tokens, in addition to what a provider charges.
FEE_PER_USE: dict[Activity, int] = {
    "chat": 0,
    "summary": 0,
    "search": CREDIT // 100,
    "indexing": 0,
    "file": CREDIT // 10,
}
FEE_PER_THOUSAND_TOKENS: dict[Activity, int] = {
    "chat": 0,
    "summary": 0,
    "search": 0,
    "indexing": CREDIT // 100,
    "file": 0,
}


def charge(activity: Activity, count: int, tokens: int, cost: int) -> int:
    """The charge for `count` uses of an activity with so many tokens, if a provider charged `cost`."""
    return cost + count * FEE_PER_USE[activity] + tokens * FEE_PER_THOUSAND_TOKENS[activity] // 1000


def credits_of(amount: int) -> float:
    """An amount in credits."""
    return amount / CREDIT
