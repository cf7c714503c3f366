"""Lists: the page that a client asks for and the page that it gets."""

from __future__ import annotations

import math
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")
SortDir = Literal["asc", "desc"]


class Paging(msgspec.Struct, kw_only=True):
    """The query parameters that every list has."""

    page: Annotated[int, msgspec.Meta(ge=1, description="Page number, from 1")] = 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="Rows per page")] = 50


class Window(msgspec.Struct, kw_only=True):
    """The query parameters that every list of the agent API has."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="The most rows to return")] = 50
    offset: Annotated[int, msgspec.Meta(ge=0, description="How many rows to skip")] = 0


class Pagination(msgspec.Struct):
    """Where a part of a list stands in the whole, which has `total` rows."""

    limit: int
    offset: int
    total: int


def given(value: T | UnsetType) -> T | None:
    """What a query parameter filters by; None where it was not sent. An empty text was."""
    return None if value is UNSET else value


class Meta(msgspec.Struct):
    """Where a page stands among all pages. Without rows there are no pages."""

    page: int
    limit: int
    total: int
    total_pages: int


class CursorMeta(msgspec.Struct):
    """Where to go on reading a log: give `next` as `after`. It is there at the end of the log too."""

    limit: int
    next: str


class Rows(Generic[T]):
    """Some rows of a list and where they stand in it."""

    __slots__ = ("meta", "rows")
    meta: Meta | CursorMeta

    def __init__(self, rows: list[T], meta: Meta | CursorMeta) -> None:
        self.rows = rows
        self.meta = meta


class Page(Rows[T]):
    """One page of a list with the exact number of all rows."""

    __slots__ = ()
    meta: Meta

    def __init__(self, rows: list[T], total: int, paging: Paging) -> None:
        super().__init__(rows, Meta(paging.page, paging.limit, total, math.ceil(total / paging.limit)))


class CursorPage(Rows[T]):
    """Some rows of a log that only grows, from a cursor on. They are not counted."""

    __slots__ = ()
    meta: CursorMeta

    def __init__(self, rows: list[T], limit: int, next: str) -> None:
        super().__init__(rows, CursorMeta(limit, next))
