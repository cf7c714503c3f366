"""Follow-up questions that a model writes below its reply: split off from the text, and dropped unless they can be shown as they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

#: The line that a model writes between its answer and the questions.
MARK = "<follow-ups>"
MOST = 3
SHORTEST, LONGEST = 3, 120  # characters of a question
SECONDS = 3.0  # that a reply may still take after its text is complete
MAX_SUGGESTIONS = 1_000  # characters that are looked at

MAX_HELD = 50  # characters of space that are held back until more arrives

# Models spell the mark in their own way, and put it in bold or code.
_MARK = re.compile(r"<\s{0,2}follow[-_ ]?ups?\s{0,2}/?>", re.IGNORECASE)
_DRESS = " \t*_`"
_OPENING = re.compile(r"[ \t*_`]{0,8}(?:<[\w\s/-]{0,16})?").fullmatch
MAX_OPENING = 26  # characters
_END = re.compile(r"<\s{0,2}/\s{0,2}follow[-_ ]?ups?\s{0,2}>", re.IGNORECASE)
_ENUMERATION = re.compile(r"\A(?:[-*•–]|\(?\d{1,2}[.):])\s*")
_CITATION = re.compile(r"\s*(?:\[[\d\s,;^]{1,80}\]|【[^】]{0,80}】)")
# Anything that could be a link, an address, or markup of any kind.
_FORBIDDEN = re.compile(r"[<>\[\]{}|\\`*@]|__|~~|\A#|://|\bwww\.|[^\W\d_]\.[^\W\d_]{2}", re.IGNORECASE)
# Thai, Lao, Tibetan, Burmese and Khmer are written without a question mark.
_UNMARKED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
_QUESTION_MARKS = "?？؟;՞"
_UNSEEN, _JOINERS = ("Cc", "Cf", "Cn", "Co", "Cs"), "\u200c\u200d"  # direction marks can make a text look like another


class FollowUpSplitter:
    """Reads a reply piece by piece. `begun` means that its text is complete and the suggestions have begun."""

    def __init__(self) -> None:
        self.held = "\n"  # a reply begins on a new line
        self.fresh = True
        self.begun = False
        self.rest = ""

    def feed(self, piece: str) -> str:
        """What of the text may be shown by now."""
        if self.begun:
            self.rest = (self.rest + piece)[:MAX_SUGGESTIONS]
            return ""
        text = self.held + piece
        if "<" in text and (mark := marked(text)):
            self.begun, self.held, self.rest = True, "", text[mark.end() :][:MAX_SUGGESTIONS]
            return self.shown(text[: mark.start()].rpartition("\n")[0].rstrip())
        place = unfinished(text)
        self.held = text[place:]
        return self.shown(text[:place])

    def end(self) -> str:
        """What was held back, when no more will come."""
        rest, self.held = self.held, ""
        return self.shown(rest.rstrip())

    def shown(self, text: str) -> str:
        if self.fresh and text:
            text = text.removeprefix("\n")
            self.fresh = False
        return text


def marked(text: str) -> re.Match[str] | None:
    """The mark, if it stands at the beginning of a line."""
    for found in _MARK.finditer(text):
        before = text[max(0, found.start() - 9) : found.start()]
        if before.rstrip(_DRESS).endswith("\n"):
            return found
    return None


def unfinished(text: str) -> int:
    """Where the end of a text begins that is space, or may become the mark, and is held back until more arrives."""
    line = text.rfind("\n", max(0, len(text) - MAX_OPENING))
    end = line if line >= 0 and _OPENING(text, line + 1) else len(text)
    return max(len(text[:end].rstrip()) if text[:end][-1:].isspace() else end, end - MAX_HELD)


def questions(text: str, asked: Iterable[str]) -> list[str]:
    """The lines that are questions, without repetitions, questions that were asked already, links and markup."""
    already = {folded(each) for each in asked}
    found: dict[str, str] = {}
    for line in _END.sub("\n", text).splitlines():
        question = plain(line)
        if fit(question) and folded(question) not in already:
            found.setdefault(folded(question), question)
    return list(found.values())[:MOST]


def plain(line: str) -> str:
    line = _ENUMERATION.sub("", _CITATION.sub("", line.strip()))
    return " ".join(line.strip(" \t\"'“”„«»*_`").split())


def fit(question: str) -> bool:
    if not SHORTEST <= len(question) <= LONGEST or _FORBIDDEN.search(question):
        return False
    if any(unicodedata.category(sign) in _UNSEEN and sign not in _JOINERS for sign in question):
        return False
    return question[-1] in _QUESTION_MARKS or bool(_UNMARKED.search(question))


def folded(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())
