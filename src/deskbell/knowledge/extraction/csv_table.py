"""CSV: each record as a line that makes sense alone, with the names of its columns."""

from __future__ import annotations

import csv
import io
from itertools import islice

from deskbell.knowledge.extraction.decoding import decode_text
from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import table_lines

FIELD = 1_000_000  # characters; a longer field is probably a quote that was never closed


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    text = decode_text(data, media_type).replace("\x00", "")
    csv.field_size_limit(FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text))
    try:
        records = (record for record in reader if any(field.strip() for field in record))
        table = list(islice(records, limits.blocks + 1))
    except csv.Error:
        reason = (
            f"A field that begins near line {reader.line_num} is longer than {FIELD:,} characters. Is a quote missing?"
        )
        raise Unreadable(reason) from None
    if len(table) > limits.blocks:
        raise Unreadable(f"The file has more than {limits.blocks:,} rows. Split it into smaller files.")
    return ParsedDocument(None, [Block(line) for line in table_lines(table)])


def delimiter(text: str) -> str:
    """The one that most consistently splits the first lines into the same number of fields, and into most."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]

    def score(mark: str) -> tuple[float, int]:
        counts = [line.count(mark) for line in lines]
        typical = max(set(counts), key=lambda count: (counts.count(count), count), default=0)
        return (counts.count(typical) / len(lines) if typical else 0.0, typical)

    return max(",;\t|", key=score) if lines else ","
