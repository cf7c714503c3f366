"""What of a text is searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.knowledge.text.analysis import MAX_TERM, STEMMERS, language, terms

LANGUAGES = [*STEMMERS, "zh", "ja", "ko", "th", "uk", "xx"]
anything = st.text(max_size=300)


@given(anything, st.sampled_from(LANGUAGES))
def test_no_text_breaks_the_analysis(text: str, code: str) -> None:
    found = terms(text, code)
    assert found == terms(text, code)
    assert all(term and " " not in term and len(term) <= 2 * MAX_TERM for term in found)
    assert language(text)


def test_words_are_found_in_whatever_form_they_are_written() -> None:
    assert terms("Repairing ROOFS", "en") == terms("repair roof", "en") == terms("ｒｅｐａｉｒｓ roof’s", "en")
    assert terms("the and of it", "en") == []
    assert terms("roof roof", "en") == ["roof", "roof"]
    assert terms("árbol", "es") == terms("arbol", "es")
    assert terms("İSTANBUL IŞIĞI", "tr") == terms("istanbul ışığı", "tr")
    assert terms("l'eau", "fr") == terms("eau", "fr")
    assert terms("Ankara'nın", "tr") == terms("Ankara", "tr")
    assert terms("гарантии", "en") == terms("гарантия", "ru"), "another script has its own stemmer"


def test_a_part_number_is_found_with_and_without_its_signs() -> None:
    assert "xr500" in terms("the XR-500 filter", "en")
    assert terms("xr500", "en") == ["xr500"]
    assert {"xr", "500"} <= set(terms("XR-500", "en"))
    assert terms("2.5", "en") == ["2", "5"], "a number is no part number"


def test_languages_without_blanks_are_searched_by_pairs_of_signs() -> None:
    assert terms("保修期", "zh") == ["保修", "修期"]
    assert terms("修", "zh") == ["修"]
    assert terms("iPhone保修", "zh") == ["iphone", "保修"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How long is the warranty on a new roof?", "en"),
        ("Wie lange ist die Garantie auf ein neues Dach?", "de"),
        ("¿Cuánto dura la garantía de un techo nuevo?", "es"),
        ("Quelle est la durée de la garantie pour un toit neuf ?", "fr"),
        ("Сколько длится гарантия на новую крышу?", "ru"),
        ("Yeni bir çatının garantisi ne kadar sürer?", "tr"),
        ("كم مدة الضمان على سقف جديد؟", "ar"),
        ("新屋顶的保修期是多久？", "zh"),
        ("新しい屋根の保証期間はどのくらいですか", "ja"),
        ("새 지붕의 보증 기간은 얼마입니까", "ko"),
        ("A metal roof costs 12 dollars per square foot.", "en"),
        ("Haircut for men: $25, plus tax", "en"),
        ("Il metallo costa 12 euro per metro", "it"),
        ("Çatı fiyatı metrekare başına 500 lira", "tr"),
        ("Straßenreinigung nach Maß", "de"),
        ("Jalapeño poppers $5", "en"),
        ("Müller Roofing, price list", "en"),
        ("12345", "en"),
        ("", "en"),
    ],
)
def test_a_language_is_told_by_its_script_and_its_small_words(text: str, code: str) -> None:
    assert language(text) == code


def test_a_long_word_is_cut_and_costs_no_time() -> None:
    assert [len(term) for term in terms("a" * 1_000_000, "en")] == [MAX_TERM]
    assert len(terms("字" * 100_000, "zh")) == 99_999
