"""CSV: each record as a line that can be read alone, with the names of its columns."""

from __future__ import annotations

import csv
import io
from itertools import islice

from deskbell.knowledge.extraction.decoding import decoded
from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import rows

FIELD = 1_000_000  # characters; a longer field is a quote that nobody closed


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    text = decoded(data, media_type).replace("\x00", "")
    csv.field_size_limit(FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text))
    try:
        records = (record for record in reader if any(field.strip() for field in record))
        table = list(islice(records, limits.blocks + 1))
    except csv.Error:
        complaint = (
            f"A field that begins near line {reader.line_num} is longer than {FIELD:,} characters. Is a quote missing?"
        )
        raise Unreadable(complaint) from None
    if len(table) > limits.blocks:
        raise Unreadable(f"The file has more than {limits.blocks:,} rows. Split it into smaller files.")
    return ParsedDocument(None, [Block(line) for line in rows(table)])


def delimiter(text: str) -> str:
    """The one that cuts the first lines into equally many fields, and into most."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]

    def merit(mark: str) -> tuple[float, int]:
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=lambda count: (counts.count(count), count), default=0)
        return (counts.count(usual) / len(lines) if usual else 0.0, usual)

    return max(",;\t|", key=merit) if lines else ","
