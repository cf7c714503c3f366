"""What a tool returns to a model: compact JSON, or an error with advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from deskbell.errors import CATALOGUE, Problem

#: What a model should do about an error, if the catalogue's `fix`, which is written for programmers, would not help it.
ADVICE = {
    "validation_error": "Correct the arguments, then call again.",
    "not_found": "Look the id up with a list tool; the same id will fail again.",
    "lead_not_found": "Find the lead's id with list_leads; the same id will fail again.",
    "duplicate": "Find that lead with list_leads and change it with update_lead; do not retry.",
    "compliance_blocked": "Nothing was sent. Do not retry; only the person can opt in again, by texting START.",
    "query_failed": "Call again in a few seconds.",
    "create_failed": "Nothing was saved. Call again in a few seconds.",
    "internal_error": "Nothing was saved. Call again once; if it fails again, tell the person that you work for.",
}


class Outcome(NamedTuple):
    """The result of a call: compact JSON, or the text of an error."""

    text: bytes
    failed: bool = False


def advice(code: str) -> str | None:
    """Advice on an error. None for a code that this version does not know."""
    return ADVICE.get(code) or (CATALOGUE[code].fix if code in CATALOGUE else None)


def failure(tool: str, problem: Problem) -> Outcome:
    return worded_failure(tool, problem.code, problem.message, advice(problem.code) or "")


def worded_failure(tool: str, code: str, message: str, advice: str) -> Outcome:
    text = f"{tool} failed ({code}): {message.rstrip('.')}. {advice}"
    return Outcome(text.rstrip().encode(), failed=True)


def permission_denied(scope: str) -> Outcome:
    """The text that the public API prescribes for a missing scope."""
    return Outcome(f"Permission denied: API key missing scope '{scope}'".encode(), failed=True)


def list_result(items: Sequence[Any], total: int) -> dict[str, Any]:
    """A list, with a note to the model when it is not complete."""
    result: dict[str, Any] = {"items": items, "total": total}
    if omitted := total - len(items):
        result["note"] = f"{omitted} more not shown: use a narrower filter, or a larger limit (at most 100)."
    return result


def without_nulls(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def compact_record(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """A function that converts a record of this type to an object without nulls."""
    names: tuple[str, ...] = kind.__struct_fields__

    def compact(record: Any) -> dict[str, Any]:
        values = zip(names, msgspec.structs.astuple(record), strict=True)
        return {name: value for name, value in values if value is not None}

    return compact
