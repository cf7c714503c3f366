"""The word of a knowledge base that a misspelt one was meant to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 4, 32  # letters of a word that is corrected
CANDIDATES = 32
ALIKE = 0.3  # the least share of trigrams (Dice) of a word and its correction
BLOCK = 16_384  # words that are worked on at once

Signatures = NDArray[np.uint64]


class Speller:
    """Finds near words by signatures of 256 bits, one bit for each trigram of a word, then by the edits between them."""

    def __init__(self, words: list[str]) -> None:
        self.words = [word for word in words if correctable(word)]
        self.signatures = signatures(self.words)
        self.sizes = np.bitwise_count(self.signatures).sum(axis=1, dtype=np.int32)

    def near(self, word: str) -> list[tuple[int, float, str]]:
        """Words within one edit, two from 8 letters on, the best first: number of edits, share of trigrams that differ, word."""
        if not correctable(word) or not self.words:
            return []
        own = signatures([word])[0]
        common = np.bitwise_count(self.signatures & own).sum(axis=1, dtype=np.int32)
        alike = 2 * common / (self.sizes + int(np.bitwise_count(own).sum()))
        best = np.argpartition(-alike, CANDIDATES)[:CANDIDATES] if len(alike) > CANDIDATES else np.arange(len(alike))
        most = 1 if len(word) < 8 else 2
        found = [
            (distance, 1 - float(alike[place]), self.words[place])
            for place in best
            if alike[place] >= ALIKE and (distance := edits(word, self.words[place], most)) <= most
        ]
        return sorted(found)


def correctable(word: str) -> bool:
    """Words of letters. A number, or a name with digits, that is not there is another one, not a misspelt one."""
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def signatures(words: list[str]) -> Signatures:
    """256 bits per word as four integers; a trigram's bit is its hash. Beginning and end count as signs."""
    found = np.zeros((len(words), 4), np.uint64)
    for start in range(0, len(words), BLOCK):
        texts = [f" {word} " for word in words[start : start + BLOCK]]
        signs = np.array(texts, f"<U{max(map(len, texts))}")
        codes = signs.view(np.uint32).reshape(len(texts), -1)
        hashes = codes[:, :-2] * np.uint32(0x9E3779B1) + codes[:, 1:-1] * np.uint32(0x85EBCA6B)
        hashes = ((hashes + codes[:, 2:] * np.uint32(0xC2B2AE35)) * np.uint32(0x27D4EB2F)) >> np.uint32(24)
        rows, columns = np.nonzero(codes[:, 2:])
        bits = hashes[rows, columns].astype(np.uint64)
        np.bitwise_or.at(
            found, (start + rows, (bits >> np.uint64(6)).astype(np.int64)), np.uint64(1) << (bits & np.uint64(63))
        )
    return found


def edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, changes and swaps of neighbours between two words; any number above `most` when there are more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, sign in enumerate(other, 1):
            value = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != sign))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == sign:
                value = min(value, before[column - 2] + 1)
            now.append(value)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return last[-1]
