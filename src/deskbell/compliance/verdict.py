"""The gate's verdict on a text: the outcome of every step, and the worst of them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from deskbell.errors import Refusal
from deskbell.foundation.clock import Timestamp

Outcome = Literal["allow", "defer", "block"]
StepOutcome = Literal["allow", "skip", "warn", "defer", "block"]
StepName = Literal[
    "exempt",
    "organization",
    "recipient",
    "suppression",
    "owner",
    "purpose",
    "consent",
    "reassigned",
    "lists",
    "frequency",
    "quiet_hours",
    "content",
    "pace",
]
STEPS: tuple[StepName, ...] = get_args(StepName)
SEVERITY: dict[StepOutcome, int] = {"skip": 0, "allow": 0, "warn": 1, "defer": 2, "block": 3}


class Step(msgspec.Struct, omit_defaults=True):
    """One step of the gate; `skip` if there is nothing to check. `source` is the law or product rule that it applies."""

    step: StepName
    outcome: StepOutcome
    code: str | None = None
    message: str | None = None
    source: str | None = None
    inputs: dict[str, Any] = {}
    until: Timestamp | None = None


class Verdict(msgspec.Struct):
    """Allow, block (with a code), or defer (until a time). All steps are listed, in the gate's order."""

    outcome: Outcome
    code: str
    until: Timestamp | None
    steps: list[Step]

    def refusal(self) -> Refusal:
        """The refusal of a blocked text. It commits, so the record of the decision stays."""
        worst = next(step for step in self.steps if step.outcome == "block")
        return Refusal("compliance_blocked", worst.message)


def verdict(steps: dict[StepName, Step]) -> Verdict:
    """The verdict from the given steps; all others are skipped. The worst outcome counts, and the first step among equals."""
    all_steps = [steps.get(name) or Step(name, "skip") for name in STEPS]
    worst = max(all_steps, key=lambda step: SEVERITY[step.outcome])
    match worst.outcome:
        case "block":
            return Verdict("block", worst.code or "", None, all_steps)
        case "defer":
            until = max(step.until or "" for step in all_steps if step.outcome == "defer")
            return Verdict("defer", worst.code or "", until, all_steps)
    return Verdict("allow", worst.code or "allowed", None, all_steps)
