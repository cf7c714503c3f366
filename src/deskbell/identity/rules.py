"""What well-formed origins and scopes are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from deskbell.core.scopes import SCOPES
from deskbell.errors import invalid

_visible = re.compile(r"[!-~]{1,2000}").fullmatch


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


def validate_scopes(scopes: Sequence[str]) -> list[str]:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise invalid("scopes", f"has no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    return sorted({str(scope) for scope in scopes})
