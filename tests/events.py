"""What the event log holds of one organization, as stored."""

from __future__ import annotations

import json
from typing import Any

from deskbell.core.events import events
from tests.desk import Api
from tests.postgres import stored


def recorded(api: Api, *types: str) -> list[dict[str, Any]]:
    """The events of these types in the order of their commits, with `changes` and `data` as objects."""
    names = [column.name for column in events.columns]
    rows = [dict(zip(names, row, strict=True)) for row in stored(api.server.database)["events"]]
    own = [row for row in rows if str(row["organization_id"]) == api.organization_id and row["type"] in types]
    for row in own:
        row |= {name: json.loads(row[name] or "null") for name in ("changes", "data")}
    return sorted(own, key=lambda row: int(row["position"]))
