"""Promises about the client's source: generated from the table, complete, and independent of the server."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from deskbell.app import OPERATIONS
from deskbell.surfaces.docs import client_codegen
from deskbell_client import AsyncDesk, Desk

ROOT = Path(__file__).parents[2]
KEY = "brk_" + "0" * 48


@pytest.mark.parametrize("path", client_codegen.outputs())
def test_generated_modules_are_current(path: str) -> None:
    assert (ROOT / path).read_text() == client_codegen.outputs()[path], "run `make generate`"


def test_generated_modules_are_formatted_and_free_of_complaints() -> None:
    paths = list(client_codegen.outputs())
    for command in (["format", "--check"], ["check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *paths], cwd=ROOT, capture_output=True, text=True
        )
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr


def test_both_clients_have_the_same_method_for_every_operation() -> None:
    with Desk(KEY) as desk:
        awaited = AsyncDesk(KEY)
        for operation in OPERATIONS:
            resource, verb = client_codegen.resource(operation), operation.name.split(".")[1]
            method = getattr(getattr(desk, resource), verb)
            twin = getattr(getattr(awaited, resource), verb)
            assert inspect.signature(method).parameters == inspect.signature(twin).parameters
            assert str(inspect.signature(twin)).replace("AsyncIterator", "Iterator") == str(inspect.signature(method))
            assert method.__doc__ == twin.__doc__
            assert inspect.iscoroutinefunction(twin) != operation.is_stream


def test_the_client_needs_nothing_of_the_server() -> None:
    """It runs with the server's package out of reach, and loads nothing heavy."""
    program = """
import sys
sys.modules["deskbell"] = None
import deskbell_client
deskbell_client.Desk("brk_" + "0" * 48).close()
heavy = {"starlette", "sqlalchemy", "apsw", "click", "rich", "pydantic", "asyncio"} & set(sys.modules)
assert not heavy, heavy
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
