"""Searching leads: a part of a name or e-mail address in any case, or the digits of a phone number."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from deskbell.leads.rules import search_terms
from tests.desk import Api

MARIA = {"first_name": "Maria", "last_name": "da Silva", "email": "roofs@Example.com", "phone": "+15125550123"}


def found(api: Api, search: str) -> list[str]:
    answer = api.get("/leads", search=search, sort_by="first_name", sort_dir="asc")
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["total"] == len(answer.json()["data"])
    return [lead["first_name"] for lead in answer.json()["data"]]


@pytest.fixture
def maria(alice: Api) -> Api:
    """Alice, with Maria among her leads and somebody else."""
    alice.lead(**MARIA, company="Acme", notes="wants gutters", city="Austin", tags=["hail"])
    alice.lead(first_name="Xi", email="q@w.io", phone="+442079460958")
    return alice


@pytest.mark.parametrize(
    "term",
    ["Maria", "maria", "MARIA", "ari", "M", "ma", "da Silva", "SILVA", "lva", "a da S", "Maria da Silva", "ia da",
     "roofs@example.com", "ROOFS@", "@exam", ".com", "fs"],
)  # fmt: skip
def test_any_part_of_name_or_email_is_found_in_any_case(maria: Api, term: str) -> None:
    assert found(maria, term) == ["Maria"]


@pytest.mark.parametrize(
    "term", ["+1 (512) 555-0123", "15125550123", "512.555", "512-555", "(512)", "0123", "23", "3", "+1512"]
)
def test_a_phone_is_found_by_its_digits(maria: Api, term: str) -> None:
    assert found(maria, term) == ["Maria"]


@pytest.mark.parametrize(
    "term",
    ["512x", "tel 512", "Acme", "gutters", "Austin", "hail", "Silva Maria", "Silvaroofs", "com1512", "+1 513", "99",
     "Mariada", "Mar%", "M_ria", "%", "_", "-", "+", "()", "zz"],
)  # fmt: skip
def test_nothing_else_is_found(maria: Api, term: str) -> None:
    assert found(maria, term) == []


def test_the_longest_names_are_found_and_longer_terms_find_nobody_at_once(alice: Api) -> None:
    name = "\u0390" * 100  # each becomes three characters when case is folded
    alice.lead(first_name=name, last_name=name, phone="+15125550123")
    assert found(alice, f"{name} {name}") == found(alice, "." * 2_000 + "555-0123") == [name]
    assert found(alice, f"{name} {name}i") == found(alice, "5" * 2_000) == []
    assert search_terms("x" * 60_000) == (None, None), "the index would work on it for seconds"
    assert found(alice, "x" * 60_000) == []


def test_an_empty_or_absent_term_finds_everybody(maria: Api) -> None:
    assert found(maria, "") == ["Maria", "Xi"]


@pytest.mark.parametrize(
    "mark", ["%", "_", "%%", "100%", "a_b", "\\", "\\%", "*", "?", "[a]", "'", "''", '"', '""', '"x']
)
def test_wildcards_and_quotes_are_ordinary_characters(alice: Api, mark: str) -> None:
    for name in (f"one {mark} two", "one two", "100 a b axb"):
        alice.lead(first_name=name)
    assert found(alice, mark) == [f"one {mark} two"]
    assert found(alice, f"e {mark} t") == [f"one {mark} two"]


@pytest.mark.parametrize(
    "words", ["cat AND dog", "cat OR dog", "NOT", "cat NOT dog", "NEAR(cat dog)", "cat*", "^cat", "search_text:cat", "-cat",
              "cat + dog", "{cat dog}", "(cat", "cat)", "cat;--", "' OR 1=1", "leads_search", "AND", "cat\tdog"]
)  # fmt: skip
def test_the_words_of_a_query_language_mean_themselves(alice: Api, words: str) -> None:
    alice.lead(first_name="cat dog")
    alice.lead(first_name="cat")
    assert found(alice, words) == []
    alice.lead(first_name=f"x{words}y")
    assert found(alice, words) == [f"x{words}y"]


@pytest.mark.parametrize(
    ("name", "term"),
    [("Straße", "STRASSE"), ("ÉCOLE", "école"), ("İpek", "i̇pek"), ("Ωμέγα", "ΩΜΈΓΑ"), ("ﬁne", "FINE"), ("Ǆ", "ǆ"), ("中村", "村"),
     ("🏠 Roofs", "🏠"), ("🏠🏠🏠", "🏠🏠🏠"), ("👩‍👩‍👧", "👩‍👩"), ("مريم", "ريم")],
)  # fmt: skip
def test_every_script_is_searched_by_its_folded_form(alice: Api, name: str, term: str) -> None:
    alice.lead(first_name=name)
    alice.lead(first_name="zzz")
    assert found(alice, term) == [name]


def test_a_name_of_digits_is_found_too(alice: Api) -> None:
    alice.lead(first_name="Studio 54", email="99@x.io")
    alice.lead(first_name="Other", phone="+15125405499")
    assert found(alice, "54") == ["Other", "Studio 54"]
    assert found(alice, "99") == ["Other", "Studio 54"]
    assert found(alice, "5-4") == ["Other"]


def test_the_search_follows_changes(maria: Api) -> None:
    lead = maria.get("/leads", search="Maria").json()["data"][0]
    maria.put(f"/leads/{lead['id']}", {"last_name": None, "email": "new@mail.org", "phone": "+15129990000"})
    for gone in ("Silva", "Maria da", "example", "5550123", "lv"):
        assert found(maria, gone) == []
    for present in ("Maria", "mail.org", "999-0000", "w@"):
        assert found(maria, present) == ["Maria"]


def test_characters_of_private_use_find_names_and_no_phone(maria: Api) -> None:
    assert found(maria, "512") == ["Maria"]
    assert found(maria, "".join(chr(0xE030 + int(digit)) for digit in "512")) == []
    maria.lead(first_name="Odd \ue035\ue031\ue032 name")
    assert found(maria, "512") == ["Maria"]
    assert found(maria, "\ue035\ue031\ue032") == ["Odd \ue035\ue031\ue032 name"]


def test_a_very_long_term_is_a_term(alice: Api) -> None:
    alice.lead(first_name="x" * 100, last_name="y" * 100)
    assert found(alice, "x" * 100 + " " + "y" * 100) == ["x" * 100]
    assert found(alice, "x" * 20_000) == []


def test_the_lists_of_two_organizations_are_searched_apart(maria: Api, charlie: Api) -> None:
    for term in ("M", "Maria", "5125550123"):
        assert found(charlie, term) == []


def matches(lead: dict[str, Any], term: str) -> bool:
    """The definition, word by word."""
    names = [
        lead["first_name"],
        lead["last_name"] or "",
        f"{lead['first_name']} {lead['last_name'] or ''}".rstrip(),
        lead["email"] or "",
    ]
    if any(term.casefold() in name.casefold() for name in names):
        return True
    digits = re.sub(r"\D", "", term)
    return bool(digits and re.fullmatch(r"[0-9 +\-().]+", term) and digits in (lead["phone"] or ""))


def test_every_search_agrees_with_the_definition(alice: Api) -> None:
    chance = random.Random(7)

    def text(letters: str, most: int) -> str:
        return "".join(chance.choices(letters, k=chance.randint(1, most)))

    leads = [
        alice.lead(
            first_name="x" + text('aAbß%_" 5-', 6),
            last_name=chance.choice([None, text("aSs'5(", 4) + "x"]),
            email=chance.choice([None, f"{text('ab5', 3)}{number}@a5.io"]),
            phone=f"+1512555{number * 211:04}",
        )
        for number in range(40)
    ]
    for _ in range(300):
        term = chance.choice([text('aAbß%_" 5-', 4), text("0123456789 +-().", 5), text("5aX@", 2)])
        found = {lead["id"] for lead in alice.get("/leads", search=term, limit=100).json()["data"]}
        assert found == {lead["id"] for lead in leads if matches(lead, term)}, term
