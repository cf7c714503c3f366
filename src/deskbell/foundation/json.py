"""Reading what strangers send. Whatever arrives, the result is a typed value or a `validation_error` that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from deskbell.errors import Problem, invalid

#: Stored JSON that a record passes through unread, exactly as it was written.
Object = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
Strings = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

MAX_BODY = 1024 * 1024
MAX_DEPTH = 64
MOST_CONTAINERS = 20_000  # lists and objects; each costs far more to read than it takes to send
MAX_INTEGER = 2**63
INFINITY = float("inf")
LARGE_INTEGER, LARGE_NUMBER = "an integer does not fit 64 bits", "a number is out of range"

_parse = msgspec.json.Decoder().decode
_located = re.compile(r"^(.*?)(?: - at `(?:key in )?\$(.*)`)?$", re.DOTALL).match
_length = re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)").fullmatch
_bound = re.compile(r"Expected `int` (>=|<=) (-?\d+)").fullmatch
_types = re.compile(r"Expected `([^`]+)`, got `(\w+)`").fullmatch
_missing = re.compile(r"Object missing required field `(\w+)`").fullmatch
_words = {
    "str": "a string",
    "int": "an integer",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "float": "a number",
}


def hook(kind: type, value: Any) -> Any:
    """Our own string types (Instant, Id, ...) read themselves: each has `parse` and `expected`."""
    if not isinstance(value, str):
        raise ValueError(kind.expected)  # type: ignore[attr-defined]
    return kind.parse(value)  # type: ignore[attr-defined]


def parse(raw: bytes) -> Any:
    """Bytes of JSON as plain values, not inspected. What would hold the event loop up is refused unread, with a ValueError."""
    if raw.count(b"[") + raw.count(b"{") > MOST_CONTAINERS and containers(raw) > MOST_CONTAINERS:
        raise ValueError(f"it holds more than {MOST_CONTAINERS:,} lists and objects")
    return _parse(raw)


def containers(raw: bytes) -> int:
    """How many lists and objects a text of JSON has; brackets within strings are none."""
    outside = b"".join(raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{")


def decoder(kind: type[T], *, missing_first: bool = False) -> Callable[[bytes], T]:
    """A function from the bytes of a body to a value of `kind`. Its checks hold for the whole body, unknown keys included.

    The body is parsed without types first: a typed parser would not look into unknown keys. `missing_first` names the first
    required field that is missing or blank, in the words of the agent API, before any type is looked at.
    """
    required = [field.encode_name for field in msgspec.structs.fields(kind) if field.required] if missing_first else []  # type: ignore[arg-type]

    def decode(raw: bytes) -> T:
        if not raw.strip():
            raise Problem("validation_error", "The body is empty; it must be a JSON object")
        try:
            value = parse(raw)
            inspect(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            raise Problem("validation_error", f"The body is not acceptable JSON: {plain(error)}") from None
        if required and isinstance(value, dict):
            refuse_missing(value, required)
            value = {name: int(each) if is_whole(each) else each for name, each in value.items()}
        return converted(value, kind)

    return decode


def converted(value: Any, kind: type[T]) -> T:
    """A parsed value as one of `kind`."""
    try:
        return msgspec.convert(value, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        raise explained(error, kind) from None


def is_whole(value: Any) -> bool:
    """Whether a number is written as `3.0`, which the agent API takes for the integer that it is."""
    return type(value) is float and value.is_integer() and abs(value) < 2**53


def refuse_missing(body: dict[str, Any], required: list[str]) -> None:
    """Names the first required field that is absent, null or blank."""
    for name in required:
        value = body.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise Problem("validation_error", f"Missing required field: {name}")


def inspect(body: Any) -> None:
    """Refuses what JSON allows and databases do not: NUL, infinite numbers, integers beyond 64 bits, deep nesting."""
    level, depth = [body], 0
    while level:
        deeper: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                if "\0" in item:
                    raise ValueError("the character NUL is not allowed")
            elif kind is dict or kind is list:
                if depth == MAX_DEPTH:
                    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
                deeper += item
                if kind is dict:
                    deeper += item.values()
            elif kind is int:
                if not -MAX_INTEGER <= item < MAX_INTEGER:
                    raise ValueError(LARGE_INTEGER)
            elif kind is float and abs(item) == INFINITY:
                raise ValueError(LARGE_NUMBER)
        level, depth = deeper, depth + 1


def query_decoder(kind: type[S]) -> Callable[[bytes], S]:
    """A function from a raw query string to a value of `kind`. Unknown parameters are ignored, repeated known ones refused."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    integers = {name for name, annotation in fields.items() if int in unwrapped(annotation)}
    default = msgspec.convert({}, kind, dec_hook=hook)

    def decode(query: bytes) -> S:
        if not query:
            return default
        values: dict[str, Any] = {}
        try:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Problem("validation_error", "The query string is not valid UTF-8 in percent-encoding") from None
        for name, value in pairs:
            if name not in fields:
                continue
            if name in values:
                raise invalid(name, "is given more than once")
            if "\0" in value:
                raise invalid(name, "must not hold the character NUL")
            values[name] = integer(name, value) if name in integers else value
        return converted(values, kind)

    return decode


def integer(name: str, text: str) -> int:
    """A decimal integer of at most 64 bits, as a query value."""
    if re.fullmatch(r"-?[0-9]{1,19}", text) is None or not -MAX_INTEGER <= int(text) < MAX_INTEGER:
        raise invalid(name, "must be an integer")
    return int(text)


def unwrapped(annotation: Any) -> tuple[Any, ...]:
    """The plain types within an annotation: Annotated and unions are taken apart, Literal becomes its values."""
    if hasattr(annotation, "__metadata__"):
        return unwrapped(annotation.__origin__)
    arguments = getattr(annotation, "__args__", None)
    return tuple(kind for part in arguments for kind in unwrapped(part)) if arguments else (annotation,)


def plain(error: Exception) -> str:
    text = str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, msgspec.ValidationError):  # all that a parser without types can mind
        return LARGE_INTEGER if text.startswith("Integer") else LARGE_NUMBER
    if isinstance(error, RecursionError):
        return f"it is nested more than {MAX_DEPTH} levels deep"
    if isinstance(error, UnicodeError):
        return "it is not valid UTF-8"
    return "it ends too early or holds half of a surrogate pair" if "truncated" in text else text


def explained(error: msgspec.ValidationError, kind: type) -> Problem:
    """Words msgspec's complaint for the person who sent the value; the field comes first."""
    located = _located(str(error))
    complaint, path = (located.group(1), (located.group(2) or "").lstrip(".")) if located else (str(error), "")
    if missing := _missing(complaint):
        return invalid(f"{path}.{missing.group(1)}" if path else missing.group(1), "is required")
    if not path:
        return Problem("validation_error", "The body must be a JSON object")
    if complaint.startswith("Invalid enum value"):
        allowed = [
            value
            for field in msgspec.structs.fields(kind)
            if field.encode_name == path
            for value in unwrapped(field.type)
        ]
        complaint = "must be one of: " + ", ".join(value for value in allowed if isinstance(value, str))
    elif "matching regex" in complaint:
        complaint = "must not be blank"
    elif size := _length(complaint):
        unit = "characters" if size.group(1) == "str" else "entries"
        complaint = f"must have at {'least' if size.group(2) == '>=' else 'most'} {size.group(3)} {unit}"
    elif bound := _bound(complaint):
        complaint = f"must be {bound.group(2)} or {'more' if bound.group(1) == '>=' else 'less'}"
    elif mismatch := _types(complaint):
        wanted = [_words.get(word.strip(), word) for word in mismatch.group(1).split("|")]
        complaint = f"must be {' or '.join(wanted)}, not {_words.get(mismatch.group(2), mismatch.group(2))}"
    elif not complaint.startswith("must"):
        complaint = f"is not valid: {complaint}"
    return invalid(path, complaint)
