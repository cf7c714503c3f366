"""The gate that every text passes: a pure decision over facts that were read in the same transaction.

Law: an opt-out by any reasonable means must be honoured, with one confirmation at most (47 CFR 64.1200(a)(10) to (12));
a do-not-call request applies per seller (47 CFR 64.1200(d)).
"""

from __future__ import annotations

import msgspec

from deskbell.compliance import suppressions
from deskbell.compliance.model import SuppressionStatus
from deskbell.compliance.verdict import Step, Verdict, verdict
from deskbell.core.context import Context

OPT_OUT_RULE, DNC_RULE = "47 CFR 64.1200(a)(10)", "47 CFR 64.1200(d)"


class Facts(msgspec.Struct, frozen=True):
    """The input of the gate: the recipient's number (E.164) and its suppressions."""

    phone: str
    suppression: SuppressionStatus


def decide(facts: Facts) -> Verdict:
    """Whether a text may go to this number. Pure: the same facts give the same verdict."""
    return verdict(
        {
            "organization": Step("organization", "allow"),
            "recipient": Step("recipient", "allow"),
            "suppression": suppression_step(facts.suppression),
        }
    )


def suppression_step(status: SuppressionStatus) -> Step:
    """Blocks a number that opted out or is on the do-not-call list."""
    inputs = {name: value for name, value in msgspec.structs.asdict(status).items() if value is not None}
    if status.opted_out_at is not None:
        message = "This number has opted out of texts (sms_opted_out). Nothing was sent"
        return Step("suppression", "block", "opted_out", message, OPT_OUT_RULE, inputs)
    if status.on_dnc_at is not None:
        message = "This number is on the do-not-call list (on_dnc_list). Nothing was sent"
        return Step("suppression", "block", "on_dnc_list", message, DNC_RULE, inputs)
    return Step("suppression", "allow")


async def check_text(ctx: Context, phone: str) -> Verdict:
    """The gate's verdict on a text to a number, from the facts in this transaction."""
    return decide(Facts(phone, await suppressions.suppression_status(ctx, phone)))
