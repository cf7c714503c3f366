"""Scopes, the roles of people, and the only table from roles to scopes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

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
    "inbox:write": "take over, hand back, assign, snooze and resolve conversations; write notes",
    "calendar:write": "change services, resources, hours, closures and calendar sources",
    "compliance:read": "read decisions, consent and evidence",
    "compliance:write": "record consent and suppressions, change the texting policy",
    "people:read": "read the team, invitations, groups and grants",
    "people:write": "change the team, invitations, groups and grants",
    "events:read": "read the event log, timelines, the stream and earlier versions of a record",
    "webhooks:read": "read webhook endpoints and deliveries",
    "webhooks:write": "create, replay and rotate webhook endpoints",
    "data:read": "export data",
    "data:write": "import, change in bulk and merge data",
    "settings:write": "change the organization's profile, numbers and carriers",
}

#: The scopes of the agent API: using agents, which every key may, and managing them.
USE, MANAGE = "agents:use", "agents:manage"

#: Creating and revoking one's own API keys. Members have it; `people:write` includes it; it cannot be given to a key by name.
OWN_KEYS = "keys:own"


class Scopes:
    """An explicit set of scopes. `Scopes.ALL` includes every scope, also those of later versions; `Scopes.NONE` is empty."""

    __slots__ = ("everything", "names")

    ALL: ClassVar[Scopes]
    NONE: ClassVar[Scopes]

    def __init__(self, names: Iterable[str], *, everything: bool = False) -> None:
        self.names = frozenset(names)
        self.everything = everything

    @classmethod
    def of_key(cls, names: Iterable[str]) -> Scopes:
        """The scopes of a key from its stored list. As the public API defines it, an empty list means full access."""
        scopes = set(names)
        return cls(scopes | {OWN_KEYS} if "people:write" in scopes else scopes) if scopes else cls.ALL

    def __contains__(self, scope: str) -> bool:
        return self.everything or scope in self.names

    def __and__(self, other: Scopes) -> Scopes:
        if self.everything or other.everything:
            return other if self.everything else self
        return Scopes(self.names & other.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scopes) and (self.everything, self.names) == (other.everything, other.names)

    def __hash__(self) -> int:
        return hash((self.everything, self.names))

    def __repr__(self) -> str:
        return "Scopes.ALL" if self.everything else f"Scopes({sorted(self.names)})"


Scopes.ALL = Scopes((), everything=True)
Scopes.NONE = Scopes(())

_read = [scope for scope in SCOPES if scope.endswith(":read")]
_daily_work = ["leads:write", "appointments:write", "tasks:write", "inbox:write", "messages:write"]

#: What each role may do. Owners and admins differ only in changing roles, which `identity.people` checks.
ROLE_SCOPES: dict[Role, Scopes] = {
    "owner": Scopes.ALL,
    "admin": Scopes.ALL,
    "member": Scopes([*_read, *_daily_work, USE, OWN_KEYS]),
    "viewer": Scopes(_read),
}
