"""Writes the files of the repository that are generated from the program: `python -m deskbell.surfaces.docs.generate [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.surfaces.docs import cli_reference, client_codegen
from deskbell.surfaces.docs.reference import FOLDER, AgentReference, Reference
from deskbell.surfaces.mcp import definitions

ROOT = Path(__file__).parents[4]


def outputs() -> dict[str, str]:
    """The text of every generated file, by its path in the repository."""
    return (
        Reference(OPERATIONS).outputs()
        | AgentReference(AGENT_OPERATIONS).outputs()
        | cli_reference.outputs(FOLDER)
        | {f"{FOLDER}/mcp-tools.json": definitions.listing(OPERATIONS)}
        | client_codegen.outputs()
    )


def stale(root: Path = ROOT) -> list[str]:
    """The generated files that are missing or not what the program would write now."""
    return [name for name, text in outputs().items() if read(root / name) != text]


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(root: Path = ROOT) -> None:
    for name, text in outputs().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """0 when all is current or written; with `--check`, 1 when something is stale."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m deskbell.surfaces.docs.generate [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write()
        return 0
    if found := stale():
        print("Not current; run `make generate`:", *found, sep="\n  ", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
