"""Groups of people, and grants: what a person or a group may do with one agent or knowledge base."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import UUID_PATTERN, Id, PublicId, Uuid
from deskbell.foundation.pagination import Paging

SubjectType = Literal["person", "group"]
ResourceType = Literal["agent", "knowledge_base"]
Level = Literal["view", "use", "edit", "manage"]
Origin = Literal["role", "person", "group"]

GroupName = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Sales"])]
PersonIds = Annotated[list[Id], Meta(max_length=500, description="The group's members, by their ids")]


PATTERN = f"{UUID_PATTERN}|{PublicId.schema['pattern']}"


class ResourceId(str):
    """The id of an agent (a UUID) or of a knowledge base (`kb_...`), in the form that records show."""

    __slots__ = ()
    schema: dict[str, Any] = {
        "type": "string",
        "pattern": PATTERN,
        "examples": ["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"],
    }
    expected = "must be the id of an agent or of a knowledge base"

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        for kind in (Id, PublicId):
            try:
                return cls(kind.parse(text))
            except ValueError:
                continue
        raise ValueError(cls.expected)


class Group(msgspec.Struct):
    """Some people of the team under one name, so that one grant serves all of them."""

    id: Uuid
    name: str
    person_ids: list[Uuid]
    created_at: Timestamp
    updated_at: Timestamp


class NewGroup(msgspec.Struct, kw_only=True):
    """What a group is made from."""

    name: GroupName
    person_ids: PersonIds = []


class GroupChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay. `person_ids` replaces all members."""

    name: GroupName | UnsetType = UNSET
    person_ids: PersonIds | UnsetType = UNSET


class GroupFilter(Paging, kw_only=True):
    """Which page of the groups to list."""


class Grant(msgspec.Struct):
    """A right of a person or a group on one agent or knowledge base. It raises what a role gives, never lowers it."""

    id: Uuid
    subject_type: SubjectType
    subject_id: Uuid
    resource_type: ResourceType
    resource_id: Annotated[str, Meta(examples=["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"])]
    level: Level
    created_at: Timestamp


class NewGrant(msgspec.Struct, kw_only=True):
    """What a grant is made from."""

    subject_type: SubjectType
    subject_id: Id
    resource_type: ResourceType
    resource_id: ResourceId
    level: Level


class GrantFilter(Paging, kw_only=True):
    """Which grants to list."""

    subject_id: Annotated[Id, Meta(description="Grants to this person or group")] | UnsetType = UNSET
    resource_id: Annotated[ResourceId, Meta(description="Grants on this agent or knowledge base")] | UnsetType = UNSET


class AccessFilter(Paging, kw_only=True):
    """Which page of somebody's rights to list."""


class Access(msgspec.Struct, rename={"origin": "from"}):
    """What a person may do with one agent or knowledge base: the highest of their role, their own grants and those of their groups.

    `from` names where it comes from: `role`, a grant to the `person`, or one to a `group`.
    """

    resource_type: ResourceType
    resource_id: Annotated[str, Meta(examples=["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"])]
    level: Level
    origin: Origin


class GroupRow(msgspec.Struct):
    """A group without its members."""

    id: str
    name: str
    created_at: Timestamp
    updated_at: Timestamp


class Granted(msgspec.Struct):
    """One grant that reaches a person."""

    subject_type: SubjectType
    resource_id: str
    level: Level
