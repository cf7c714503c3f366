"""How leads are compared, searched and told apart."""

from __future__ import annotations

import re

from deskbell.errors import Problem

SEPARATOR = "\x1f"  # between the parts of a search text; a term cannot hold it, so no hit spans two parts
LONGEST = 3 * (
    100 + 1 + 100
)  # characters of two names, each of which case-folding can triple; no searched part is longer
INDEXED = 3  # characters that a trigram index needs
_private = "".join(map(chr, range(0xE030, 0xE03A)))
PHONE_DIGITS = str.maketrans("0123456789", _private)  # a phone's digits, apart from those of names and terms
_plain = str.maketrans(dict.fromkeys(_private, "\ufffd") | {SEPARATOR: " "})  # what people write holds none of ours
_phone_like = re.compile(r"[0-9 +\-().]+").fullmatch


def folded(text: str | None) -> str | None:
    """The form in which text is compared and sorted: case-folded."""
    return None if text is None else text.casefold()


def digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def search_text(first_name: str, last_name: str | None, email: str | None, phone: str | None) -> str:
    """Everything that a search looks at, folded: `first last`, e-mail, and the phone in digits of its own."""
    name = first_name if last_name is None else f"{first_name} {last_name}"
    written = (part.translate(_plain).casefold() for part in (name, email or ""))
    return SEPARATOR.join([*written, digits(phone or "").translate(PHONE_DIGITS)])


def search_terms(search: str) -> tuple[str | None, str | None]:
    """What to look for: the folded term and, where it can only be a phone number, its digits as a phone's are kept.

    What is too long to be found is left out, as the index would work on it for seconds. (None, None) finds nobody.
    """
    term = search.translate(_plain).casefold()
    number = digits(term) if _phone_like(term) else ""
    wanted = [text for text in (term, number.translate(PHONE_DIGITS)) if 0 < len(text) <= LONGEST]
    return wanted[0] if wanted else None, wanted[1] if len(wanted) > 1 else None


def duplicate(index: str) -> Problem:
    """The refusal of a second lead with the same phone or e-mail address."""
    field = "phone" if index == "leads_phone" else "email"
    return Problem("duplicate", f"A lead with this `{field}` already exists in your organization")
