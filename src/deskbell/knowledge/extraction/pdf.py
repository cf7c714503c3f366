"""PDF: the lines of each page with their positions, from which `layout.py` makes headings, paragraphs and table rows."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pypdfium2
from pypdfium2 import raw

from deskbell.knowledge.extraction.document import ParsedDocument, Unreadable
from deskbell.knowledge.extraction.layout import PageLine, blocks
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import one_line

DAMAGED = "The PDF is damaged and cannot be opened. Save or print it to a new PDF."
CUT_OFF = "The PDF is incomplete: its end is missing. Upload it again."
LOCKED = "The PDF is protected by a password. Save it without one."
NO_TEXT = (
    "The PDF has no text layer: its pages are pictures, as from a scanner. Run text recognition (OCR) on it first."
)
MAX_OUTLINE = 5_000  # entries of the table of contents that are read
WIDE = 0.62  # of the font's height: a wider average letter means gaps, which may be those of a table
BOLD = 80  # characters of the longest line whose weight matters
GAP = 1.2  # of the font's height: space from which on a new cell begins


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    with closing(open_pdf(data)) as pdf:
        if len(pdf) > limits.pages:
            raise Unreadable(
                f"The PDF has {len(pdf):,} pages; at most {limits.pages:,} are read. Split it into smaller files."
            )
        if not len(pdf):
            raise Unreadable(CUT_OFF if cut_off(data) else DAMAGED)
        document_blocks = blocks(all_lines(pdf, data, limits), outline(pdf))
        title = one_line(pdf.get_metadata_value("Title") or "")
    return ParsedDocument(
        title or next((block.text for block in document_blocks if block.level == 1), None), document_blocks
    )


def all_lines(pdf: Any, data: bytes, limits: ReadLimits) -> list[list[PageLine]]:
    """The lines of each page. Raises `Unreadable` if there are none, or too many."""
    lines: list[list[PageLine]] = []
    size = 0
    for number in range(len(pdf)):
        lines.append(page_lines(pdf, number))
        size += sum(len(line.text) for line in lines[-1])
        if size > limits.text:
            raise Unreadable(f"The PDF holds more than {limits.text >> 20} MB of text. Split it into smaller files.")
    if not any(lines):
        raise Unreadable(CUT_OFF if cut_off(data) else NO_TEXT)
    return lines


def open_pdf(data: bytes) -> Any:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as problem:
        if problem.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise Unreadable(LOCKED) from None
        raise Unreadable(CUT_OFF if cut_off(data) else DAMAGED) from None


def cut_off(data: bytes) -> bool:
    """Whether the mark at a PDF's end is missing. Some bytes may follow it."""
    return b"%%EOF" not in data[-2048:]


def page_lines(pdf: Any, number: int) -> list[PageLine]:
    """The lines of text on a page; none if the page itself is damaged."""
    try:
        page = pdf[number]
    except pypdfium2.PdfiumError:
        return []
    text_page = page.get_textpage()
    try:
        return list(PageGeometry(text_page, number + 1).lines(text_page.get_text_range(errors="replace")))
    finally:
        text_page.close()
        page.close()


class PageGeometry:
    """The positions of a page's characters. Coordinates are points, upwards from the lower edge."""

    def __init__(self, text_page: Any, page: int) -> None:
        self.handle, self.page = text_page.raw, page
        self.box = raw.FS_RECTF()
        self.flags = ctypes.c_int()
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.name = ctypes.create_string_buffer(128)

    def lines(self, text: str) -> Iterator[PageLine]:
        at = 0
        wide = not text.isascii() and max(text, default="") > "\uffff"
        for line in text.splitlines(keepends=True):
            words = line.strip()
            if words:
                start = (
                    at + len(line) - len(line.lstrip())
                    if not wide
                    else units(line[: len(line) - len(line.lstrip())]) + at
                )
                if found := self.line(line.strip(), start, wide):
                    yield found
            at += units(line) if wide else len(line)

    def line(self, words: str, start: int, wide: bool) -> PageLine | None:
        last = start + (units(words) if wide else len(words)) - 1
        if not (first_box := self.box_of(start)) or not (last_box := self.box_of(last)):
            return PageLine(words, self.page, 0.0, 0.0, 0.0, 0.0, False, (words,))
        # Heights within a line differ, most of all for bullets and footnote marks: take the median of three characters.
        middle = self.box_of((start + last) // 2) or first_box
        height = sorted(box[3] - box[1] for box in (first_box, middle, last_box))[1]
        base = self.baseline(start)
        left, right = first_box[0], max(last_box[2], first_box[0])
        cells: tuple[str, ...] = (words,)
        if not wide and " " in words and height > 0 and (right - left) / len(words) > WIDE * height:
            cells = tuple(self.cells(words, start, height))
        bold = len(words) <= BOLD and self.bold(start) and self.bold(last)
        return PageLine(words, self.page, height, left, right, base, bold, cells)

    def cells(self, words: str, start: int, height: float) -> Iterator[str]:
        """The parts of a line between gaps that are too wide for a space."""
        begin = 0
        for place, letter in enumerate(words):
            if letter == " " and 0 < place < len(words) - 1 and words[place + 1] != " ":
                before = len(words[:place].rstrip()) - 1
                left, right = self.box_of(start + before), self.box_of(start + place + 1)
                if left and right and right[0] - left[2] > GAP * height:
                    yield words[begin:place].strip()
                    begin = place + 1
        yield words[begin:].strip()

    def box_of(self, text_index: int) -> tuple[float, float, float, float] | None:
        """Left, bottom, right and top of a character with its font's full height."""
        index = raw.FPDFText_GetCharIndexFromTextIndex(self.handle, text_index)
        if index < 0 or not raw.FPDFText_GetLooseCharBox(self.handle, index, self.box):
            return None
        return self.box.left, self.box.bottom, self.box.right, self.box.top

    def baseline(self, text_index: int) -> float:
        index = raw.FPDFText_GetCharIndexFromTextIndex(self.handle, text_index)
        raw.FPDFText_GetCharOrigin(self.handle, index, self.x, self.y)
        return self.y.value

    def bold(self, text_index: int) -> bool:
        index = raw.FPDFText_GetCharIndexFromTextIndex(self.handle, text_index)
        size = raw.FPDFText_GetFontInfo(self.handle, index, self.name, len(self.name), self.flags)
        name = self.name.raw[: max(min(size, len(self.name)) - 1, 0)].lower()
        return any(mark in name for mark in (b"bold", b"black", b"heavy", b"semibold")) or bool(
            self.flags.value & (1 << 18)
        )


def units(text: str) -> int:
    """The length in UTF-16 code units, which PDFium counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def outline(pdf: Any) -> dict[tuple[int, str], int]:
    """The levels (1 to 6) of the titles in the table of contents, by page (from 1) and text in lower case."""
    levels: dict[tuple[int, str], int] = {}
    try:
        for number, entry in enumerate(pdf.get_toc(max_depth=6)):
            destination = entry.get_dest()
            page = destination.get_index() if destination else None
            if page is not None:
                levels.setdefault((page + 1, one_line(entry.get_title()).lower()), entry.level + 1)
            if number >= MAX_OUTLINE:
                break
    except (pypdfium2.PdfiumError, ValueError, RecursionError):
        pass  # a damaged table of contents must not cost the text
    return levels
