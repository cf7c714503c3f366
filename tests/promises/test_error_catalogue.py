"""Every error that the program can answer is in the catalogue, and those that clients of Brightly know are there as they know them."""

from __future__ import annotations

import ast
import re

import pytest
from click.testing import CliRunner

from deskbell.app import AGENT_OPERATIONS, OPERATIONS
from deskbell.errors import CATALOGUE, Problem
from deskbell.settings import Settings
from deskbell.surfaces.cli import cli
from tests.promises.test_imports import trees

#: What clients of Brightly know: code, status, whether a retry can help.
KNOWN = [
    ("unauthorized", 401, False),
    ("insufficient_scope", 403, False),
    ("session_mismatch", 403, False),
    ("validation_error", 400, False),
    ("not_found", 404, False),
    ("lead_not_found", 404, False),
    ("duplicate", 409, False),
    ("compliance_blocked", 422, False),
    ("rate_limit_exceeded", 429, True),
    ("query_failed", 500, True),
    ("create_failed", 500, True),
    ("internal_error", 500, True),
    ("no_session", 400, False),
    ("too_many_sessions", 503, True),
]


@pytest.mark.parametrize(("code", "status", "retryable"), KNOWN)
def test_the_codes_that_clients_know_keep_their_status(code: str, status: int, retryable: bool) -> None:
    problem = Problem(code)
    assert (problem.status, problem.retryable) == (status, retryable)


def test_every_code_says_what_happened_and_how_to_fix_it() -> None:
    for code, entry in CATALOGUE.items():
        assert entry.summary.endswith("."), code
        assert entry.fix.endswith("."), code
        assert 400 <= entry.status < 600, code


def test_the_catalogue_names_no_figures() -> None:
    """Limits are settings, or differ by operation: a figure here would be wrong somewhere. Messages name the one that applies."""
    for code, entry in CATALOGUE.items():
        words = re.sub(r"`[^`]*`", "", f"{entry.summary} {entry.fix}")
        assert not re.search(r"[0-9]|\b(hundred|thousand|twenty|thirty|sixty)\b", words), f"{code}: {words}"


def test_the_settings_and_commands_that_the_catalogue_names_exist() -> None:
    quoted = {text for entry in CATALOGUE.values() for text in re.findall(r"`([^`]*)`", f"{entry.summary} {entry.fix}")}
    settings = {text for text in quoted if text.startswith("DESKBELL_")}
    assert settings <= {f"DESKBELL_{name.upper()}" for name in Settings.__struct_fields__}
    commands = [text.split()[1:] for text in quoted if text.startswith("deskbell ")]
    assert settings
    assert commands
    for words in commands:
        result = CliRunner().invoke(cli, [*words, "--help"])
        assert result.exit_code == 0, words


DESCRIBES = {
    "surfaces.docs.openapi",
    "surfaces.docs.openapi_agents",
}  # word every code of the catalogue, one after the other


def raised() -> dict[str, str]:
    """The codes that the source gives to Problem, and where."""
    found = {}
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and name not in DESCRIBES:
                words = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
                assert words, f"{name}:{node.lineno}: the code of a Problem is written where it is raised"
                found |= {str(word): f"{name}:{node.lineno}" for word in words}
    return found


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    codes = raised()
    assert len(codes) > 10
    assert {code: place for code, place in codes.items() if code not in CATALOGUE} == {}


def test_operations_declare_codes_of_the_catalogue() -> None:
    for operation in (*OPERATIONS, *AGENT_OPERATIONS):
        assert set(operation.errors) <= set(CATALOGUE), operation.name
