"""Where the Python client finds its key and its server when it is not told."""

import asyncio

import pytest

from deskbell_client import AsyncDesk, Desk
from tests.client.scripted import LEAD, ScriptedServer, good, page

KEY = "brk_" + "1" * 48
VARIABLES = ("DESKBELL_KEY", "BRIGHTLY_API_KEY", "DESKBELL_URL", "BRIGHTLY_API_URL")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("names", [("DESKBELL_KEY", "DESKBELL_URL"), ("BRIGHTLY_API_KEY", "BRIGHTLY_API_URL")])
def test_key_and_address_come_from_the_environment(
    script: ScriptedServer, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    monkeypatch.setenv(names[0], KEY + "\n")
    monkeypatch.setenv(names[1], script.url)
    script.answers = [good()]
    with Desk() as desk:
        desk.leads.get("a")
    assert script.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_arguments_win_over_the_environment(script: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    script.answers = [good()]
    with Desk(KEY, script.url) as desk:
        desk.leads.get("a")
    assert script.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_it_says_where_to_put_one() -> None:
    with pytest.raises(ValueError, match="DESKBELL_KEY"):
        Desk()


def test_without_an_address_it_stays_on_this_machine() -> None:
    with Desk(KEY) as desk:
        assert repr(desk) == "Desk(base_url='http://127.0.0.1:8000')"


def test_a_proxy_is_not_asked_for_this_machine(script: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    script.answers = [good()]
    with Desk(KEY, script.url) as desk:
        assert desk.leads.get("a").id == LEAD["id"]


def test_pages_are_read_only_as_they_are_needed(script: ScriptedServer) -> None:
    script.answers = [page(1, 9, "a", "b")]
    with Desk(KEY, script.url) as desk:
        assert next(desk.leads.iterate()).id == "a"
    assert len(script.received) == 1


def test_the_async_client_reads_pages_as_they_are_needed_too(script: ScriptedServer) -> None:
    script.answers = [page(1, 9, "a", "b")]

    async def first() -> str:
        async with AsyncDesk(KEY, script.url) as desk:
            rows = desk.leads.iterate()
            return (await anext(rows)).id

    assert asyncio.run(first()) == "a"
    assert len(script.received) == 1
