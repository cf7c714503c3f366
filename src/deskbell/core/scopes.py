"""What a key may do: scopes, and the roles that people have."""

from __future__ import annotations

from typing import Literal

Role = Literal["owner", "admin", "member", "viewer"]
#: Every scope that a key can hold and what it grants. Write does not imply read.
SCOPES = {
    "leads:read": "list and get leads",
    "leads:write": "create, update and archive leads",
    "appointments:read": "list and get appointments",
    "appointments:write": "create, update and cancel appointments",
    "tasks:read": "list and get tasks",
    "tasks:write": "create, update and cancel tasks",
    "conversations:read": "read threads and messages",
    "messages:write": "send texts, compliance-checked",
    "org:read": "read the organization's configuration",
}


#: What an operation of the agent API asks of a key: to use agents, which every key may, or to manage them.
USE, MANAGE = "agents:use", "agents:manage"
