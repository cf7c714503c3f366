"""What a well-formed organization is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deskbell.errors import Problem
from deskbell.foundation import contact
from deskbell.identity import rules as identity_rules
from deskbell.organizations import rules
from deskbell.organizations.model import DAYS

OPEN = {"start": "08:00", "end": "17:00"}


def test_hours_name_every_day() -> None:
    assert json.loads(rules.validate_hours({"monday": OPEN})) == {**dict.fromkeys(DAYS), "monday": OPEN}


@pytest.mark.parametrize(
    "day", ["", [], 5, True, {}, {"start": "08:00"}, {"start": "17:00", "end": "08:00"}, {"start": "08:00", "end": "08:00"},
            {"start": "8:00", "end": "17:00"}, {"start": "08:00", "end": "24:00"}, {"start": "08:00", "end": "17:60"},
            {**OPEN, "note": "\0"}, {"start": "0\u0668:00", "end": "17:00"}]
)  # fmt: skip
def test_hours_that_are_none_are_refused_by_their_day(day: Any) -> None:
    with pytest.raises(Problem, match="monday"):
        rules.validate_hours({"monday": day})


@pytest.mark.parametrize("hours", [[], "x", {"Monday": OPEN}, {"funday": None}])
def test_unknown_days_are_refused(hours: Any) -> None:
    with pytest.raises(Problem, match="business_hours"):
        rules.validate_hours(hours)


def test_time_zones_and_countries_are_known_ones() -> None:
    assert rules.validate_timezone("Europe/Berlin") == "Europe/Berlin"
    assert rules.validate_country("de") == "DE"
    for check, wrong in (
        (rules.validate_timezone, "Mars/Base"),
        (rules.validate_timezone, "../etc/passwd"),
        (rules.validate_country, "XX"),
    ):
        with pytest.raises(Problem, match="must be"):
            check(wrong)


def test_scopes_are_known_ones() -> None:
    assert identity_rules.validate_scopes(["org:read", "leads:read", "org:read"]) == ["leads:read", "org:read"]
    with pytest.raises(Problem, match="conversations:write"):
        identity_rules.validate_scopes(["conversations:write"])


def test_the_hash_of_a_number_differs_between_organizations() -> None:
    assert contact.number_hash("a", "+15125550123") != contact.number_hash("b", "+15125550123")
    assert "5125550123" not in contact.number_hash("a", "+15125550123")
