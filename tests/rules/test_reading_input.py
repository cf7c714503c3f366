"""Whatever bytes arrive, reading them gives a value or a `validation_error`, never anything else."""

from __future__ import annotations

import json as standard
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from deskbell.errors import Problem
from deskbell.foundation import json
from deskbell.leads.model import LeadChanges, LeadFilter, NewLead

read_body, read_changes, read_query = json.decoder(NewLead), json.decoder(LeadChanges), json.query_decoder(LeadFilter)
names = st.sampled_from([*NewLead.__struct_fields__, "unknown", "a\0", "é"])
values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def outcome(read: Any, raw: bytes) -> Any:
    try:
        return read(raw)
    except Problem as refusal:
        problem = refusal
    assert (problem.code, problem.status) == ("validation_error", 400)
    assert problem.message.encode()
    return None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(names, values))
def test_any_object_is_read_or_refused(body: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        raw = standard.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        lead = outcome(read_body, raw)
        assert lead is None or "\\0" not in msgspec.json.encode(lead).decode()
        outcome(read_changes, raw)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary() | st.text('[]{}",:\\\\u0dDeE-.+19nulltrefasNa', max_size=200).map(str.encode))
def test_any_bytes_are_refused(raw: bytes) -> None:
    outcome(read_body, raw)
    outcome(read_query, raw)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from([*LeadFilter.__struct_fields__, "x"]), st.text() | st.integers() | st.binary()))
)
def test_any_query_is_read_or_refused(pairs: list[tuple[str, Any]]) -> None:
    def quoted(value: Any, *rest: Any) -> str:
        return quote_from_bytes(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass"))

    found = outcome(read_query, urlencode(pairs, quote_via=quoted).encode())
    assert found is None or (found.page >= 1 and 1 <= found.limit <= 100)
