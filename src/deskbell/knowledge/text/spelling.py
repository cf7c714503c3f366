"""Corrects misspelt words to words of a knowledge base."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 4, 32  # letters of words that are corrected
CANDIDATES = 32
MIN_SIMILARITY = 0.3  # of a word and its correction: Dice coefficient of their trigrams
BLOCK = 16_384  # words that are processed at once

Signatures = NDArray[np.uint64]


class Speller:
    """Finds similar words by signatures of 256 bits, one bit for each trigram of a word, and then by edit distance."""

    def __init__(self, words: list[str]) -> None:
        self.words = [word for word in words if correctable(word)]
        self.signatures = signatures(self.words)
        self.sizes = np.bitwise_count(self.signatures).sum(axis=1, dtype=np.int32)

    def near(self, word: str) -> list[tuple[int, float, str]]:
        """Words within one edit, or two from 8 letters on, best first: number of edits, share of trigrams that differ, word."""
        if not correctable(word) or not self.words:
            return []
        own = signatures([word])[0]
        common = np.bitwise_count(self.signatures & own).sum(axis=1, dtype=np.int32)
        similarity = 2 * common / (self.sizes + int(np.bitwise_count(own).sum()))
        best = (
            np.argpartition(-similarity, CANDIDATES)[:CANDIDATES]
            if len(similarity) > CANDIDATES
            else np.arange(len(similarity))
        )
        most = 1 if len(word) < 8 else 2
        found = [
            (distance, 1 - float(similarity[number]), self.words[number])
            for number in best
            if similarity[number] >= MIN_SIMILARITY and (distance := edits(word, self.words[number], most)) <= most
        ]
        return sorted(found)


def correctable(word: str) -> bool:
    """Only words of letters: an unknown number, or name with digits, is probably another one rather than misspelt."""
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def signatures(words: list[str]) -> Signatures:
    """256 bits per word as four integers; a hash of each trigram chooses its bit. Beginning and end count as characters."""
    found = np.zeros((len(words), 4), np.uint64)
    for start in range(0, len(words), BLOCK):
        texts = [f" {word} " for word in words[start : start + BLOCK]]
        characters = np.array(texts, f"<U{max(map(len, texts))}")
        codes = characters.view(np.uint32).reshape(len(texts), -1)
        hashes = codes[:, :-2] * np.uint32(0x9E3779B1) + codes[:, 1:-1] * np.uint32(0x85EBCA6B)
        hashes = ((hashes + codes[:, 2:] * np.uint32(0xC2B2AE35)) * np.uint32(0x27D4EB2F)) >> np.uint32(24)
        rows, columns = np.nonzero(codes[:, 2:])
        bits = hashes[rows, columns].astype(np.uint64)
        np.bitwise_or.at(
            found, (start + rows, (bits >> np.uint64(6)).astype(np.int64)), np.uint64(1) << (bits & np.uint64(63))
        )
    return found


def edits(one: str, other: str, most: int) -> int:
    """The edit distance of two words: insertions, deletions, changes and swaps of neighbours. If it is above `most`, any number above `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, character in enumerate(other, 1):
            value = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != character))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == character:
                value = min(value, before[column - 2] + 1)
            now.append(value)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return last[-1]
