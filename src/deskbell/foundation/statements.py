"""Statements, compiled once per shape and database.

A statement is a function. Its positional parameters are binds; one with the default None is an optional filter (None is another
shape); keyword-only parameters choose the shape and are never sent. The body runs once per shape, and its SQL is cached:

    @query(Lead)
    def lead_row(organization_id: str, id: str) -> Select[Any]:
        return select(*lead).where(leads.c.organization_id == organization_id, leads.c.id == id)

    found = await ctx.db.one(lead_row(ctx.organization_id, id))     # Lead | None
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, get_type_hints

import msgspec
from sqlalchemy import Executable, Select, Table, bindparam, func
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table
from sqlalchemy.engine.interfaces import Dialect

from deskbell.foundation.clock import Precise, Timestamp
from deskbell.foundation.columns import LIMIT, OFFSET

T = TypeVar("T")
P = ParamSpec("P")


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
    """A statement with its arguments, ready to run: what a `@query` or `@command` function returns."""

    __slots__ = ("prepared", "values")

    def __init__(self, prepared: Prepared[T], values: tuple[Any, ...]) -> None:
        self.prepared = prepared
        self.values = values


def counted(rows: Select[Any]) -> Select[Any]:
    """How many rows a SELECT has."""
    return rows.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)


def first_table(construct: Any) -> str:
    """The table whose rows a SELECT lists: that of its first column."""
    columns: Any = construct.selected_columns if isinstance(construct, Select) else []
    return next((str(column.table.name) for column in columns if isinstance(getattr(column, "table", None), Table)), "")


def row_maker(kind: type[T]) -> Callable[[Any], T]:
    """A function from a driver's row to a record, compiled for this record type: one expression, no loop.

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
    maker: Callable[[Any], T] = eval(f"lambda row: Kind({', '.join(cells)})", {"Kind": kind, "Raw": msgspec.Raw})
    return maker


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
        prepared = shapes[key] = Prepared(construct, binds, make)
        return prepared

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
