"""Imports point inward: surfaces know slices, slices know the foundation, and nothing points back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import deskbell

SOURCE = Path(deskbell.__file__).parent
#: Folders that are no slice: what all slices build on, what shows them to the outside, and the demo's data.
OTHERS = {"core", "foundation", "surfaces", "demo"}
SLICES = {path.parent.name for path in SOURCE.glob("*/__init__.py")} - OTHERS


class Import(NamedTuple):
    """`module` (as `leads.store`, without the product's name) imports `target` (`deskbell.x.y` or a foreign package)."""

    module: str
    target: str

    @property
    def part(self) -> str:
        return self.module.split(".")[0]

    @property
    def folder(self) -> str:
        """The folder that the module stands in."""
        return self.module.split(".")[-2] if "." in self.module else ""

    @property
    def kind(self) -> str:
        """The module's own name, which says what kind it is: `store`, `rules`, `operations`."""
        return self.module.rpartition(".")[2]

    @property
    def ours(self) -> list[str]:
        return self.target.split(".")[1:] if self.target.split(".")[0] == "deskbell" else []


def trees() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(SOURCE.rglob("*.py")):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        yield name, ast.parse(file.read_text(encoding="utf-8"))


def imports() -> Iterator[Import]:
    """Every import, those within functions too; `from a.b import c` counts as `a.b.c` when c is a module."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module, f"{name}: imports are absolute"
                assert node.level == 0, f"{name}: imports are absolute"
                for alias in node.names:
                    yield Import(
                        name, f"{node.module}.{alias.name}" if is_module(node.module, alias.name) else node.module
                    )


def is_module(package: str, name: str) -> bool:
    place = SOURCE.joinpath(*package.split(".")[1:])
    return package.startswith("deskbell") and ((place / f"{name}.py").exists() or (place / name).is_dir())


ALL = list(imports())
OURS = [each for each in ALL if each.ours]


def test_there_is_something_to_look_at() -> None:
    assert len(ALL) > 200
    assert {"leads", "conversations", "knowledge"} <= SLICES


def test_no_import_hides_from_types_and_from_these_tests() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            assert getattr(called, "attr", getattr(called, "id", "")) not in ("import_module", "__import__"), name


def test_errors_and_settings_know_nobody() -> None:
    assert [each for each in OURS if each.module in ("errors", "settings")] == []


def test_the_core_knows_the_foundation_alone() -> None:
    """A slice's declaration is given the settings, so it may know their type, in the core as in the slices."""
    assert beside_declarations(outside("core", {"core", "errors", "foundation"})) == []


def beside_declarations(imports: list[Import]) -> list[Import]:
    return [each for each in imports if not (each.kind == "slice" and each.ours[0] == "settings")]


def test_the_foundation_knows_no_slice_and_no_surface() -> None:
    assert outside("foundation", {"errors", "foundation"}) == []


def test_slices_know_slices_and_the_foundation() -> None:
    for slice in SLICES:
        assert beside_declarations(outside(slice, {"core", "errors", "foundation"} | SLICES)) == []


def outside(part: str, allowed: set[str]) -> list[Import]:
    return [each for each in OURS if each.part == part and each.ours[0] not in allowed]


def test_slices_know_each_other_in_one_direction() -> None:
    known = {slice: {each.ours[0] for each in OURS if each.part == slice} & SLICES - {slice} for slice in SLICES}
    assert set(TopologicalSorter(known).static_order()) == SLICES


def test_a_store_belongs_to_its_slice() -> None:
    """Another slice's store may join its tables. Beside the slices, the demo writes rows in bulk, and `lookups` holds the questions across
    organizations that only the operator's commands may ask."""
    for each in OURS:
        if each.ours[1:2] == ["store"] and each.part != each.ours[0]:
            assert each.kind in ("store", "lookups") or each.part == "demo", each


def test_a_model_knows_nothing_of_ours_but_types() -> None:
    wrong = [
        each
        for each in OURS
        if each.module.endswith(".model")
        and each.ours[0] != "foundation"
        and each.ours[1] not in ("rules", "model", "scopes")
    ]
    assert wrong == []


def test_surfaces_know_the_whole_only_where_it_is_started_or_described() -> None:
    """Commands start the application, and the documentation describes all of it. Other surfaces are given what they serve."""
    knowing = {each.module for each in OURS if each.part == "surfaces" and each.ours[0] == "app"}
    assert {module for module in knowing if not module.startswith(("surfaces.cli.", "surfaces.docs."))} == set()


def test_carriers_are_known_to_conversations_alone() -> None:
    """The application gives the carrier to the sender, and the demo fills the simulator's table."""
    knowing = {each.part for each in OURS if "carriers" in each.ours}
    assert knowing <= {"conversations", "app", "demo"}


def test_nobody_but_sending_calls_a_carrier() -> None:
    calls = [
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "carrier" and name != "conversations.sender"
    ]
    assert calls == []


def test_only_the_sqlite_foundation_knows_the_driver() -> None:
    assert {each.module for each in ALL if within(each, "apsw", "sqlite3")} <= modules("foundation.sqlite.")
    assert {each.module for each in ALL if within(each, "asyncpg")} <= modules("foundation.postgres")


def test_one_package_knows_the_sdk_of_mcp() -> None:
    assert {each.module for each in ALL if within(each, "mcp", "mcp_types")} <= modules("surfaces.mcp.sdk.")


def test_only_stores_and_the_foundation_write_statements() -> None:
    """A carrier's double has a table of its own. The demo and `lookups` are explained at `test_a_store_belongs_to_its_slice`; operations
    pages (`surfaces/ops`) ask the database about itself."""
    for each in ALL:
        if within(each, "sqlalchemy"):
            tables = each.part in ("core", "foundation", "demo") or each.kind in ("store", "lookups")
            assert tables or each.folder in ("carriers", "ops"), each


def test_only_settings_reads_the_environment() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
                assert name == "settings"
        assert not [each for each in ALL if each.module == name != "settings" and each.target == "os.environ"]


#: What can wait for something other than the database, or says what time the process thinks it is.
WAITING = (
    "asyncio",
    "anyio",
    "concurrent",
    "httpcore2",
    "httpx2",
    "multiprocessing",
    "queue",
    "select",
    "socket",
    "subprocess",
)
WAITING += ("threading", "time")


def test_modules_of_a_slice_that_work_in_transactions_import_nothing_that_waits() -> None:
    """These kinds of module hold what runs within a transaction. What waits (jobs, carriers, models) is a module of another kind."""
    for each in ALL:
        if each.part in SLICES and each.kind in (
            "operations",
            "store",
            "rules",
            "model",
            "inbound",
            "suppressions",
            "gate",
        ):
            assert not within(each, *WAITING), each


def test_functions_that_work_in_a_transaction_use_nothing_that_waits() -> None:
    """A function that takes a Context or a Session runs within one transaction, wherever it stands."""
    looked_at = 0
    for name, tree in trees():
        if name.split(".")[0] in SLICES | {"core", "demo"}:
            waiting = names_of(tree, *WAITING)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and works_in_a_transaction(node):
                    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                    assert not used & waiting, f"{name}.{node.name} uses {used & waiting}"
                    looked_at += 1
    assert looked_at > 100


def works_in_a_transaction(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    parameters = [*function.args.args, *function.args.kwonlyargs]
    kinds = {ast.unparse(each.annotation) for each in parameters if each.annotation}
    return not kinds.isdisjoint({"Context", "Session"})


def names_of(tree: ast.Module, *packages: str) -> set[str]:
    """The names by which a module knows these packages and what it has imported from them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias for alias in node.names if alias.name.split(".")[0] in packages]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in packages:
            found = node.names
        else:
            continue
        names |= {(alias.asname or alias.name).split(".")[0] for alias in found}
    return names


def within(each: Import, *packages: str) -> bool:
    return each.target.split(".")[0] in packages


def modules(prefix: str) -> set[str]:
    return {each.module for each in ALL if each.module.startswith(prefix)}


def test_a_function_that_has_a_context_asks_it_for_the_time() -> None:
    """`ctx.now` is the organization's clock. The process's clock is for what organizations do not share: leases, limits, keys."""
    for name, tree in trees():
        if name.split(".")[0] in SLICES:
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                    each.annotation is not None and ast.unparse(each.annotation) == "Context" for each in node.args.args
                ):
                    used = {ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Attribute)}
                    assert not used & {"clock.now", "clock.seconds_from_now", "time.time", "datetime.now"}, (
                        f"{name}.{node.name}"
                    )
