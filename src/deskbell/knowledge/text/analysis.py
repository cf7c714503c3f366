"""The terms of a text that are searched: its words in lower case, stemmed, without stop words; in languages without spaces, pairs of characters.

Chunks are stored with these terms, so a search gives the same results on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from deskbell.knowledge.text.stop_words import ENGLISH_TOO, STOP_WORDS

MAX_TERM = 64  # characters of a term
MAX_CACHED = 200_000  # analysed words per language
SAMPLE = 4_000  # characters by which a language is detected

UNSPACED = ("zh", "ja", "ko", "th")  # written without spaces, or searched as if they were: by pairs of characters

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
# Marks belong to their word: to Python, Hindi's vowel signs and Arabic's short vowels are not letters.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962-\u0963\u200c\u200d"
_words = re.compile(rf"[^\W_][\w{_MARKS}]*(?:'[^\W_][\w{_MARKS}]*)*").findall
_ascii_words = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*").findall
# Part numbers: groups of letters and digits with a separator between them. Decimals and dates have digits only.
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
    """The ISO 639-1 code of a text's language, by its script and its stop words; `default` if neither decides."""
    sample = normalized(text[:SAMPLE])
    if sample.isascii():  # most texts are, which saves counting other scripts
        return _by_words(sample, _LATIN, default) if _latin.search(sample) else default
    characters = {code: len(script.findall(sample)) for code, script in _SCRIPTS}
    letters: dict[Sequence[str], int] = {codes: len(letter.findall(sample)) for codes, letter in _ALPHABETS}
    latin = len(_latin.findall(sample))
    most = max(latin, *letters.values())
    if 3 * sum(characters.values()) > most:
        # Japanese mixes kana with the characters that Chinese uses alone.
        japanese = 20 * characters["ja"] > characters["zh"] > 0 or characters["ja"] > most
        return "ja" if japanese else max(characters, key=lambda code: characters[code])
    if most == 0:
        return default
    codes = _LATIN if most == latin else max(letters, key=lambda each: letters[each])
    return _by_words(sample, codes, default)


def _by_words(sample: str, codes: Sequence[str], default: str) -> str:
    """Which of these languages has most of its stop words in a text. A word with a letter that English lacks counts half as much."""
    words = Counter(_words(sample))
    score = {code: 2 * sum(words[word] for word in _evidence(code) & words.keys()) for code in codes}
    if not sample.isascii():
        for code in _LETTERS.keys() & score.keys():
            score[code] += sum(times for word, times in words.items() if not _letters(code).isdisjoint(word))
    if default in score:
        score[default] += 1
    best = max(score, key=lambda code: (score[code], code == default))
    return best if score[best] else codes[0]


@cache
def _letters(code: str) -> frozenset[str]:
    return frozenset(_LETTERS[code])


@cache
def _evidence(code: str) -> frozenset[str]:
    """The words that are evidence for a language."""
    return STOP_WORDS[code] | ENGLISH_TOO if code == "en" else STOP_WORDS[code]


def terms(text: str, language: str) -> list[str]:
    """The terms of a text in its order, with repetitions. A query is analysed in the language of what it searches.

    Words in another script than the language's are stemmed by a language of that script.
    """
    if text.isascii():
        return _stemmed(_ascii_words(text.lower()), text, language)
    text = normalized(text, language)
    if not _unspaced.search(text):
        return _stemmed(_words(text), text, language)
    found = []
    for part in _parts(text):
        if _unspaced.match(part):
            found += [part[at : at + 2] for at in range(max(1, len(part) - 1))]
        else:
            found += _stemmed(_words(part), part, language)
    return found


def normalized(text: str, language: str = "") -> str:
    """NFKC and lower case; one form of apostrophe."""
    text = unicodedata.normalize("NFKC", text)
    if language == "tr":
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower().replace("i\u0307", "i").replace("’", "'").replace("\u00ad", "")


def _stemmed(words: list[str], text: str, language: str) -> list[str]:
    cached = _term_cache(language)
    found = [term for word in words if (term := cached[word])]
    if _digit(text):
        found += [
            "".join(filter(str.isalnum, each))[:MAX_TERM].lower()
            for each in _compounds(text)
            if _digit(each) and _lettered(each)
        ]
    return found


class _TermCache(dict[str, str]):
    """Caches the term of each word; the empty string for a stop word. Thread-safe: the stemmer runs under the interpreter's lock."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.stops = STOP_WORDS.get(language, frozenset())
        self.stem = _stemmer(language)

    def __missing__(self, word: str) -> str:
        if len(self) >= MAX_CACHED:
            self.clear()
        self[word] = term = self.term(word)
        return term

    def term(self, word: str) -> str:
        if word in self.stops:
            return ""
        if "'" in word and self.language != "en":
            # An elided article comes before the word (l'eau), a Turkish name's suffix after it (Ankara'da).
            word = word.split("'")[0] if self.language == "tr" else max(word.split("'"), key=len)
            if word in self.stops:
                return ""
        word = word[:MAX_TERM]
        return plain(self.stem_for(word)(word))

    def stem_for(self, word: str) -> Any:
        if word.isascii():
            return self.stem
        for codes, letter in _ALPHABETS:
            if letter.match(word):
                return self.stem if self.language in codes else _stemmer(codes[0])
        return self.stem


@cache
def _term_cache(language: str) -> _TermCache:
    return _TermCache(language)


@cache
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(STEMMERS[language], 0).stemWord if language in STEMMERS else str


def plain(word: str) -> str:
    """Latin and Greek letters without accents, which people often do not type."""
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
