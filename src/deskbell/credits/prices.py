"""Prices of models per million tokens, from the settings."""

from __future__ import annotations

from typing import NamedTuple

MILLION = 1_000_000


class Price(NamedTuple):
    """US dollars per million tokens."""

    into: float
    out: float


def prices(text: str) -> dict[str, Price]:
    """Reads `openai/gpt-4o=2.5/10 *=1/2`: dollars per million tokens in and out; `*` stands for every other model."""
    by_model = {}
    for entry in text.replace(",", " ").split():
        model, _, price = entry.rpartition("=")
        into, _, out = price.partition("/")
        try:
            by_model[model] = Price(float(into), float(out))
        except ValueError:
            raise ValueError(f"{entry!r} is not MODEL=DOLLARS_IN/DOLLARS_OUT") from None
        if not model or min(by_model[model]) < 0:
            raise ValueError(f"{entry!r} is not MODEL=DOLLARS_IN/DOLLARS_OUT")
    return by_model
