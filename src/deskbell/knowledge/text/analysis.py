"""What of a text is searched: its words, lower case, stemmed by the text's language, without stop words; pairs of signs where words are not spaced.

The database keeps these terms, so a search means the same on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from deskbell.knowledge.text.stop_words import ENGLISH_TOO, STOP_WORDS

LONGEST = 64  # characters of a term
KEPT = 200_000  # analysed words that are remembered per language
SAMPLE = 4_000  # characters that tell a language

UNSPACED = ("zh", "ja", "ko", "th")  # written without blanks, or searched as if they were: by pairs of signs

STEMMERS = {
    "en": "english", "de": "german", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese", "nl": "dutch", "sv": "swedish",
    "da": "danish", "no": "norwegian", "fi": "finnish", "pl": "polish", "cs": "czech", "ro": "romanian", "hu": "hungarian", "tr": "turkish",
    "id": "indonesian", "ru": "russian", "el": "greek", "ar": "arabic", "fa": "persian", "hi": "hindi",
}  # fmt: skip

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_unspaced = re.compile(f"[{_UNSPACED}]")
_parts = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+").findall
# Marks belong to their word: Hindi's vowels and Arabic's short ones are no letters to Python.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962-\u0963\u200c\u200d"
_words = re.compile(rf"[^\W_][\w{_MARKS}]*(?:'[^\W_][\w{_MARKS}]*)*").findall
_ascii_words = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*").findall
# A part number: pieces of letters and digits with a sign between them. Decimals and dates are pieces of digits alone.
_compounds = re.compile(r"[^\W_]+(?:[-./_][^\W_]+)+").findall
_lettered = re.compile(r"[^\W\d_]").search
_digit = re.compile(r"\d").search

_SCRIPTS = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7a3]")),
    ("zh", re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
_ALPHABETS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("ru", "uk"), re.compile("[\u0400-\u04ff]")),
    (("ar", "fa"), re.compile("[\u0600-\u06ff]")),
    (("el",), re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    (("hi",), re.compile("[\u0900-\u097f]")),
)
_LATIN = tuple(code for code in STOP_WORDS if code not in ("ru", "uk", "ar", "fa", "el", "hi"))
# Letters that English lacks, by language.
_LETTERS = {
    "de": "äöüß", "es": "áéíóúñ", "fr": "àâæçèéêëîïôœùû", "it": "àèéìòù", "pt": "àáâãçéêíóôõú", "nl": "éëï", "sv": "åäö", "da": "åæø", "no": "åæø",
    "fi": "äö", "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "ro": "âăîșşțţ", "hu": "áéíóöőúüű", "tr": "çğıöşü",
}  # fmt: skip
_latin = re.compile("[A-Za-z\u00c0-\u024f]")


def language(text: str, default: str = "en") -> str:
    """The ISO 639-1 code of a text's language, by its script and its stop words; `default` where neither tells."""
    sample = normalized(text[:SAMPLE])
    if sample.isascii():  # most texts are, and then other scripts need no look
        return _by_words(sample, _LATIN, default) if _latin.search(sample) else default
    signs = {code: len(sign.findall(sample)) for code, sign in _SCRIPTS}
    letters: dict[Sequence[str], int] = {codes: len(letter.findall(sample)) for codes, letter in _ALPHABETS}
    latin = len(_latin.findall(sample))
    most = max(latin, *letters.values())
    if 3 * sum(signs.values()) > most:
        return "ja" if 20 * signs["ja"] > signs["zh"] > 0 or signs["ja"] > most else max(signs, key=lambda c: signs[c])
    if most == 0:
        return default
    codes = _LATIN if most == latin else max(letters, key=lambda each: letters[each])
    return _by_words(sample, codes, default)


def _by_words(sample: str, codes: Sequence[str], default: str) -> str:
    """Which of these languages has most of its small words in a text. A word with one of its letters speaks for it half as much."""
    words = Counter(_words(sample))
    found = {code: 2 * sum(words[word] for word in _telling(code) & words.keys()) for code in codes}
    if not sample.isascii():
        for code in _LETTERS.keys() & found.keys():
            found[code] += sum(times for word, times in words.items() if not _letters(code).isdisjoint(word))
    if default in found:
        found[default] += 1
    best = max(found, key=lambda code: (found[code], code == default))
    return best if found[best] else codes[0]


@cache
def _letters(code: str) -> frozenset[str]:
    return frozenset(_LETTERS[code])


@cache
def _telling(code: str) -> frozenset[str]:
    """The words that speak for a language."""
    return STOP_WORDS[code] | ENGLISH_TOO if code == "en" else STOP_WORDS[code]


def terms(text: str, language: str) -> list[str]:
    """The terms of a text in the order of the text, repeated ones kept. A query needs the language of what it searches.

    Words of another script than the language's are stemmed by their own.
    """
    if text.isascii():
        found = _ascii_words(text.lower())
        return _known(found, text, language)
    text = normalized(text, language)
    if not _unspaced.search(text):
        return _known(_words(text), text, language)
    found = []
    for part in _parts(text):
        if _unspaced.match(part):
            found += [part[at : at + 2] for at in range(max(1, len(part) - 1))]
        else:
            found += _known(_words(part), part, language)
    return found


def normalized(text: str, language: str = "") -> str:
    """NFKC and lower case; one form of apostrophe."""
    text = unicodedata.normalize("NFKC", text)
    if language == "tr":
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower().replace("i\u0307", "i").replace("’", "'").replace("\u00ad", "")


def _known(words: list[str], text: str, language: str) -> list[str]:
    memo = _memo(language)
    found = [term for word in words if (term := memo[word])]
    if _digit(text):
        found += [
            "".join(filter(str.isalnum, each))[:LONGEST].lower()
            for each in _compounds(text)
            if _digit(each) and _lettered(each)
        ]
    return found


class _Memo(dict[str, str]):
    """A word's term, remembered; the empty string for a stop word. Safe among threads: the stemmer runs under the interpreter's lock."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.stops = STOP_WORDS.get(language, frozenset())
        self.stem = _stemmer(language)

    def __missing__(self, word: str) -> str:
        if len(self) >= KEPT:
            self.clear()
        self[word] = term = self.term(word)
        return term

    def term(self, word: str) -> str:
        if word in self.stops:
            return ""
        if "'" in word and self.language != "en":
            # An elided article stands before the word (l'eau), a Turkish name's suffix behind it (Ankara'da).
            word = word.split("'")[0] if self.language == "tr" else max(word.split("'"), key=len)
            if word in self.stops:
                return ""
        word = word[:LONGEST]
        return plain(self.stem_for(word)(word))

    def stem_for(self, word: str) -> Any:
        if word.isascii():
            return self.stem
        for codes, letter in _ALPHABETS:
            if letter.match(word):
                return self.stem if self.language in codes else _stemmer(codes[0])
        return self.stem


@cache
def _memo(language: str) -> _Memo:
    return _Memo(language)


@cache
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(STEMMERS[language], 0).stemWord if language in STEMMERS else str


def plain(word: str) -> str:
    """Latin and Greek letters without their accents, which people leave out when they type."""
    return word if word.isascii() else word.translate(_accents())


@cache
def _accents() -> dict[int, str]:
    folded = {
        ord(sign): letter for sign, letter in zip("ßøłđæœıð", ("ss", "o", "l", "d", "ae", "oe", "i", "d"), strict=True)
    }
    for code in (*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x2000)):
        base = unicodedata.normalize("NFD", chr(code))
        if len(base) > 1:
            folded[code] = base[0]
    return folded
