"""SQLite's text index runs behind the leads: a search is right before it has caught up, and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from deskbell.foundation.sqlite.search import PIECE, grams, pending_rows, wanted
from tests.desk import Api, Server, eventually
from tests.promises.searching import Life


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    server = Server(tmp_path / "deskbell.db")
    server.start()
    yield server.api(server.organization())
    server.stop()


def found(api: Api, term: str) -> list[str]:
    return [lead["first_name"] for lead in api.get("/leads", search=term).json()["data"]]


def settled(api: Api) -> None:
    connection = apsw.Connection(api.server.path)
    eventually(lambda: pending_rows(connection) == 0)
    connection.close()


def indexed(api: Api, term: str) -> int:
    """How many rows the index itself names for a term."""
    connection = apsw.Connection(api.server.path)
    sql = "SELECT count(*) FROM leads_search WHERE leads_search MATCH ?"
    count: int = connection.execute(sql, (wanted(term),)).get
    connection.close()
    return count


def test_a_lead_is_found_by_its_present_words_alone(api: Api) -> None:
    lead = api.lead(first_name="Bartholomew")
    for name in ("Maximilian", "Cassiopeia"):
        assert found(api, lead["first_name"][1:-1]) == [lead["first_name"]]
        settled(api)
        assert found(api, lead["first_name"][1:-1]) == [lead["first_name"]]
        before, lead = lead, api.put(f"/leads/{lead['id']}", {"first_name": name}).json()["data"]
        assert (found(api, before["first_name"]), found(api, name)) == ([], [name])
        settled(api)
        assert (found(api, before["first_name"]), found(api, name)) == ([], [name])
        assert (indexed(api, before["first_name"]), indexed(api, name)) == (0, 1)


def test_a_term_whose_pieces_are_scattered_finds_nobody(api: Api) -> None:
    api.lead(first_name="abcdefgh", last_name="efghijkl")
    settled(api)
    assert indexed(api, "abcdefghij") == 1
    assert (found(api, "abcdefghij"), found(api, "abcdefgh efghij")) == ([], ["abcdefgh"])


def test_an_interrupted_server_leaves_nothing_unfindable(tmp_path: Path) -> None:
    server = Server(tmp_path / "deskbell.db")
    organization = server.organization()
    rows = apsw.Connection(server.path)
    server.start()
    server.api(organization).lead(first_name="Bartholomew")
    server.stop()
    rows.execute("INSERT OR IGNORE INTO leads_unindexed (number) SELECT number FROM leads")
    rows.execute("INSERT INTO leads_search (leads_search) VALUES ('delete-all')")
    rows.close()
    server.start()
    api = server.api(organization)
    assert found(api, "tholom") == ["Bartholomew"]
    api.lead()
    settled(api)
    assert (found(api, "tholom"), indexed(api, "tholom")) == (["Bartholomew"], 1)
    server.stop()


@pytest.mark.parametrize("length", range(3, 3 * PIECE))
def test_every_part_of_a_text_is_asked_for_by_pieces_that_it_has(length: int) -> None:
    text = 'ann "o\'neil" {x}*\\~ ünal'
    pieces = grams(text).split("\x1f")
    for at in range(len(text) - length + 1):
        term = text[at : at + length]
        asked = [term[n : n + PIECE] for n in range(0, max(1, length - PIECE + 1), PIECE)]
        assert all(any(piece.startswith(each) for piece in pieces) for each in asked)


def test_a_new_lead_may_take_the_number_of_a_deleted_one(api: Api) -> None:
    api.lead(first_name="Bartholomew")
    settled(api)
    rows = apsw.Connection(api.server.path)
    rows.execute("DELETE FROM leads")
    api.lead(first_name="Maximilian")
    settled(api)
    assert (found(api, "Bartholomew"), found(api, "Maximilian")) == ([], ["Maximilian"])
    assert (indexed(api, "Bartholomew"), indexed(api, "Maximilian")) == (0, 1)
    rows.close()


@pytest.mark.parametrize("found_by", ["a search", "writes", "a command"])
def test_a_damaged_index_is_made_anew(api: Api, found_by: str, caplog: pytest.LogCaptureFixture) -> None:
    leads = [api.lead(first_name=f"Bartholomew {number}") for number in range(40)]
    settled(api)
    rows = apsw.Connection(api.server.path)
    rows.execute("UPDATE leads_search_data SET block = zeroblob(20) WHERE id > 10")
    rows.close()
    mark = "" if found_by == "a search" else "!"
    for number, lead in enumerate(leads if mark else []):
        assert api.put(f"/leads/{lead['id']}", {"first_name": f"Bartholomew {number}!"}).status_code == 200
    if found_by == "a command":
        api.server.organization()
    assert found(api, "tholomew 12") == [f"Bartholomew 12{mark}"]
    settled(api)
    assert len(found(api, "tholomew")) == indexed(api, "tholomew") == 40
    assert "the search index is damaged" in caplog.text


def test_every_search_equals_a_scan_whatever_happens_and_whoever_writes(tmp_path: Path) -> None:
    Life(tmp_path, 7).live(30)
