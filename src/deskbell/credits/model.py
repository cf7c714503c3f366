"""Credits: an organization's wallet, and its usage by activity."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Instant
from deskbell.foundation.ids import Uuid

Activity = Literal["chat", "summary", "search", "indexing", "file"]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2026-05-10"])]
Tokens = Annotated[int, Meta(ge=0)]
Dollars = Annotated[float, Meta(description="US dollars that a provider charged", examples=[0.0021])]
Credits = Annotated[float, Meta(description="One credit is one US cent", examples=[0.21])]


class UsageFilter(msgspec.Struct, kw_only=True, rename={"since": "from", "until": "to"}):
    """The first and the last day, both included; by default, the last 30 days."""

    since: Annotated[Instant, Meta(description="The first day")] | UnsetType = UNSET
    until: Annotated[Instant, Meta(description="The last day, which is included")] | UnsetType = UNSET


class UsageDay(msgspec.Struct, rename="camel"):
    """The usage of one activity of one agent on one day. `agentId` is null for usage without an agent."""

    day: Day
    agent_id: Uuid | None
    activity: Activity
    requests: int
    input_tokens: Tokens
    output_tokens: Tokens
    total_tokens: Tokens
    cost: Dollars
    credits: Credits


class UsageTotals(msgspec.Struct, rename="camel"):
    """The sums over all days, agents and activities."""

    requests: int
    input_tokens: Tokens
    output_tokens: Tokens
    total_tokens: Tokens
    cost: Dollars
    credits: Credits


class UsageReport(msgspec.Struct, rename="camel"):
    """The usage from one day to another, by day, agent and activity, and the wallet's balance."""

    since: Day = msgspec.field(name="from")
    until: Day = msgspec.field(name="to")
    usage: list[UsageDay]
    totals: UsageTotals
    balance: Credits


class UsageRow(msgspec.Struct):
    """A day's usage as it is stored; amounts are billionths of a US dollar."""

    day: str
    agent_id: str
    activity: Activity
    requests: int
    input_tokens: int
    output_tokens: int
    cost: int
    charge: int


class ActivityUsage(msgspec.Struct):
    """How often something was done, and what was charged for it."""

    requests: int
    charge: int


class WalletChange(msgspec.Struct):
    """The data of an event: credits were added to a wallet, or removed if negative."""

    amount: Credits
    balance: Credits


class MonthlyBudget(msgspec.Struct):
    """The data of an event: a budget was changed. Null means no limit; without an agent, it is the organization's."""

    agent_id: str | None
    monthly_budget: Credits | None


class Budget(msgspec.Struct):
    """The limit of a calendar month, in billionths of a US dollar, of an agent or of the whole organization."""

    agent_id: str
    amount: int
