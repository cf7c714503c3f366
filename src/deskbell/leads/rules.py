"""How leads are compared and searched."""

from __future__ import annotations

import re

from deskbell.errors import Problem

SEPARATOR = "\x1f"  # between the parts of a search text; a term cannot contain it, so no match spans two parts
# Characters of two names, each of which case-folding can triple: no part of a search text is longer.
MAX_TERM_LENGTH = 3 * (100 + 1 + 100)
MIN_INDEXED_LENGTH = 3  # characters; a trigram index finds nothing shorter
_private_use = "".join(map(chr, range(0xE030, 0xE03A)))
PHONE_DIGITS = str.maketrans("0123456789", _private_use)  # digits of phone numbers, distinct from those in names
# Text of users must not contain the characters above.
_without_markers = str.maketrans(dict.fromkeys(_private_use, "\ufffd") | {SEPARATOR: " "})
_phone_like = re.compile(r"[0-9 +\-().]+").fullmatch


def folded(text: str | None) -> str | None:
    """The case-folded form in which text is compared and sorted."""
    return None if text is None else text.casefold()


def digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def search_text(first_name: str, last_name: str | None, email: str | None, phone: str | None) -> str:
    """The text that searches look in, case-folded: `first last`, e-mail, and the phone number in `PHONE_DIGITS`."""
    name = first_name if last_name is None else f"{first_name} {last_name}"
    texts = (part.translate(_without_markers).casefold() for part in (name, email or ""))
    return SEPARATOR.join([*texts, digits(phone or "").translate(PHONE_DIGITS)])


def search_terms(search: str) -> tuple[str | None, str | None]:
    """The case-folded term and, if it can only be a phone number, its digits as `PHONE_DIGITS`.

    Terms that are too long to match anything are left out, because the index would take seconds for them. (None, None) matches nothing.
    """
    term = search.translate(_without_markers).casefold()
    number = digits(term) if _phone_like(term) else ""
    terms = [text for text in (term, number.translate(PHONE_DIGITS)) if 0 < len(text) <= MAX_TERM_LENGTH]
    return terms[0] if terms else None, terms[1] if len(terms) > 1 else None


def duplicate(index: str) -> Problem:
    """The error for a second lead with the same phone or e-mail address."""
    field = "phone" if index == "leads_phone" else "email"
    return Problem("duplicate", f"A lead with this `{field}` already exists in your organization")
