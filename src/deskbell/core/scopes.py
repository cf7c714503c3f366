"""What somebody may do: scopes, and the roles that people have. The one table from roles to scopes is here."""

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

#: What an operation of the agent API asks of a key: to use agents, which every key may, or to manage them.
USE, MANAGE = "agents:use", "agents:manage"

#: Making and revoking API keys of one's own, which a member may without `people:write`; that scope includes it. No key names it.
OWN_KEYS = "keys:own"


class Scopes:
    """An explicit set of scopes. `Scopes.ALL` holds every scope, those of later versions too; `Scopes.NONE` holds none."""

    __slots__ = ("everything", "names")

    ALL: ClassVar[Scopes]
    NONE: ClassVar[Scopes]

    def __init__(self, names: Iterable[str], *, everything: bool = False) -> None:
        self.names = frozenset(names)
        self.everything = everything

    @classmethod
    def of_key(cls, names: Iterable[str]) -> Scopes:
        """The scopes that a key holds as it is stored: by the public API's contract, an empty list means full access."""
        held = set(names)
        return cls(held | {OWN_KEYS} if "people:write" in held else held) if held else cls.ALL

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

#: What each role may do. An owner and an admin differ in what they may do with roles, which `identity.people` decides.
ROLE_SCOPES: dict[Role, Scopes] = {
    "owner": Scopes.ALL,
    "admin": Scopes.ALL,
    "member": Scopes([*_read, *_daily_work, USE, OWN_KEYS]),
    "viewer": Scopes(_read),
}
