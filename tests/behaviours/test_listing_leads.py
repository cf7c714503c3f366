"""Listing leads: filters, order and pages."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from tests.desk import Api, refused


def names(api: Api, **params: Any) -> list[str]:
    return [lead["first_name"] for lead in api.get("/leads", **params).json()["data"]]


def at(api: Api, moment: str, **fields: Any) -> dict[str, Any]:
    """A lead that is created at this moment."""
    with time_machine.travel(moment, tick=False):
        return api.lead(**fields)


def test_the_newest_lead_is_first(alice: Api) -> None:
    leads = [alice.lead(first_name=name) for name in "abc"]
    listed = alice.get("/leads").json()
    assert listed == {"data": leads[::-1], "meta": {"page": 1, "limit": 50, "total": 3, "total_pages": 1}}


def test_an_empty_list_has_no_pages(alice: Api) -> None:
    assert alice.get("/leads").json() == {"data": [], "meta": {"page": 1, "limit": 50, "total": 0, "total_pages": 0}}


def test_pages_are_counted_exactly(alice: Api) -> None:
    for number in range(23):
        alice.lead(first_name=f"L{number:02}")
    first = alice.get("/leads", limit=10, sort_by="first_name", sort_dir="asc").json()
    assert first["meta"] == {"page": 1, "limit": 10, "total": 23, "total_pages": 3}
    pages = [names(alice, limit=10, page=page, sort_by="first_name", sort_dir="asc") for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [10, 10, 3, 0]
    assert [name for page in pages for name in page] == [f"L{number:02}" for number in range(23)]
    assert alice.get("/leads", limit=100).json()["meta"]["total_pages"] == 1
    assert alice.get("/leads", limit=23).json()["meta"]["total_pages"] == 1
    assert alice.get("/leads", limit=22).json()["meta"]["total_pages"] == 2
    assert alice.get("/leads", limit=1).json()["meta"]["total_pages"] == 23


@pytest.mark.parametrize("page", [2, 1_000_000, 2**63 - 1])
def test_a_page_past_the_end_is_empty_with_the_right_total(alice: Api, page: int) -> None:
    alice.lead()
    answer = alice.get("/leads", page=page, limit=100)
    assert answer.status_code == 200
    assert answer.json() == {"data": [], "meta": {"page": page, "limit": 100, "total": 1, "total_pages": 1}}


def test_the_total_follows_every_change(alice: Api) -> None:
    def total(**params: Any) -> int:
        return int(alice.get("/leads", **params).json()["meta"]["total"])

    assert (total(), total(status="new")) == (0, 0)
    lead = alice.lead()
    assert (total(), total(status="new")) == (1, 1)
    alice.put(f"/leads/{lead['id']}", {"status": "won"})
    assert (total(), total(status="new")) == (1, 0)
    alice.delete(f"/leads/{lead['id']}")
    assert (total(), total(status="won")) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("page", value) for value in ("0", "-1", "1.5", "x", "", "1e3", "٣", str(2**63), "9" * 30)),
        *(("limit", value) for value in ("0", "-1", "101", "1e9", "1000000000", "x", "", "50 ")),
        ("temperature", "boiling"),
        ("temperature", "HOT"),
        ("sort_by", "phone"),
        ("sort_by", "id; drop table leads"),
        ("sort_dir", "up"),
        ("sort_dir", "ASC"),
        *(
            (bound, value)
            for bound in ("created_after", "created_before")
            for value in ("soon", "2026-13-01", "", "1.5")
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(alice: Api, name: str, value: str) -> None:
    refused(alice.get("/leads", **{name: value}), 400, "validation_error", f"`{name}`")


@pytest.mark.parametrize("name", ["page", "limit", "status", "search", "sort_by", "created_after"])
def test_a_repeated_parameter_is_refused_by_name(alice: Api, name: str) -> None:
    value = {"page": "1", "limit": "1", "sort_by": "created_at", "created_after": "2026-01-01"}.get(name, "x")
    refused(alice.http.get(f"/leads?{name}={value}&{name}={value}"), 400, "validation_error", f"`{name}`")


def test_unknown_parameters_are_ignored(alice: Api) -> None:
    alice.lead()
    assert alice.http.get("/leads?nonsense=1&nonsense=2&cursor=x&lead_score=5").json()["meta"]["total"] == 1


def test_the_limits_of_a_page_are_inclusive(alice: Api) -> None:
    alice.lead()
    assert alice.get("/leads", limit=1).status_code == alice.get("/leads", limit=100).status_code == 200


def test_status_is_free_text_and_matches_exactly(alice: Api) -> None:
    for status in ("new", "New", "new lead", "100%", "_", ""):
        alice.lead(first_name=status or "none", status=status)
    for status in ("new", "New", "new lead", "100%", "_", ""):
        assert names(alice, status=status) == [status or "none"]
    assert names(alice, status="ne") == names(alice, status="%") == []


def test_temperature_selects(alice: Api) -> None:
    for temperature in ("cold", "warm", "hot", None):
        alice.lead(first_name=str(temperature), temperature=temperature)
    for temperature in ("cold", "warm", "hot"):
        assert names(alice, temperature=temperature) == [temperature]


def test_filters_add_up(alice: Api) -> None:
    alice.lead(first_name="both", temperature="hot", status="won")
    alice.lead(first_name="one", temperature="hot")
    alice.lead(first_name="other", status="won")
    assert names(alice, temperature="hot", status="won") == ["both"]
    assert names(alice, temperature="hot", status="won", search="both", created_after="2020-01-01") == ["both"]
    assert names(alice, temperature="hot", status="won", search="one") == []


def test_created_after_is_inclusive_and_created_before_exclusive(alice: Api) -> None:
    for day in (10, 11, 12):
        at(alice, f"2026-05-{day}T12:00:00Z", first_name=str(day))
    assert names(alice, created_after="2026-05-11T12:00:00Z") == ["12", "11"]
    assert names(alice, created_after="2026-05-11T12:00:00.000001Z") == ["12"]
    assert names(alice, created_before="2026-05-11T12:00:00Z") == ["10"]
    assert names(alice, created_before="2026-05-11T12:00:00.000001Z") == ["11", "10"]
    assert names(alice, created_after="2026-05-11T12:00:00Z", created_before="2026-05-12T12:00:00Z") == ["11"]


@pytest.mark.parametrize(
    "same",
    ["2026-05-11T12:00:00", "2026-05-11T07:00:00-05:00", "2026-05-11T12:00Z", "2026-05-11T12:00:00.000000+00:00"],
)
def test_a_time_may_be_written_in_any_iso_form(alice: Api, same: str) -> None:
    at(alice, "2026-05-11T12:00:00Z")
    assert len(names(alice, created_after=same)) == 1
    assert names(alice, created_before=same) == []


def test_a_bare_date_is_its_midnight_in_utc(alice: Api) -> None:
    at(alice, "2026-05-10T23:59:59.999999Z", first_name="eve")
    at(alice, "2026-05-11T00:00:00Z", first_name="day")
    assert names(alice, created_after="2026-05-11") == ["day"]
    assert names(alice, created_before="2026-05-11") == ["eve"]


SORTED_NAMES = ["", "1", "Zoë", "_", "anna", "Anton", "ÄRGER", "Straße", "STRASSF", "zoe", "é", "中", "🏠", "Ⅷ"]


@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_names_sort_by_code_point_of_their_folded_form(alice: Api, field: str) -> None:
    given = [name for name in SORTED_NAMES if name or field == "last_name"]
    for name in given:
        alice.lead(**{field: name})
    expected = sorted(given, key=str.casefold)
    listed = alice.get("/leads", sort_by=field, sort_dir="asc").json()["data"]
    assert [lead[field] for lead in listed] == expected
    assert [lead[field] for lead in alice.get("/leads", sort_by=field).json()["data"]] == expected[::-1]


def test_leads_without_a_last_name_are_last_in_both_directions(alice: Api) -> None:
    for name in ("Bo", None, "Al", None):
        alice.lead(last_name=name)
    for direction, expected in (("asc", ["Al", "Bo", None, None]), ("desc", ["Bo", "Al", None, None])):
        listed = alice.get("/leads", sort_by="last_name", sort_dir=direction).json()["data"]
        assert [lead["last_name"] for lead in listed] == expected


@pytest.mark.parametrize("field", ["created_at", "updated_at", "first_name", "last_name", "lead_score"])
def test_ties_break_by_id_in_the_same_direction(alice: Api, field: str) -> None:
    with time_machine.travel("2026-05-10T12:00:00Z", tick=False):
        ids = [alice.lead(last_name=name)["id"] for name in ("Silva", "SILVA", "silva", None, None)]
    named = 3 if field == "last_name" else 5
    for direction in ("asc", "desc"):
        listed = [lead["id"] for lead in alice.get("/leads", sort_by=field, sort_dir=direction).json()["data"]]
        step = -1 if direction == "desc" else 1
        assert listed == sorted(ids[:named])[::step] + sorted(ids[named:])[::step]


def test_times_sort_finer_than_they_are_shown(alice: Api) -> None:
    first = at(alice, "2026-05-10T12:00:00.2Z", first_name="first")
    at(alice, "2026-05-10T12:00:00.1Z", first_name="second")
    assert names(alice, sort_by="created_at", sort_dir="desc") == ["first", "second"]
    assert first["created_at"] == "2026-05-10T12:00:00Z"


def test_updated_at_sorts_by_the_last_change(alice: Api) -> None:
    first, _ = alice.lead(first_name="first"), alice.lead(first_name="second")
    alice.put(f"/leads/{first['id']}", {"city": "Austin"})
    assert names(alice, sort_by="updated_at") == ["first", "second"]
    assert names(alice, sort_by="updated_at", sort_dir="asc") == ["second", "first"]
    assert names(alice) == ["second", "first"]


def test_a_stranger_lists_only_his_own(alice: Api, bob: Api, charlie: Api) -> None:
    mine, his = alice.lead(first_name="Ours"), charlie.lead(first_name="His")
    assert alice.get("/leads").json()["data"] == bob.get("/leads").json()["data"] == [mine]
    assert charlie.get("/leads").json() == {
        "data": [his],
        "meta": {"page": 1, "limit": 50, "total": 1, "total_pages": 1},
    }
