"""Imports point inward: surfaces know slices, slices know the foundation, and nothing points back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import deskbell

SOURCE = Path(deskbell.__file__).parent
SLICES = {
    "organizations",
    "leads",
    "appointments",
    "tasks",
    "compliance",
    "conversations",
    "identity",
    "privacy",
    "knowledge",
    "agents",
    "credits",
}


class Import(NamedTuple):
    """`module` (as `leads.store`, without the product's name) imports `target` (`deskbell.x.y` or a foreign package)."""

    module: str
    target: str

    @property
    def part(self) -> str:
        return self.module.split(".")[0]

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
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"demo"} == SLICES | {"core", "foundation", "surfaces"}, "a new slice must be named in this test"


def test_errors_and_settings_know_nobody() -> None:
    assert [each for each in OURS if each.module in ("errors", "settings")] == []


def test_the_core_knows_the_foundation_alone() -> None:
    assert outside("core", {"core", "errors", "foundation"}) == []


def test_the_foundation_knows_no_slice_and_no_surface() -> None:
    assert outside("foundation", {"errors", "foundation"}) == []


def test_slices_know_slices_and_the_foundation() -> None:
    for slice in SLICES:
        assert outside(slice, {"core", "errors", "foundation"} | SLICES) == []


def outside(part: str, allowed: set[str]) -> list[Import]:
    return [each for each in OURS if each.part == part and each.ours[0] not in allowed]


def test_slices_know_each_other_in_one_direction() -> None:
    known = {slice: {each.ours[0] for each in OURS if each.part == slice} & SLICES - {slice} for slice in SLICES}
    assert set(TopologicalSorter(known).static_order()) == SLICES


def test_a_store_belongs_to_its_slice() -> None:
    """Another slice's store may join it. Beside the slices, only the demo's loader and the operator's look-ups across organizations read tables."""
    others = {each.module for each in OURS if each.ours[1:2] == ["store"] and each.part != each.ours[0]}
    assert {module for module in others if module.rpartition(".")[2] != "store"} <= {
        "demo.loader",
        "surfaces.cli.lookups",
    }


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
    knowing = {each.module for each in OURS if each.part == "surfaces" and each.ours[0] == "app"}
    describing = {"surfaces.docs.generate", "surfaces.docs.reference", "surfaces.docs.client_codegen"}
    assert {module for module in knowing if not module.startswith("surfaces.cli.")} <= describing


def test_only_sending_and_the_app_touch_a_carrier() -> None:
    touching = {each.module for each in OURS if "carriers" in each.ours and ".carriers." not in each.module}
    ledger = {"conversations.operations", "demo.loader"}  # its rows are erased with a person and with the demo
    assert touching <= {"app", "conversations.sending"} | ledger


def test_nobody_but_sending_calls_a_carrier() -> None:
    calls = [
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "carrier" and name != "conversations.sending"
    ]
    assert calls == []


def test_only_the_sqlite_foundation_knows_the_driver() -> None:
    assert {each.module for each in ALL if within(each, "apsw", "sqlite3")} <= modules("foundation.sqlite.")
    assert {each.module for each in ALL if within(each, "asyncpg")} <= modules("foundation.postgres")


def test_one_package_knows_the_sdk_of_mcp() -> None:
    assert {each.module for each in ALL if within(each, "mcp", "mcp_types")} <= modules("surfaces.mcp.sdk.")


def test_only_stores_and_the_foundation_write_statements() -> None:
    for each in ALL:
        if within(each, "sqlalchemy"):
            inner = each.part in ("core", "foundation") or ".carriers." in each.module or each.module.endswith(".store")
            assert inner or each.module in ("demo.loader", "surfaces.cli.lookups", "surfaces.ops.health"), each


def test_only_settings_reads_the_environment() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
                assert name == "settings"
        assert not [each for each in ALL if each.module == name != "settings" and each.target == "os.environ"]


def test_handlers_never_import_asyncio() -> None:
    jobs = {"conversations.sending"}  # runs as a job, outside of any transaction
    jobs |= {"knowledge.index.disk.search", "knowledge.index.disk.build_job"}
    jobs |= {"knowledge.ingestion.indexing", "knowledge.index.cache", "agents.stream_buffer", "agents.change_summaries"}
    for each in ALL:
        if each.part in SLICES and within(each, "asyncio", "threading", "time", "httpx2", "socket", "anyio"):
            timed = each.module == "identity.authentication" and each.target == "time"
            outside = any(f".{part}." in each.module for part in ("carriers", "embedders", "extraction", "models"))
            assert timed or each.module in jobs or outside, each


def within(each: Import, *packages: str) -> bool:
    return each.target.split(".")[0] in packages


def modules(prefix: str) -> set[str]:
    return {each.module for each in ALL if each.module.startswith(prefix)}
