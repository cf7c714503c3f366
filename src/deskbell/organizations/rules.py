"""What a well-formed organization, person, phone number and e-mail address is."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from deskbell.errors import invalid
from deskbell.organizations.model import DAYS, SCOPES

# The usual ways to write a North American number; phonenumbers reads them all the same, in fifty times the time.
_north_american = re.compile(r"(\+1|1)?[ .-]?\(?([2-9]\d\d)\)?[ .-]?([2-9]\d\d)[ .-]?(\d{4})\Z", re.ASCII).match
_email = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+").fullmatch
_visible = re.compile(r"[!-~]{1,2000}").fullmatch
_clock = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]").fullmatch
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


def not_blank(field: str, text: str) -> str:
    if not text.strip():
        raise invalid(field, "must not be blank")
    return text


def validate_logo(url: str) -> str:
    """The address of a picture, as a page can show it."""
    parts = urlsplit(url) if _visible(url) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("logo_url", "must be an http or https address such as https://example.com/logo.png")
    return url


def validate_origin(text: str) -> str:
    """A web page's origin as browsers send it: scheme, host and a port that is not the usual one (RFC 6454)."""
    parts = urlsplit(text) if _visible(text) else None
    try:
        port = parts.port if parts else None
    except ValueError:
        parts = port = None
    wrong = parts is None or parts.scheme not in ("http", "https") or not parts.hostname
    if wrong or parts is None or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise invalid("origin", "must be scheme and host of a web page, such as https://example.com")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def is_nothing_but_a_number(text: str) -> bool:
    """Whether no word is lost when the digits are taken out. Three letters and more stand for digits, as in `1-800-FLOWERS`."""
    text = text[4:] if text[:4].lower() == "tel:" else text
    return _number(text) is not None and len(re.findall("[A-Za-z]", text)) not in (1, 2)


def number_hash(organization_id: str, phone: str) -> str:
    """How an opt-out remembers a number without holding it; it stays when the person is erased."""
    return sha256(f"{organization_id}:{phone}".encode()).hexdigest()[:32]


@lru_cache(maxsize=64)
def validate_timezone(name: str) -> str:
    if name not in available_timezones():
        raise invalid("timezone", "must be an IANA time zone such as America/Chicago")
    return ZoneInfo(name).key


def validate_country(code: str) -> str:
    import phonenumbers

    if code.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise invalid("country", "must be a two-letter country code (ISO 3166) such as US")
    return code.upper()


def validate_hours(hours: Any) -> str:
    """Business hours as stored JSON: every day present, opening before closing, null when closed."""
    if not isinstance(hours, dict) or set(hours) - set(DAYS):
        raise invalid("business_hours", f"must be an object with the keys {', '.join(DAYS)}")
    for day, times in hours.items():
        if times is None:
            continue
        given = (times.get("start"), times.get("end")) if isinstance(times, dict) and len(times) == 2 else (None, None)
        start, end = (str(time) for time in given)
        if not (_clock(start) and _clock(end) and start < end):
            raise invalid(
                f"business_hours.{day}", 'must be null or {"start": "08:00", "end": "17:00"}, the start first'
            )
    return msgspec.json.encode({day: hours.get(day) for day in DAYS}).decode()


def validate_scopes(scopes: list[str]) -> list[str]:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise invalid("scopes", f"has no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    return sorted(set(scopes))
