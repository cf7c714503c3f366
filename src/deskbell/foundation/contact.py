"""Phone numbers and e-mail addresses: how they are read, checked and stored."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any

from deskbell.errors import invalid

# The usual ways to write a North American number; phonenumbers reads them all the same, in fifty times the time.
_north_american = re.compile(r"(\+1|1)?[ .-]?\(?([2-9]\d\d)\)?[ .-]?([2-9]\d\d)[ .-]?(\d{4})\Z", re.ASCII).match
_email = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+").fullmatch
# A number and no word beside it: digits of any script, the signs that people put between them, letters in the place of digits.
_signs = (
    r"-.()\[\]/~ \xa0\xad\u200b\u2010-\u2015\u2060\u2212\u223c\u3000\u30fc\uff08\uff09\uff0d-\uff0f\uff3b\uff3d\uff5e"
)


_number = re.compile(rf"[+\uff0b(\[\uff08\uff3b]*\d[\dA-Za-z{_signs}]*").fullmatch


class Email(str):
    """An e-mail address, kept as it was written. Form: an address as HTML's `input type=email` takes it, with a dotted domain."""

    __slots__ = ()
    schema = {"type": "string", "format": "email", "maxLength": 254, "examples": ["maria@example.com"]}
    expected = "must be an e-mail address such as ann@example.com"

    @classmethod
    def parse(cls, text: str) -> Email:
        local, _, domain = text.partition("@")
        if (
            len(text) > 254
            or len(local) > 64
            or _email(text) is None
            or ".." in text
            or local.startswith(".")
            or local.endswith(".")
        ):
            raise ValueError(cls.expected)
        if any(label.startswith("-") or label.endswith("-") or len(label) > 63 for label in domain.split(".")):
            raise ValueError(cls.expected)
        return cls(text)


@lru_cache(maxsize=4096)
def e164(text: str, country: str, field: str = "phone") -> str:
    """A phone number in E.164 (ITU-T), read as one dialled in `country` unless it begins with `+`."""
    if (usual := _north_american(text)) and (usual[1] == "+1" or country in ("US", "CA")):
        return f"+1{usual[2]}{usual[3]}{usual[4]}"
    import phonenumbers

    text = text.strip()
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and number.extension is not None:
        raise invalid(field, "must be a phone number without an extension, which no text can reach")
    if (
        number is None
        or not is_nothing_but_a_number(text)
        or phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        raise invalid(field, "must be a phone number, best with its country code: +15125550123")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_nothing_but_a_number(text: str) -> bool:
    """Whether no word is lost when the digits are taken out. Three letters and more stand for digits, as in `1-800-FLOWERS`."""
    text = text[4:] if text[:4].lower() == "tel:" else text
    return _number(text) is not None and len(re.findall("[A-Za-z]", text)) not in (1, 2)


def number_hash(organization_id: str, phone: str) -> str:
    """How an opt-out remembers a number without holding it; it stays when the person is erased."""
    return sha256(f"{organization_id}:{phone}".encode()).hexdigest()[:32]


def parsed(field: str, kind: Any, text: str) -> str:
    """A value of one of our string types, or a `validation_error` that names the field."""
    try:
        return str(kind.parse(text))
    except ValueError as error:
        raise invalid(field, str(error)) from None
