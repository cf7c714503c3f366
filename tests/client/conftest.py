"""Both clients, so that each test is written once and runs with either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deskbell_client import Desk
from tests.client.blocking import BlockingDesk
from tests.client.scripted import ScriptedServer
from tests.desk import Api

Connect = Callable[..., Any]


@pytest.fixture(params=[Desk, BlockingDesk], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of the kind under test; it is closed after the test."""
    made = []

    def make(api_key: str, base_url: str, **options: Any) -> Any:
        made.append(request.param(api_key, base_url, **options))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(connect: Connect, alice: Api) -> Any:
    """A client with Alice's key."""
    return connect(alice.key, alice.server.url)


@pytest.fixture
def script() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server
