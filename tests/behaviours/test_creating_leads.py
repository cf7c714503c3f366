"""Creating leads: which fields there are, what they may hold, and when a lead already exists."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.desk import Api, refused

LIMITS = {
    "first_name": 100,
    "last_name": 100,
    "company": 200,
    "address_street": 200,
    "state": 2,
    "zip": 10,
    "status": 50,
    "notes": 5000,
}
FULL = {
    "first_name": "María",
    "last_name": "O'Brien",
    "phone": "+15125550123",
    "email": "maria@example.com",
    "company": "Brien & Sons",
    "address_street": "1 Main St",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "status": "qualified",
    "temperature": "hot",
    "source": "referral",
    "notes": "Two storeys 🏠",
    "tags": ["roof", "hail"],
    "custom_fields": {"roof": {"age": 12, "leaks": True}, "note": None, "score": 1.5},
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch


def test_a_lead_needs_only_a_first_name(alice: Api) -> None:
    lead = alice.post("/leads", {"first_name": "Maria"}).json()["data"]
    assert UUID(lead["id"])
    assert MOMENT(lead["created_at"])
    assert lead["created_at"] == lead["updated_at"]
    assert lead == {
        **dict.fromkeys(FULL),
        "id": lead["id"],
        "organization_id": alice.organization_id,
        "first_name": "Maria",
        "status": "new",
        "source": "api",
        "tags": [],
        "custom_fields": {},
        "lead_score": 0,
        "sms_opted_out": False,
        "on_dnc_list": False,
        "archived_at": None,
        "created_at": lead["created_at"],
        "updated_at": lead["created_at"],
    }
    assert alice.get(f"/leads/{lead['id']}").json() == {"data": lead}


def test_every_field_is_kept_as_it_was_given(alice: Api) -> None:
    answer = alice.post("/leads", FULL)
    assert answer.status_code == 201
    lead = answer.json()["data"]
    assert {name: lead[name] for name in FULL} == FULL
    assert alice.get(f"/leads/{lead['id']}").json()["data"] == lead


def test_a_stranger_sees_nothing_of_it(alice: Api, charlie: Api) -> None:
    lead = alice.lead()
    refused(charlie.get(f"/leads/{lead['id']}"), 404, "not_found")
    assert charlie.get("/leads").json()["meta"]["total"] == 0


@pytest.mark.parametrize("body", [{}, {"last_name": "Silva"}, {"first_name": None}, {"first_name": 7}])
def test_the_first_name_is_required(alice: Api, body: Any) -> None:
    refused(alice.post("/leads", body), 400, "validation_error", "`first_name`")
    assert alice.get("/leads").json()["data"] == []


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u2003"])
def test_the_first_name_is_not_blank(alice: Api, blank: str) -> None:
    refused(alice.post("/leads", {"first_name": blank}), 400, "validation_error", "`first_name`")


@pytest.mark.parametrize(("field", "most"), LIMITS.items())
def test_text_fields_have_limits_counted_in_characters(alice: Api, field: str, most: int) -> None:
    fits = alice.post("/leads", {"first_name": "Maria", field: "é" * most})
    assert fits.json()["data"][field] == "é" * most
    assert alice.post("/leads", {"first_name": "Maria", field: "🏠" * most}).status_code == 201
    refused(
        alice.post("/leads", {"first_name": "Maria", field: "x" * (most + 1)}), 400, "validation_error", f"`{field}`"
    )


def test_a_city_has_no_limit(alice: Api) -> None:
    assert alice.lead(city="x" * 20_000)["city"] == "x" * 20_000


@pytest.mark.parametrize("field", ["temperature", "source"])
def test_only_the_listed_words_are_taken(alice: Api, field: str) -> None:
    words = {
        "temperature": ["cold", "warm", "hot"],
        "source": ["manual", "api", "website", "referral", "import", "other"],
    }[field]
    assert [alice.lead(**{field: word})[field] for word in words] == words
    for wrong in ("HOT", "", "boiling", 1):
        answer = alice.post("/leads", {"first_name": "Maria", field: wrong})
        refused(answer, 400, "validation_error", f"`{field}`")
    assert all(word in alice.post("/leads", {"first_name": "M", field: "x"}).text for word in words)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in FULL if field not in ("tags", "custom_fields") for value in (5, True, ["x"], {})),
        ("tags", "roof"),
        ("tags", [1]),
        ("tags", [None]),
        ("tags", None),
        ("custom_fields", []),
        ("custom_fields", "x"),
        ("custom_fields", None),
        ("status", None),
        ("source", None),
    ],
)
def test_a_wrong_type_is_refused_by_the_fields_name(alice: Api, field: str, value: Any) -> None:
    answer = alice.post("/leads", {"first_name": "Maria", field: value})
    refused(answer, 400, "validation_error", f"`{field}")


def test_null_means_no_value_where_there_may_be_none(alice: Api) -> None:
    optional = set(FULL) - {"first_name", "status", "source", "tags", "custom_fields"}
    lead = alice.lead(**dict.fromkeys(optional))
    assert all(lead[name] is None for name in optional)


def test_what_the_server_decides_cannot_be_written(alice: Api) -> None:
    claimed = {"id": "x", "organization_id": "y", "lead_score": 99, "sms_opted_out": True, "on_dnc_list": True}
    lead = alice.lead(**claimed, created_at="2020-01-01", archived_at="2020-01-01", nonsense={"a": 1})
    assert (lead["lead_score"], lead["sms_opted_out"], lead["on_dnc_list"]) == (0, False, False)
    assert lead["organization_id"] == alice.organization_id
    assert lead["archived_at"] is None
    assert "nonsense" not in lead
    assert not lead["created_at"].startswith("2020")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("512-555-0123", "+15125550123"),
        ("(512) 555.0123", "+15125550123"),
        ("1 512 555 0123", "+15125550123"),
        ("+1 (512) 555-0123", "+15125550123"),
        ("+44 20 7946 0958", "+442079460958"),
        ("tel:+1-512-555-0123", "+15125550123"),
        (" 512\u2013555\u20130123\n", "+15125550123"),
        ("\uff0b\uff11 512 555 0123", "+15125550123"),
        ("1-800-FLOWERS", "+18003569377"),
    ],
)
def test_phone_numbers_are_kept_in_one_form(alice: Api, given: str, stored: str) -> None:
    assert alice.lead(phone=given)["phone"] == stored


@pytest.mark.parametrize(
    "phone",
    ["call me 5125550125 ok", "call 5125550125", "5125550125 ok", "<script>5125550145", "5125550145</b>", "5125550134,,1234",
     "5125550134;5125550135", "512-555-0134 x12", "512-555-0134 ext. 12", "512-555-0134#12", "tel:5125550134;ext=12", "5125550134x"],
)  # fmt: skip
def test_nothing_that_stands_beside_a_number_is_dropped(alice: Api, phone: str) -> None:
    refused(alice.post("/leads", {"first_name": "Maria", "phone": phone}), 400, "validation_error", "`phone`")


@pytest.mark.parametrize("phone", ["", "abc", "123", "+", "+1512555012", "5125550123512555012351255501235", "0" * 65])
def test_what_cannot_be_a_phone_number_is_refused(alice: Api, phone: str) -> None:
    refused(alice.post("/leads", {"first_name": "Maria", "phone": phone}), 400, "validation_error", "`phone`")


def test_a_number_without_a_prefix_is_read_in_the_organizations_country(alice: Api) -> None:
    london = alice.server.api(alice.server.organization("London Roofs", timezone="Europe/London", country="GB"))
    assert london.lead(phone="020 7946 0958")["phone"] == "+442079460958"
    refused(alice.post("/leads", {"first_name": "M", "phone": "020 7946 0958"}), 400, "validation_error", "`phone`")


@pytest.mark.parametrize(
    "email", ["", "maria", "maria@", "@example.com", "a b@example.com", "a@b", "a@b..c", "a@-b.c", "a@b.c\n"]
)
def test_what_cannot_be_an_email_address_is_refused(alice: Api, email: str) -> None:
    refused(alice.post("/leads", {"first_name": "Maria", "email": email}), 400, "validation_error", "`email`")


def test_an_email_address_is_shown_as_it_was_written(alice: Api) -> None:
    assert alice.lead(email="Maria.Silva+roof@Example.COM")["email"] == "Maria.Silva+roof@Example.COM"


def test_a_second_lead_with_the_phone_is_a_duplicate(alice: Api) -> None:
    alice.lead(phone="+15125550123")
    refused(alice.post("/leads", {"first_name": "Ana", "phone": "(512) 555-0123"}), 409, "duplicate", "`phone`")
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_a_second_lead_with_the_email_in_any_case_is_a_duplicate(alice: Api) -> None:
    alice.lead(email="maria@example.com", phone="+15125550123")
    refused(alice.post("/leads", {"first_name": "Ana", "email": "MARIA@Example.com"}), 409, "duplicate", "`email`")
    assert alice.get("/leads").json()["meta"]["total"] == 1


def test_leads_without_phone_and_email_never_collide(alice: Api) -> None:
    assert alice.lead()["id"] != alice.lead()["id"]
    assert alice.lead(phone=None, email=None)["id"] != alice.lead(phone=None, email=None)["id"]


def test_of_many_creates_at_once_one_wins(alice: Api) -> None:
    body = {"first_name": "Maria", "phone": "+15125550123"}
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: alice.post("/leads", body).status_code, range(200)))
    assert sorted(set(statuses)) == [201, 409]
    assert statuses.count(201) == 1
    assert alice.get("/leads").json()["meta"]["total"] == 1
