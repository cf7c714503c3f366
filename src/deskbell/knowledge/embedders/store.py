"""Which embedder's vectors each knowledge base is searched by, and how its scores are calibrated: every query on that."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Update, and_, or_, select, update

from deskbell.foundation.db import command, query
from deskbell.knowledge.model import BaseRef
from deskbell.knowledge.store import knowledge_bases


def _base(organization_id: str, id: str) -> Any:
    return and_(knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)


@command
def set_embedder(organization_id: str, id: str, embedder: str, *, replace: bool) -> Update:
    """Sets whose vectors a knowledge base is searched by; without `replace` only where none is set yet."""
    base = [_base(organization_id, id)]
    if not replace:
        base.append(knowledge_bases.c.embedder.is_(None))
    return update(knowledge_bases).where(*base).values(embedder=embedder)


def _bases_after(id: str, condition: Any, most: int) -> Select[Any]:
    """Of all organizations, by id."""
    refs: Select[Any] = select(knowledge_bases.c.organization_id, knowledge_bases.c.id)
    return refs.where(knowledge_bases.c.id > id, condition).order_by(knowledge_bases.c.id).limit(most)


@query(BaseRef)
def bases_with_other_embedder(embedder: str, id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: knowledge bases that have another embedder's vectors, or none."""
    other = or_(knowledge_bases.c.embedder.is_(None), knowledge_bases.c.embedder != embedder)
    return _bases_after(id, other, most)


@query(BaseRef)
def bases_without_calibration(embedder: str, id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: knowledge bases that have this embedder's vectors, but no calibration."""
    missing = and_(knowledge_bases.c.embedder == embedder, knowledge_bases.c.calibration.is_(None))
    return _bases_after(id, missing, most)


@command
def set_calibration(organization_id: str, id: str, embedder: str, calibration: str) -> Update:
    """Stores a calibration, unless the knowledge base has changed to another embedder."""
    base = (_base(organization_id, id), knowledge_bases.c.embedder == embedder)
    return update(knowledge_bases).where(*base).values(calibration=calibration)
