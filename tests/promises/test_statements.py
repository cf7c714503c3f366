"""Every statement, in every shape, is good SQL on both databases; the lists find their rows by an index."""

from __future__ import annotations

import inspect
import itertools
import pkgutil
import re
from collections.abc import Collection, Iterator
from importlib import import_module
from typing import Any, get_args, get_type_hints

import apsw
import pytest

import deskbell
from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.foundation import db, postgres, sqlite


def statements() -> dict[str, Any]:
    """Every `@query` and `@command` of the program but the demo's, by module and name."""
    names = [module.name for module in pkgutil.walk_packages(deskbell.__path__, "deskbell.")]
    found = {}
    for name in names:
        if not name.endswith("__main__") and not name.startswith("deskbell.demo"):
            for member in vars(import_module(name)).values():
                if inspect.isfunction(member) and hasattr(member, "shapes") and origin(member).__module__ == name:
                    found[f"{name.removeprefix('deskbell.')}.{member.__name__}"] = member
    return found


def origin(statement: Any) -> Any:
    """The function that the decorator was given."""
    return statement.__wrapped__


STATEMENTS = statements()
LISTS = {
    f"{operation.handler.__module__.removeprefix('deskbell.').rpartition('.')[0]}.store.{name}"
    for operation in OPERATIONS
    if operation.lists
    for name in re.findall(r"store\.(\w+)\(", inspect.getsource(operation.handler))
}
LISTS |= {
    f"{operation.handler.__module__.removeprefix('deskbell.').rpartition('.')[0]}.store.{name}"
    for operation in AGENT_OPERATIONS
    if "pagination" in operation.record.__struct_fields__
    for name in re.findall(r"store\.(\w+_list)\(", inspect.getsource(operation.handler))
}
#: The filters that lists are used with most, in their usual order.
USUAL = {
    "leads.store.lead_list": ("status", "temperature", "created_after", "created_before"),
    "appointments.store.appointment_list": ("status", "lead_id", "start_after", "start_before"),
    "tasks.store.task_list": ("status", "assigned_to", "contact_id"),
}
ORDER = {"leads": "created_at", "appointments": "start_time", "tasks": "created_at"}
#: What may look at every row: an operator's rare commands, and the few jobs at a start, at an end and for the metrics.
WHOLE = {
    "all_organizations",
    "organization_named",
    "organization_of_lead",
    "erase_recipient",
    "drop_jobs",
    "drop_reservations",
    "pending_texts",
}
WHOLE |= {"release_claims", "counts"}
WHOLE |= {"live_jobs", "unknown_jobs", "failing_recurring_jobs", "job_counts"}  # asked by operators
WHOLE |= {"waiting_jobs"}  # when a sandbox sets its clock
WHOLE |= {"large_bases"}  # at a start and for the doctor
WHOLE |= {"nearest"}  # on SQLite it has no rows
WHOLE |= {"open_sessions", "open_ids", "end_without_key"}  # of a table whose rows have a cap


def split(statement: Any) -> tuple[list[str], list[str], list[str]]:
    """The names of a statement's required binds, optional filters and choosers of a shape."""
    parameters = list(inspect.signature(origin(statement)).parameters.values())
    positional = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    return (
        [each.name for each in positional if each.default is each.empty],
        [each.name for each in positional if each.default is None],
        [each.name for each in parameters if each.kind is each.KEYWORD_ONLY],
    )


def call(statement: Any, given: Collection[str] = (), **shape: Any) -> db.Bound[Any]:
    required, optional, _ = split(statement)
    return statement(*["x" for _ in required], *["x" if name in given else None for name in optional], **shape)


def shapes(statement: Any) -> Iterator[db.Bound[Any]]:
    """Every choice of a shape, with no, each and all optional filters; the first choice with every subset of them."""
    _, optional, choosers = split(statement)
    for number, shape in enumerate(choices(statement, choosers)):
        for size in range(len(optional) + 1):
            if number == 0 or size in (0, 1, len(optional)):
                for given in itertools.combinations(optional, size):
                    yield call(statement, given, **shape)


def choices(statement: Any, choosers: list[str]) -> list[dict[str, Any]]:
    hints = get_type_hints(origin(statement))
    allowed = [(False, True) if hints[name] is bool else get_args(hints[name]) for name in choosers]
    assert all(allowed), f"{hints}: the test cannot list what these allow"
    return [dict(zip(choosers, choice, strict=True)) for choice in itertools.product(*allowed)]


def parts(name: str) -> tuple[str, ...]:
    return ("", "page", "count") if name in LISTS else ("",)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path = str(tmp_path_factory.mktemp("statements") / "deskbell.db")
    sqlite.prepare(path, migrate=True)
    connection = sqlite.connect(path)
    yield connection
    connection.close()


def test_the_walk_finds_the_statements() -> None:
    assert len(STATEMENTS) >= 40
    assert LISTS - set(STATEMENTS) == set()
    assert len(LISTS) >= 7


@pytest.mark.parametrize("name", STATEMENTS)
def test_compiles_for_both_databases_and_prepares_on_sqlite(file: apsw.Connection, name: str) -> None:
    for bound in shapes(STATEMENTS[name]):
        for part in parts(name):
            assert bound.prepared.on(postgres.DIALECT, part).sql
            explain(file, bound, part, "EXPLAIN")


@pytest.mark.parametrize("table", db.schema.tables.values(), ids=str)
def test_rows_of_every_table_can_be_inserted_and_updated(file: apsw.Connection, table: Any) -> None:
    row = dict.fromkeys((column.key for column in table.columns), "x")
    key = {column.key: "x" for column in table.primary_key}
    for bound in (db.insert(table, row), db.update(table, key, row)):
        assert bound.prepared.on(postgres.DIALECT).sql
        explain(file, bound, "", "EXPLAIN")


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(file: apsw.Connection, name: str) -> None:
    scans = set()
    for bound in shapes(STATEMENTS[name]):
        for part in parts(name):
            plan = explain(file, bound, part, "EXPLAIN QUERY PLAN")
            scans |= {line for line in plan.splitlines() if line.startswith("SCAN") and not small(line)}
    assert not scans or name.rpartition(".")[2] in WHOLE, scans


@pytest.mark.parametrize("name", sorted(LISTS))
def test_an_index_gives_a_list_each_of_its_orders(file: apsw.Connection, name: str) -> None:
    statement = STATEMENTS[name]
    for shape in choices(statement, split(statement)[2]):
        plan = explain(file, call(statement, **shape), "page", "EXPLAIN QUERY PLAN")
        assert "TEMP B-TREE" not in plan, (shape, plan)


@pytest.mark.parametrize(("name", "filter"), [(name, filter) for name, filters in USUAL.items() for filter in filters])
def test_an_index_gives_a_filtered_list_its_usual_order(file: apsw.Connection, name: str, filter: str) -> None:
    statement = STATEMENTS[name]
    shape = {"indexed": True, "sort_by": ORDER[name.split(".")[0]], "descending": True}
    bound = call(statement, [filter], **{name: shape[name] for name in split(statement)[2]})
    plan = explain(file, bound, "page", "EXPLAIN QUERY PLAN")
    assert "TEMP B-TREE" not in plan, plan


#: How the event log is read, and by which index.
LOG = {
    "events.store.log_rows": "PRIMARY KEY|sqlite_autoindex_events_1",
    "events.store.newest_place": "PRIMARY KEY|sqlite_autoindex_events_1",
    "events.store.position_of": "events_id",
    "events.store.positions_of_type": "COVERING INDEX events_by_type",
    "events.store.rows_about_lead": "events_by_lead",
    "events.store.timeline_list": "events_by_lead",
    "events.store.rows_about_object": "events_by_object",
    "core.earlier_versions.entries_about": "events_by_object",
}


@pytest.mark.parametrize("name", LOG)
def test_the_event_log_is_read_in_the_order_of_an_index(file: apsw.Connection, name: str) -> None:
    for bound in shapes(STATEMENTS[name]):
        plan = explain(file, bound, "", "EXPLAIN QUERY PLAN")
        assert re.search(f"events USING .*({LOG[name]})", plan), plan
        assert "TEMP B-TREE" not in plan, plan


@pytest.mark.parametrize(("lead", "index"), [(True, "events_by_lead"), (False, "events_by_object")])
def test_an_earlier_version_is_found_by_an_index(file: apsw.Connection, lead: bool, index: str) -> None:
    for name in ("last_entry", "next_entry"):
        statement = STATEMENTS[f"core.earlier_versions.{name}"]
        plan = explain(file, call(statement, lead=lead), "", "EXPLAIN QUERY PLAN")
        assert index in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def small(scan: str) -> bool:
    """Whether a plan's line scans what an index has found, or the few rows that wait for an index."""
    return "VIRTUAL TABLE" in scan or scan in {"SCAN hits", "SCAN shown", "SCAN leads_unindexed", "SCAN CONSTANT ROW"}


def explain(file: apsw.Connection, bound: db.Bound[Any], part: str, how: str) -> str:
    compiled = bound.prepared.on(sqlite.DIALECT, part)
    window = (50, 0) if part == "page" or (bound.prepared.total_of is not None and part != "count") else ()
    rows = file.execute(f"{how} {compiled.sql}", compiled.parameters(bound.values + window)).fetchall()
    return "\n".join(str(row[-1]) for row in rows)
