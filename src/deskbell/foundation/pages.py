"""Lists: the page that a client asks for and the page that it gets."""

from __future__ import annotations

import math
from typing import Annotated, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Paging(msgspec.Struct, kw_only=True):
    """The query parameters that every list has."""

    page: Annotated[int, msgspec.Meta(ge=1, description="Page number, from 1")] = 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="Rows per page")] = 50


class Meta(msgspec.Struct):
    """Where a page stands among all pages. Without rows there are no pages."""

    page: int
    limit: int
    total: int
    total_pages: int


class Page(Generic[T]):
    """One page of a list with the exact number of all rows."""

    __slots__ = ("meta", "rows")

    def __init__(self, rows: list[T], total: int, paging: Paging) -> None:
        self.rows = rows
        self.meta = Meta(paging.page, paging.limit, total, math.ceil(total / paging.limit))
