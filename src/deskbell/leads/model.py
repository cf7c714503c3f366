"""Leads: the people and companies that may become customers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Instant, Timestamp
from deskbell.foundation.contact import Email
from deskbell.foundation.ids import Uuid
from deskbell.foundation.json import Object, Strings
from deskbell.foundation.pagination import Paging, SortDir

Temperature = Literal["cold", "warm", "hot"]
Source = Literal["manual", "api", "website", "referral", "import", "other"]
SortBy = Literal["created_at", "updated_at", "first_name", "last_name", "lead_score"]

Name = Annotated[str, Meta(max_length=100, examples=["Lopez"])]
FirstName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S", examples=["Maria"])]
Phone = Annotated[
    str,
    Meta(
        max_length=64,
        extra_json_schema={"format": "phone"},
        description="A phone number, read as one of the organization's country unless it begins with `+`; stored in E.164",
        examples=["+15125550123"],
    ),
]
Company = Annotated[str, Meta(max_length=200)]
Street = Annotated[str, Meta(max_length=200)]
State = Annotated[str, Meta(max_length=2, examples=["TX"])]
Zip = Annotated[str, Meta(max_length=10, examples=["78701"])]
Status = Annotated[str, Meta(max_length=50, examples=["new"])]
Notes = Annotated[str, Meta(max_length=5000)]
Search = Annotated[str, Meta(description="Part of a name, e-mail address or phone number", examples=["lopez"])]


class Lead(msgspec.Struct):
    """A lead. `sms_opted_out` and `on_dnc_list` follow its present phone number: check them before texting.

    `lead_score` is 0 until scored. Archived leads are never shown.
    """

    id: Uuid
    organization_id: Uuid
    first_name: str
    last_name: str | None
    phone: str | None
    email: str | None
    company: str | None
    address_street: str | None
    city: str | None
    state: str | None
    zip: str | None
    status: str
    temperature: Temperature | None
    source: Source
    lead_score: int
    notes: str | None
    tags: Strings
    custom_fields: Object
    sms_opted_out: bool
    on_dnc_list: bool
    archived_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class Erasure(msgspec.Struct):
    """An erased lead: its organization and its id."""

    organization_id: str
    id: str


class NewLead(msgspec.Struct, kw_only=True):
    """The fields of a new lead. Only `first_name` is required."""

    first_name: FirstName
    last_name: Name | None = None
    phone: Phone | None = None
    email: Email | None = None
    company: Company | None = None
    address_street: Street | None = None
    city: str | None = None
    state: State | None = None
    zip: Zip | None = None
    status: Status = "new"
    temperature: Temperature | None = None
    source: Source = "api"
    notes: Notes | None = None
    tags: list[str] = []
    custom_fields: dict[str, Any] = {}


class LeadChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay, null clears a nullable one."""

    first_name: FirstName | UnsetType = UNSET
    last_name: Name | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    company: Company | UnsetType | None = UNSET
    address_street: Street | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    state: State | UnsetType | None = UNSET
    zip: Zip | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    source: Source | UnsetType = UNSET
    notes: Notes | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    custom_fields: dict[str, Any] | UnsetType = UNSET


class LeadFilter(Paging, kw_only=True):
    """Which leads to list, and in what order."""

    status: Annotated[str, Meta(description="Exactly this status")] | UnsetType = UNSET
    temperature: Annotated[Temperature, Meta(description="Exactly this temperature")] | UnsetType = UNSET
    search: Search | UnsetType = UNSET
    created_after: Annotated[Instant, Meta(description="Created at this moment or later")] | UnsetType = UNSET
    created_before: Annotated[Instant, Meta(description="Created before this moment")] | UnsetType = UNSET
    sort_by: Annotated[SortBy, Meta(description="What to sort by; ties break by id")] = "created_at"
    sort_dir: Annotated[SortDir, Meta(description="Ascending or descending")] = "desc"
