"""Opt-outs and do-not-call entries by number, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Select,
    Table,
    Text,
    select,
    tuple_,
)

from deskbell.compliance.model import Suppression, SuppressionStatus
from deskbell.foundation.db import ID, TIMESTAMP, query, schema

#: Opt-outs and do-not-call entries, by number, independent of leads. `phone` is null once the person was erased.
suppressions = Table(
    "suppressions",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("number_hash", Text, primary_key=True),
    Column("phone", Text),
    Column("opted_out_at", TIMESTAMP),
    Column("on_dnc_at", TIMESTAMP),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


@query(SuppressionStatus)
def suppression_status(organization_id: str, number_hash: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks."""
    status = select(*(suppressions.c[name] for name in SuppressionStatus.__struct_fields__))
    return status.where(
        suppressions.c.organization_id == organization_id, suppressions.c.number_hash == number_hash
    ).with_for_update()


@query(Suppression)
def suppressions_after(organization_id: str, number_hash: str, limit: int) -> Select[Any]:
    """A page of the suppressions of all organizations in the order of their key, after the given key."""
    after = tuple_(suppressions.c.organization_id, suppressions.c.number_hash) > tuple_(organization_id, number_hash)
    order = (suppressions.c.organization_id, suppressions.c.number_hash)
    return (
        select(*(suppressions.c[name] for name in Suppression.__struct_fields__))
        .where(after)
        .order_by(*order)
        .limit(limit)
    )
