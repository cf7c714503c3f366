"""How leads are compared, searched and told apart."""

from __future__ import annotations

import re

from deskbell.errors import Problem

SEPARATOR = "\x1f"  # between the parts of a search text; a term cannot hold it, so no hit spans two parts
INDEXED = 3  # characters that a trigram index needs
PHONE_DIGITS = str.maketrans(
    "0123456789", "".join(map(chr, range(0xE030, 0xE03A)))
)  # no name or e-mail address has these
_phone_like = re.compile(r"[0-9 +\-().]+").fullmatch


def folded(text: str | None) -> str | None:
    """The form in which text is compared and sorted: case-folded."""
    return None if text is None else text.casefold()


def digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def search_text(first_name: str, last_name: str | None, email: str | None, phone: str | None) -> str:
    """Everything that a search looks at, folded: `first last`, e-mail, and the phone in digits of its own (contract 3.1.5)."""
    name = first_name if last_name is None else f"{first_name} {last_name}"
    parts = (name, email or "", digits(phone or "").translate(PHONE_DIGITS))
    return SEPARATOR.join(part.replace(SEPARATOR, " ").casefold() for part in parts)


def search_terms(search: str) -> tuple[str, str | None]:
    """The folded term and, where it can only be a phone number, its digits as a phone's are kept."""
    term = search.replace(SEPARATOR, " ").casefold()
    number = digits(term) if _phone_like(term) else ""
    return term, number.translate(PHONE_DIGITS) or None


def duplicate(index: str) -> Problem:
    """The refusal of a second lead with the same phone or e-mail address."""
    field = "phone" if index == "leads_phone" else "email"
    return Problem("duplicate", f"A lead with this `{field}` already exists in your organization")
