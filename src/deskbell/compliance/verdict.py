"""What the gate says of an intended text: every step that it took, and the outcome of the worst."""

from __future__ import annotations

from typing import Any, Literal

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
STEPS: tuple[StepName, ...] = StepName.__args__  # type: ignore[attr-defined]
SEVERITY: dict[StepOutcome, int] = {"skip": 0, "allow": 0, "warn": 1, "defer": 2, "block": 3}


class Step(msgspec.Struct, omit_defaults=True):
    """One step of the gate. A step without data is `skip`. `source` is the rule of law or of the product that it applies."""

    step: StepName
    outcome: StepOutcome
    code: str | None = None
    message: str | None = None
    source: str | None = None
    inputs: dict[str, Any] = {}
    until: Timestamp | None = None


class Verdict(msgspec.Struct):
    """Allow, block (with a code), or defer (until a moment). The steps are all there, in the gate's order."""

    outcome: Outcome
    code: str
    until: Timestamp | None
    steps: list[Step]

    def refusal(self) -> Refusal:
        """A blocked text's answer; its decision stays."""
        worst = next(step for step in self.steps if step.outcome == "block")
        return Refusal("compliance_blocked", worst.message)


def verdict(steps: dict[StepName, Step]) -> Verdict:
    """The verdict of the steps that were taken; all others are skipped. The worst outcome counts, the first step among equals."""
    taken = [steps.get(name) or Step(name, "skip") for name in STEPS]
    worst = max(taken, key=lambda step: SEVERITY[step.outcome])
    match worst.outcome:
        case "block":
            return Verdict("block", worst.code or "", None, taken)
        case "defer":
            until = max(step.until or "" for step in taken if step.outcome == "defer")
            return Verdict("defer", worst.code or "", until, taken)
    return Verdict("allow", worst.code or "allowed", None, taken)
