"""Resources: records that a person can attach to a conversation with their AI client. They are read by calling the tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deskbell.core.principal import Principal
from deskbell.core.tools.outcome import Outcome
from deskbell.core.tools.tool import CallableTool
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp.request_context import CHANNEL

MEDIA_TYPE = "application/json"
ORGANIZATION = "deskbell://org"
_lead = re.compile(r"deskbell://leads/([^/]{1,64})").fullmatch

RESOURCES: list[dict[str, Any]] = [
    {
        "uri": ORGANIZATION,
        "name": "org",
        "title": "Your organization",
        "description": "Name, contact details, opening hours, time zone and AI persona",
        "mimeType": MEDIA_TYPE,
    }
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "uriTemplate": "deskbell://leads/{id}",
        "name": "lead",
        "title": "A lead",
        "description": "One lead with all its fields, by its id (UUID)",
        "mimeType": MEDIA_TYPE,
    }
]


async def read(tools: Mapping[str, CallableTool], database: Database, principal: Principal, uri: str) -> Outcome:
    """A resource's content as JSON. Raises `not_found` for an unknown address; a foreign record is the tool's `not_found`."""
    if uri == ORGANIZATION:
        return await tools["get_org"].call(database, principal, CHANNEL, {})
    if found := _lead(uri):
        return await tools["get_lead"].call(database, principal, CHANNEL, {"id": found[1]})
    raise Problem("not_found", "There is no such resource")
