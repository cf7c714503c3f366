"""An operation that answers an error which it has not declared fails the test that meets it, so the reference names every error."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskbell import app
from deskbell.core.context import Context
from deskbell.core.operation import Operation
from deskbell.leads.model import Lead, NewLead
from deskbell.leads.operations import create_lead
from tests.declared_errors import UNDECLARED
from tests.desk import refused, running


async def copy_lead(ctx: Context, new: NewLead) -> Lead:
    """Record a lead."""
    return await create_lead(ctx, new)


@pytest.mark.parametrize(("errors", "found"), [(("duplicate",), 0), ((), 1)])
def test_an_error_that_is_not_declared_is_found(
    errors: tuple[str, ...], found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = Operation("leads.copy", copy_lead, "POST /api/v1/copies", scope="leads:write", errors=errors)
    monkeypatch.setattr(app, "OPERATIONS", [*app.OPERATIONS, added])
    with running(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        api.lead(phone="+15125550123")
        refused(api.post("/copies", {"first_name": "Ann", "phone": "+15125550123"}), 409, "duplicate")
    noted = [line for line in UNDECLARED if "leads.copy" in line]
    UNDECLARED.clear()
    assert noted == ["leads.copy answers `duplicate` (409) and does not declare it"] * found
