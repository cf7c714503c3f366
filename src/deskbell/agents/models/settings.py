"""Which endpoint is asked, how long it may take, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deskbell.credits.prices import MILLION, Price


class Endpoint(NamedTuple):
    """Where models are asked; without a `base_url` there is no endpoint. Times are seconds."""

    base_url: str = ""
    api_key: str = ""
    default_model: str = ""
    fallback_model: str = ""
    first_byte_seconds: float = 30.0
    idle_seconds: float = 30.0
    retries: int = 2
    prices: dict[str, Price] = {}
    openrouter_providers: Sequence[str] = ()

    def price(self, model: str, into: int, out: int) -> float:
        """US dollars for so many tokens of a model, by the prices that are set: 0 without one."""
        price = self.prices.get(model) or self.prices.get("*")
        return (price.into * into + price.out * out) / MILLION if price else 0.0
