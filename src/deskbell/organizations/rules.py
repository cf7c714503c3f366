"""Validates the fields of an organization."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from deskbell.errors import invalid
from deskbell.organizations.model import DAYS

_visible = re.compile(r"[!-~]{1,2000}").fullmatch
_clock = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]").fullmatch


def not_blank(field: str, text: str) -> str:
    if not text.strip():
        raise invalid(field, "must not be blank")
    return text


def validate_logo(url: str) -> str:
    """The URL of a picture."""
    parts = urlsplit(url) if _visible(url) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("logo_url", "must be an http or https address such as https://example.com/logo.png")
    return url


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
    """Validates business hours and returns them as stored JSON: every day, null when closed."""
    if not isinstance(hours, dict) or set(hours) - set(DAYS):
        raise invalid("business_hours", f"must be an object with the keys {', '.join(DAYS)}")
    for day, times in hours.items():
        if times is None:
            continue
        both = (times.get("start"), times.get("end")) if isinstance(times, dict) and len(times) == 2 else (None, None)
        start, end = (str(time) for time in both)
        if not (_clock(start) and _clock(end) and start < end):
            raise invalid(
                f"business_hours.{day}", 'must be null or {"start": "08:00", "end": "17:00"}, the start first'
            )
    return msgspec.json.encode({day: hours.get(day) for day in DAYS}).decode()
