"""What kind of answer a question asks for (a number, date, name or place), by its question word, and whether a sentence has one."""

from __future__ import annotations

import re
from collections.abc import Callable

_MONTHS = (
    "january february march april may june july august september october november december januar februar märz mai juni juli oktober dezember "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre janvier février mars avril juin juillet août "
    "septembre octobre novembre décembre ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık января февраля марта апреля "
    "мая июня июля августа сентября октября ноября декабря monday tuesday wednesday thursday friday saturday sunday century decade"
)
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand million billion dozen half third "
    "quarter several zwei drei vier fünf sechs sieben acht neun zehn hundert tausend dos tres cuatro cinco seis siete ocho nueve diez cien mil "
    "deux trois quatre cinq sept huit neuf dix cent mille iki üç dört beş altı yedi sekiz dokuz on yüz bin два три четыре пять шесть семь "
    "восемь девять десять сто тысяча тысяч миллион миллионов"
)


def _any(words: str) -> str:
    return rf"\b(?:{'|'.join(words.split())})\b"


_date = re.compile(rf"\d|{_any(_MONTHS)}", re.IGNORECASE).search
_number = re.compile(rf"\d|[一二三四五六七八九十百千万]|{_any(_NUMBERS)}", re.IGNORECASE).search
# A capital letter that does not begin the sentence; in scripts without capitals, names are not recognized.
_name = re.compile(r"(?<=[\w,;:)] )[\"'(«„]?[A-ZÀ-ÞА-ЯΑ-Ω]\w").search
_place = re.compile(
    r"\b(?:in|at|near|from|of|to|on|through|across|en|à|au|de|desde|bei|aus|nach|im|am|в|на|из)\s(?:\w+\s)?[A-ZÀ-ÞА-Я]\w|\w'[dt][ae]n?\b"
).search

_KINDS: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (
        re.compile(
            r"\b(how (many|much|old|long|far|tall|high|large|big|fast|often)|what (percentage|percent|number|amount)|wie\s?viele?|"
            r"wie (lange|oft|alt)|"
            r"cuánt[oa]s?|combien|quant[oiae]|quantos|quantas|kaç|сколько|كم)\b|多少|几",
            re.IGNORECASE,
        ),
        _number,
    ),
    (
        re.compile(
            r"\b(when|(what|which) (year|day|month|date|century|decade)|wann|cuándo|quand|quando|ne zaman|hangi yıl\w*|когда|в каком году|متى)\b|"
            r"何时|什么时候|哪一?年",
            re.IGNORECASE,
        ),
        _date,
    ),
    (
        re.compile(
            r"\b(who|whom|whose|wer|wen|wem|wessen|quién|quiénes|qui|chi|quem|kim\w*|кто|кого|кому)\b", re.IGNORECASE
        ),
        _name,
    ),
    (
        re.compile(
            r"\b(where|(what|which) (city|country|state|place|county|town)|wo|woher|wohin|dónde|adónde|où|dove|onde|nerede\w*|где|куда|откуда)\b",
            re.IGNORECASE,
        ),
        _place,
    ),
)


def answer_test(question: str) -> Callable[[str], object] | None:
    """The test that a sentence passes if it has the kind of answer asked for; None if the question asks for no such kind."""
    for words, test in _KINDS:
        if words.search(question):
            return test
    return None
