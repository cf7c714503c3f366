"""The committed reference is what the program would write today, and leaves nothing out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.errors import CATALOGUE
from deskbell.settings import Settings
from deskbell.surfaces.cli import COMMANDS
from deskbell.surfaces.docs import generate

FOLDER = generate.ROOT / "docs" / "reference"


def test_every_generated_file_is_current() -> None:
    assert generate.stale() == []


def test_check_names_a_file_that_has_changed(tmp_path: Path) -> None:
    for name in generate.outputs():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(generate.ROOT / name, tmp_path / name)
    changed = tmp_path / "docs/reference/errors.md"
    changed.write_text(changed.read_text() + "More by hand.\n")
    (tmp_path / "docs/reference/cli.md").unlink()
    assert sorted(generate.stale(tmp_path)) == ["docs/reference/cli.md", "docs/reference/errors.md"]
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []


def test_the_command_answers_by_its_status() -> None:
    command = [sys.executable, "-m", "deskbell.surfaces.docs.generate"]
    assert subprocess.run([*command, "--check"], capture_output=True).returncode == 0
    assert subprocess.run([*command, "--wrong"], capture_output=True).returncode == 2


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_documented(field: msgspec.structs.FieldInfo) -> None:
    rows = (FOLDER / "settings.md").read_text().splitlines()
    row = next(row for row in rows if f"`DESKBELL_{field.name.upper()}`" in row)
    assert len(row.split("|")[4].strip()) > 10


def test_every_operation_error_and_command_is_documented() -> None:
    operations = (FOLDER / "operations.md").read_text()
    for operation in OPERATIONS:
        assert f"`{operation.method} {operation.path}` · scope `{operation.scope}`" in operations
    agents = (FOLDER / "agents.md").read_text()
    for operation in AGENT_OPERATIONS:
        assert f"`{operation.method} {operation.path}` · " in agents
    errors = (FOLDER / "errors.md").read_text()
    assert [line[3:] for line in errors.splitlines() if line.startswith("## ")] == list(CATALOGUE)
    commands = (FOLDER / "cli.md").read_text()
    for name in COMMANDS:
        assert f"## deskbell {name}\n" in commands
