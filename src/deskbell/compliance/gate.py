"""The gate before every text. Opt-outs and do-not-call belong to the number and outlive leads.

Law: an opt-out by any reasonable means must be honoured, with one confirmation at most (47 CFR 64.1200(a)(10) to (12));
a do-not-call request is kept per seller (47 CFR 64.1200(d)).
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from deskbell.compliance import suppressions
from deskbell.core.context import Context
from deskbell.errors import Problem

STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "opt out", "optout"})
START = frozenset({"start", "unstop"})
HELP = frozenset({"help"})


async def gate(ctx: Context, phone: str) -> None:
    """Refuses a number that has opted out or is on the do-not-call list."""
    standing = await suppressions.standing(ctx, phone)
    if standing.opted_out_at is not None:
        raise Problem("compliance_blocked", "This number has opted out of texts (sms_opted_out). Nothing was sent")
    if standing.on_dnc_at is not None:
        raise Problem("compliance_blocked", "This number is on the do-not-call list (on_dnc_list). Nothing was sent")


def keyword(body: str) -> Literal["stop", "start", "help"] | None:
    """What a text asks for when it is nothing but a keyword, in any case and width, whatever marks and emoji stand around it."""
    plain = "".join(map(letter_or_space, unicodedata.normalize("NFKC", body).casefold()))
    word = " ".join(plain.split())
    return "stop" if word in STOP else "start" if word in START else "help" if word in HELP else None


def letter_or_space(character: str) -> str:
    """Letters and digits as they are; nothing for what is not seen (format characters, variants of an emoji); else a space."""
    kind = unicodedata.category(character)
    if kind[0] in "LN":
        return character
    return "" if kind[0] == "M" or kind == "Cf" else " "
