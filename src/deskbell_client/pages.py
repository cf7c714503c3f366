"""Lists: one page of them, and the walk over all pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import msgspec


class Row(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
R = TypeVar("R", bound=Row)


class Meta(msgspec.Struct, frozen=True):
    """Where a page stands among all pages. `total` counts the rows of all of them; without rows there are no pages."""

    page: int
    limit: int
    total: int
    total_pages: int


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. Iterate over it, or read `rows`; `meta` says how much there is in all."""

    rows: list[T] = msgspec.field(name="data")
    meta: Meta

    def __iter__(self) -> Iterator[T]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class CursorMeta(msgspec.Struct, frozen=True):
    """Where to go on: give `next` as `after`. It is there at the end too."""

    limit: int
    next: str


class CursorPage(msgspec.Struct, Generic[T], frozen=True):
    """Some rows of a log. Iterate over it, or read `rows`; `meta.next` is the cursor of what comes after them."""

    rows: list[T] = msgspec.field(name="data")
    meta: CursorMeta

    def __iter__(self) -> Iterator[T]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Walk(Generic[R]):
    """How far an iteration over all pages has come. `page` is the number of the page to read next, None at the end.

    Rows move to a later page when others are added meanwhile; each is given once.
    """

    def __init__(self) -> None:
        self.page: int | None = 1
        self.seen: set[str] = set()

    def take(self, page: Page[R]) -> list[R]:
        """The rows of the page that was read, without those given before."""
        fresh = [row for row in page if row.id not in self.seen]
        self.seen.update(row.id for row in fresh)
        self.page = page.meta.page + 1 if page.rows and page.meta.page < page.meta.total_pages else None
        return fresh
