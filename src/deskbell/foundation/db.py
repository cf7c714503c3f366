"""What every database offers: column types, statements compiled once per shape, and the session that runs them.

A statement is a function. Its positional parameters are binds; one with the default None is an optional filter (None is another
shape); keyword-only parameters choose the shape and are never sent. The body runs once per shape and the text is kept:

    @query(Lead)
    def lead_row(organization_id: str, id: str) -> Select[Any]:
        return select(*lead).where(leads.c.organization_id == organization_id, leads.c.id == id)

    found = await ctx.db.one(lead_row(ctx.organization_id, id))     # Lead | None
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, get_type_hints

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Executable,
    FromClause,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    select,
)
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.functions import FunctionElement

from deskbell.foundation.clock import Precise, Timestamp
from deskbell.foundation.limits import Limits

T = TypeVar("T")
P = ParamSpec("P")

#: Every table of the product; the slices' stores add theirs.
schema = MetaData()

# Columns hold the stored form: text, integers, booleans. What SQLite lacks is text there and the proper type on PostgreSQL.
ID = Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIMESTAMP = Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
JSON = Text().with_variant(
    postgresql.JSON(), "postgresql"
)  # not jsonb: what a client stores comes back as it was written
BOOLEAN = Integer().with_variant(Boolean(), "postgresql")


class DatabaseFailure(Exception):
    """The database could not do what was asked: it is away, full or broken. Nothing of the failed unit is stored."""


class ConstraintViolation(Exception):
    """A unique index refused a row. `index` is its name in the schema. It ends the unit: PostgreSQL cannot go on after it."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


class AwaitInTransaction(BaseException):
    """A handler awaited something other than `ctx.db`, inside a transaction. Not an Exception, so that no handler swallows it."""


class NeedsThread(BaseException):
    """A read would hold the event loop up; the database runs it again on a thread. Not an Exception, for the same reason."""


class Contains(ColumnElement[Any]):
    """Whether a case-folded search column holds the bound term, or the bound `digits` where these are given.

    `indexed` says that both have three characters or more, which a trigram index can find; shorter ones scan.
    """

    inherit_cache = False
    type = Integer()  # a Boolean would be rendered `= 1` on SQLite, which no index can serve

    def __init__(self, column: ColumnElement[str], term: Any, digits: Any | None, *, indexed: bool) -> None:
        self.column, self.terms, self.indexed = column, [term] if digits is None else [term, digits], indexed


class InList(ColumnElement[Any]):
    """Whether a column holds one of the texts or numbers of a bound JSON list."""

    inherit_cache = False
    type = Integer()

    def __init__(self, column: ColumnElement[Any], texts: Any) -> None:
        self.column, self.texts = column, texts


SEARCH_FIRST, BY_KEY = "search first", "by key"
LIMIT, OFFSET = bindparam("limit", type_=BigInteger()), bindparam("offset", type_=BigInteger())


def in_order(rows: Any, by: ColumnElement[Any], *, descending: bool) -> list[ColumnElement[Any]]:
    """The order of `rows` (the columns of a table or of a CTE) by one column of a table, nulls last, ties by id."""
    column, id = rows[by.key], rows["id"]
    ordered = [column.desc(), id.desc()] if descending else [column.asc(), id.asc()]
    nullable = isinstance(by, Column) and by.nullable
    return [ordered[0].nulls_last() if nullable else ordered[0], ordered[1]]


def searched(
    table: Table,
    conditions: Sequence[ColumnElement[Any]],
    columns: Sequence[Any],
    source: FromClause,
    by: ColumnElement[Any],
    *,
    descending: bool,
) -> Select[Any]:
    """A page of a search and its total: the text first, then filters, then the order; only the rows that are shown are read whole.

    `source` joins `table` with what `columns` need besides. The hints are for SQLite, whose planner has no statistics.
    """
    key = list(table.primary_key.columns)
    kept = key if by in key else [*key, by]
    hits = select(*kept).where(*conditions).with_hint(table, SEARCH_FIRST, "sqlite").cte("hits")
    ordered = in_order(hits.c, by, descending=descending)
    shown = select(*(hits.c[column.name] for column in key)).order_by(*ordered).limit(LIMIT).offset(OFFSET).cte("shown")
    joined = source.join(shown, and_(*(column == shown.c[column.name] for column in key)))
    rows = select(*columns).select_from(joined).with_hint(table, BY_KEY, "sqlite")
    rows = rows.order_by(*in_order(table.c, by, descending=descending))
    return rows.execution_options(total_of=select(func.count()).select_from(hits))


class Nearest(FunctionElement[Any]):
    """Rows of id and vector (two bytes that say the dimensions, two that say nothing, float16, all big-endian), about the nearest first.

    Its arguments: organization, knowledge base, embedder, the question's vector as JSON, and how many. Without a graph there are none.
    """

    inherit_cache = True
    name = "knowledge_nearest"


class DatabaseSize(ColumnElement[Any]):
    """How many bytes the database takes."""

    inherit_cache = True
    type = Integer()


class Compiled(NamedTuple):
    """A statement's text on one dialect, and how its call's arguments become the driver's parameters."""

    sql: str
    parameters: Callable[[tuple[Any, ...]], tuple[Any, ...]]


class Prepared(Generic[T]):
    """One shape of a statement: its construct, the maker of its rows, and its text per dialect, compiled at first use.

    `total_of` is set where the construct is already one page, as `searched` makes it: it counts the rows of all pages. A statement
    with the execution option `notify=False` writes what no listener of `Database.on_change` waits for.
    """

    __slots__ = ("binds", "compiled", "construct", "make", "notifies", "table", "total_of")

    def __init__(self, construct: Executable, binds: Iterable[str], make: Callable[[Any], T]) -> None:
        self.construct = construct
        self.binds = tuple(binds)
        self.make = make
        table = getattr(construct, "table", None)
        self.table = table.name if isinstance(table, Table) else first_table(construct)
        self.compiled: dict[str, Compiled] = {}
        options = construct.get_execution_options()
        self.total_of: Select[Any] | None = options.get("total_of")
        self.notifies: bool = options.get("notify", True)

    def on(self, dialect: Dialect, part: str = "") -> Compiled:
        """The text for a dialect. `part` is "page" or "count" for the two halves of a list, "whole" for both in one."""
        construct = self.construct
        binds = self.binds
        if part == "count":
            assert isinstance(construct, Select)
            construct = counted(construct) if self.total_of is None else self.total_of
        elif part in ("page", "whole") or self.total_of is not None:
            assert isinstance(construct, Select)
            total = counted(construct).correlate(None) if self.total_of is None else self.total_of
            if part == "whole":
                construct = construct.add_columns(total.scalar_subquery())
            if self.total_of is None:
                construct = construct.limit(LIMIT).offset(OFFSET)
            binds = (*binds, "limit", "offset")
        text = construct.compile(dialect=dialect)  # type: ignore[attr-defined]
        wanted: list[str] = text.positiontup or []
        constants = {name: text.params[name] for name in wanted if name not in binds}
        if missing := [name for name in constants if text.binds[name].required]:
            raise TypeError(f"{missing} are neither arguments nor constants of {text}")
        places = {name: place for place, name in enumerate([*binds, *constants])}
        tail = tuple(constants.values())
        if not wanted:
            pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = lambda values: ()  # noqa: E731
        elif len(wanted) == 1:
            only = places[wanted[0]]
            pick = lambda values: ((*values, *tail)[only],)  # noqa: E731
        else:
            getter = itemgetter(*(places[name] for name in wanted))
            pick = (lambda values: getter((*values, *tail))) if tail else getter
        compiled = self.compiled[dialect.name + part] = Compiled(str(text), pick)
        return compiled


class Bound(Generic[T]):
    """A statement with its arguments, ready to run. Made by calling a `@query` or `@command` function."""

    __slots__ = ("prepared", "values")

    def __init__(self, prepared: Prepared[T], values: tuple[Any, ...]) -> None:
        self.prepared = prepared
        self.values = values


class Session(Protocol):
    """One connection within one transaction. The only thing that a handler may await."""

    async def one(self, statement: Bound[T]) -> T | None:
        """The first row, or None."""

    async def all(self, statement: Bound[T], *, long: bool = False) -> list[T]:
        """Every row. `long` says that there are so many or so large ones that the event loop must not wait for it."""

    async def page(
        self, statement: Bound[T], page: int, limit: int, *, offset: int = 0, long: bool = False
    ) -> tuple[list[T], int]:
        """Page number `page` (from 1) of at most `limit` rows, and the exact number of rows on all pages.

        `offset` rows more are left out. `long` says that no index helps, so the event loop must not wait for it.
        """

    async def run(self, statement: Bound[Any]) -> int:
        """Runs a statement that returns no rows; answers how many it changed."""

    async def lock(self, name: str) -> None:
        """Waits until no other transaction holds this name, then holds it until this one ends."""


#: One unit of work: called with a session, it gives a coroutine that awaits nothing else.
Work = Callable[[Session], Coroutine[Any, Any, T]]


class Graphs(Protocol):
    """Tables of vectors in which a graph leads to the nearest ones: made and filled by jobs, read by the statement element `Nearest`.

    `name` is a table's own. What takes long may be cancelled and called again.
    """

    async def refusal(self, dimensions: int, *, install: bool = False) -> str | None:
        """Why there can be none for vectors of so many numbers, and what to do; None where there can. May `install` what is missing."""

    async def make(self, name: str, dimensions: int) -> None:
        """An empty table, if there is none of that name."""

    async def counts(self, name: str) -> dict[tuple[str, int], int]:
        """How many vectors a table has, by document and revision."""

    async def fill(self, name: str, organization_id: str, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
        """All vectors of some documents' revisions, in the place of those that were there: id, document, revision, float16 little-endian."""

    async def remove(self, name: str, revisions: Sequence[tuple[str, int]]) -> None:
        """Takes out what is of these documents' revisions."""

    async def finish(self, name: str) -> None:
        """Makes the graph, which can take minutes; from then on it takes in what is added."""

    async def drop(self, name: str) -> None: ...


class Database(Protocol):
    """Where sessions come from. `work` is called with a session, and again when its transaction must be repeated.

    `organization_id` is the organization whose rows the work may touch; None is the system itself. `alone` says that no other
    process serves the same data; `limits` hold across all that do; `graphs` is None where there are none.
    """

    single_process: bool
    limits: Limits
    graphs: Graphs | None

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Finishes what was submitted, then lets go."""

    async def read(self, work: Work[T], organization_id: str | None = None) -> T: ...

    async def write(self, work: Work[T], organization_id: str | None = None) -> T: ...

    def on_change(self, table: str, told: Callable[[], None]) -> None:
        """Calls back, in the event loop, after any process may have written `table` (jobs, or one that tells who may call)."""

    async def broadcast(self, news: str) -> None:
        """Tells everybody who hears, in all processes that serve the same data. At most 4,000 bytes; nothing is kept."""

    def on_broadcast(self, told: Callable[[str], None]) -> None:
        """Calls back, in the event loop, with what is announced."""


def counted(rows: Select[Any]) -> Select[Any]:
    """How many rows a SELECT has."""
    return rows.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)


def first_table(construct: Any) -> str:
    """The table whose rows a SELECT lists: that of its first column."""
    columns: Any = construct.selected_columns if isinstance(construct, Select) else []
    return next((str(column.table.name) for column in columns if isinstance(getattr(column, "table", None), Table)), "")


def row_maker(kind: type[T]) -> Callable[[Any], T]:
    """A function from a driver's row to a record, written for this record type: one expression, no loop.

    Flags become bool, moments are cut to the seconds or milliseconds that are shown, stored JSON is passed through unread.
    """
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return itemgetter(0)
    hints = get_type_hints(kind, include_extras=True)
    cells = []
    for place, name in enumerate(kind.__struct_fields__):
        cell, hint = f"row[{place}]", hints[name]
        if hint is bool:
            cells.append(f"{cell} == 1")
        elif getattr(hint, "__origin__", hint) is msgspec.Raw:
            cells.append(f"Raw({cell})")
        elif hint == Timestamp:
            cells.append(f"{cell}[:19] + 'Z'")
        elif hint == Timestamp | None:
            cells.append(f"{cell} and {cell}[:19] + 'Z'")
        elif hint == Precise:
            cells.append(f"{cell}[:23] + 'Z'")
        elif hint == Precise | None:
            cells.append(f"{cell} and {cell}[:23] + 'Z'")
        else:
            cells.append(cell)
    made: Callable[[Any], T] = eval(f"lambda row: Kind({', '.join(cells)})", {"Kind": kind, "Raw": msgspec.Raw})
    return made


def statement(
    function: Callable[P, Executable], make: Callable[[Any], T], fields: tuple[str, ...] | None
) -> Callable[P, Bound[T]]:
    parameters = inspect.signature(function).parameters.values()
    binds = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    optional = [each.name for each in parameters if each.default is None and each.kind is not each.KEYWORD_ONLY]
    required = len(binds) - len(optional)
    shapes: dict[Any, Prepared[T]] = {}

    def prepare(key: Any, values: tuple[Any, ...], shape: dict[str, Any]) -> Prepared[T]:
        given: list[Any] = [
            None if name in optional and values[place] is None else bindparam(name) for place, name in enumerate(binds)
        ]
        construct = function(*given, **shape)
        if fields is not None and isinstance(construct, Select) and tuple(construct.selected_columns.keys()) != fields:
            raise TypeError(
                f"{function.__qualname__} selects {construct.selected_columns.keys()}, its record has {fields}"
            )
        made = shapes[key] = Prepared(construct, binds, make)
        return made

    def bound(*values: Any, **shape: Any) -> Bound[T]:
        if len(values) < len(binds):
            values += tuple(shape.pop(name, None) for name in binds[len(values) :])
        key = (
            (tuple(shape.values()), tuple([value is None for value in values[required:]]))
            if shape or optional
            else None
        )
        return Bound(shapes.get(key) or prepare(key, values, shape), values)

    bound.__doc__, bound.__name__, bound.__wrapped__ = function.__doc__, function.__name__, function  # type: ignore[attr-defined]
    bound.shapes = shapes  # type: ignore[attr-defined]
    return bound


def query(kind: type[T]) -> Callable[[Callable[P, Executable]], Callable[P, Bound[T]]]:
    """Declares a statement whose rows are `kind`: a record, or the plain type of its only column."""
    make = row_maker(kind)
    fields = kind.__struct_fields__ if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None
    return lambda function: statement(function, make, fields)


def command(function: Callable[P, Executable]) -> Callable[P, Bound[None]]:
    """Declares a statement that returns no rows."""
    return statement(function, lambda row: None, None)


@lru_cache(maxsize=1024)
def _insert(table: Table, columns: tuple[str, ...]) -> Prepared[None]:
    construct = insert_into(table).values({name: bindparam(f"v_{name}") for name in columns})
    return Prepared(construct, [f"v_{name}" for name in columns], lambda row: None)


@lru_cache(maxsize=1024)
def _update(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Prepared[None]:
    construct = update_table(table).where(*(table.c[name] == bindparam(f"k_{name}") for name in key))
    construct = construct.values({name: bindparam(f"v_{name}") for name in columns})
    return Prepared(construct, [*(f"k_{name}" for name in key), *(f"v_{name}" for name in columns)], lambda row: None)


def insert(table: Table, values: Mapping[str, Any]) -> Bound[None]:
    """Stores one row; the columns that are given make the shape."""
    return Bound(_insert(table, tuple(values)), tuple(values.values()))


def update(table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> Bound[None]:
    """Changes the given columns of the rows whose key columns equal the given ones."""
    return Bound(_update(table, tuple(key), tuple(values)), (*key.values(), *values.values()))
