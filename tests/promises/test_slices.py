"""Every slice declares what it brings, and whose data it keeps: a table that no slice names is a table that no erasure knows."""

from __future__ import annotations

from collections import Counter

import pytest

from deskbell.app import EVERY_OPERATION, SLICES
from deskbell.core.slice import Slice
from deskbell.foundation.db import schema
from tests.promises.test_imports import SLICES as FOLDERS
from tests.promises.test_imports import SOURCE

#: Columns that hold what people said, or who they are. A table with one is personal, or its slice says here why it is not.
PERSONAL_COLUMNS = {"phone", "email", "first_name", "body", "notes", "lead_id", "contact_id", "recipient"}
NOT_A_LEADS = {
    "people": "members of the team, who are removed by the owner",
    "mcp_replies": "answers of AI clients to questions of a server, kept until they are read",
}


def test_no_slice_lacks_its_declaration() -> None:
    declared = {each.name for each in SLICES} - {"mcp"}
    assert declared == FOLDERS
    for folder in FOLDERS:
        assert (SOURCE / folder / "slice.py").is_file(), f"{folder} has no slice.py"


def test_every_table_is_named_by_exactly_one_slice() -> None:
    named = Counter(table.name for each in SLICES for table in (*each.personal, *each.other))
    assert {name: named[name] for name in schema.tables} == dict.fromkeys(schema.tables, 1)


@pytest.mark.parametrize("slice", SLICES, ids=lambda slice: slice.name)
def test_a_table_with_personal_data_is_named_in_its_slices_erasure(slice: Slice) -> None:
    for table in slice.other:
        if found := PERSONAL_COLUMNS & set(table.columns.keys()):
            assert table.name in NOT_A_LEADS, (
                f"{table.name} has {found}: name it under `personal` and let `erase` empty it"
            )
    assert bool(slice.personal) == bool(slice.erase), f"{slice.name} names personal tables, or erases, but not both"


def test_a_slice_whose_records_point_to_leads_says_how_they_are_merged() -> None:
    for each in SLICES:
        if any({"lead_id", "contact_id"} & set(table.columns.keys()) for table in each.personal):
            assert each.merge is not None, each.name


def test_what_belongs_to_the_business_can_be_exported() -> None:
    exported = {export.name for each in SLICES for export in each.exports}
    assert {"leads", "appointments", "tasks", "messages"} <= exported


def test_every_operation_has_one_name() -> None:
    assert len({operation.name for operation in EVERY_OPERATION}) == len(EVERY_OPERATION)
