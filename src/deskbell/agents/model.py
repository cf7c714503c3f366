"""Agents: a model, a prompt, and the knowledge bases that it answers from."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Precise
from deskbell.foundation.ids import Uuid
from deskbell.foundation.json import Object
from deskbell.foundation.pagination import Pagination

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Front desk"])]
Description = Annotated[str, Meta(max_length=2000)]
Model = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["openai/gpt-4o"])]
Prompt = Annotated[
    str,
    Meta(
        max_length=100_000,
        description="The model's instructions; `{{name}}` stands for a variable",
        examples=["You answer for {{business}}. Be brief."],
    ),
]
Variable = Annotated[str, Meta(max_length=5000)]
Variables = Annotated[
    dict[str, Variable],
    Meta(
        max_length=100,
        description="Values of the prompt's variables; a name has at most 64 letters, digits, `_`, `-` and `.`, a letter or `_` first",
        examples=[{"business": "Acme Roofing"}],
    ),
]
Welcome = Annotated[str, Meta(max_length=5000, description="The first message of each new conversation")]
BaseIds = Annotated[list[str], Meta(max_length=100, description="Knowledge bases to answer from")]


class Bot(msgspec.Struct, rename="camel"):
    """An agent in a list. `model` is that of the live version, and of the draft before the first one."""

    id: Uuid
    name: str
    description: str | None
    model: Annotated[str, Meta(examples=["openai/gpt-4o"])] | None
    is_draft: bool
    organization_id: Annotated[str, Meta(examples=["org_4fJx0QmTz81LbRcw"])]
    created_at: Precise
    updated_at: Precise


class Bots(msgspec.Struct):
    """One page of the list of agents."""

    bots: list[Bot]
    pagination: Pagination


class LinkedBase(msgspec.Struct):
    """A knowledge base that an agent answers from."""

    id: Annotated[str, Meta(examples=["kb_4fJx0QmTz81LbRcw"])]
    name: str


class PublicAgent(msgspec.Struct, rename="camel"):
    """An agent as every key may see it: without its prompt."""

    id: Uuid
    name: str
    description: str | None
    model: Annotated[str, Meta(examples=["openai/gpt-4o"])] | None
    is_draft: bool
    organization_id: Annotated[str, Meta(examples=["org_4fJx0QmTz81LbRcw"])]
    knowledge_bases: list[LinkedBase]
    created_at: Precise
    updated_at: Precise


class Agent(msgspec.Struct, rename="camel"):
    """An agent as it is edited. With `pendingEdits` its live version, which answers, is an older one.

    `awaitingApproval` says that an owner or admin has to publish what a member or an application wants to.
    """

    id: Uuid
    name: str
    description: str | None
    model: Annotated[str, Meta(examples=["openai/gpt-4o"])] | None
    system_prompt: Annotated[str, Meta(examples=["You answer for {{business}}. Be brief."])] | None
    variables: Object
    welcome_message: str | None
    is_draft: bool
    pending_edits: bool
    awaiting_approval: bool
    live_version: int | None
    organization_id: Annotated[str, Meta(examples=["org_4fJx0QmTz81LbRcw"])]
    knowledge_bases: list[LinkedBase]
    created_at: Precise
    updated_at: Precise


class AgentSnapshot(Agent, rename="camel"):
    """An agent as the event log keeps it: with the number of its newest version, which drafts do not have."""

    last_version: int | None


class NewAgent(msgspec.Struct, kw_only=True):
    """A new agent. It is a draft until it is published, and needs only a name."""

    name: Name
    description: Description | None = None
    model: Model | None = None
    system_prompt: Prompt | None = None
    variables: Variables = {}
    welcome_message: Welcome | None = None
    kb_ids: BaseIds = []


class AgentChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay, null clears a nullable one."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    model: Model | UnsetType | None = UNSET
    system_prompt: Prompt | UnsetType | None = UNSET
    variables: Variables | UnsetType = UNSET
    welcome_message: Welcome | UnsetType | None = UNSET
    kb_ids: BaseIds | UnsetType = UNSET


class AgentRow(msgspec.Struct):
    """An agent as it is stored. `last_version` is 0 before the first."""

    id: str
    name: str
    description: str | None
    model: str | None
    system_prompt: str | None
    variables: Object
    welcome_message: str | None
    live_model: str | None
    live_version: int | None
    last_version: int
    awaiting_approval: bool
    created_at: Precise
    updated_at: Precise


class Configuration(msgspec.Struct):
    """What a version captures."""

    model: str
    system_prompt: str
    variables: dict[str, str]


class VersionSummary(msgspec.Struct, rename="camel"):
    """A version in a list. `isCurrent` is the newest, `isLive` the one that answers."""

    number: int
    model: str
    change_summary: Annotated[str, Meta(examples=["Prompt: 2 lines added"])]
    is_current: bool
    is_live: bool
    created_at: Precise


class Versions(msgspec.Struct):
    """One page of the list of an agent's versions, newest first."""

    versions: list[VersionSummary]
    pagination: Pagination


class Version(msgspec.Struct, rename="camel"):
    """What an agent was at one time. A version never changes."""

    number: int
    model: str
    system_prompt: str
    variables: Object
    change_summary: Annotated[str, Meta(examples=["Prompt: 2 lines added"])]
    is_current: bool
    is_live: bool
    created_at: Precise


class VersionRow(msgspec.Struct):
    number: int
    model: str
    system_prompt: str
    variables: Object
    change_summary: str
    created_at: Precise
