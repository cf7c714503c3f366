"""Word documents: paragraphs, headings (by what their style means rather than its name), lists, tables, notes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import one_line, table_lines
from deskbell.knowledge.extraction.xml import local_name, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMED = re.compile(r"heading ([1-9])$", re.I)
OMITTED = {"del", "moveFrom", "instrText", "delText", "Fallback", "rPr", "pPr", "sectPr", "txbxContent", "rt"}
TITLE = 100  # stands for the title style in `levels`
DAMAGED = "The Word document is damaged or was cut off. Upload it again."


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    try:
        parts = PackageParts(data, limits)
        main = parts.main()
        body = BodyReader(levels(parts.xml("word/styles.xml")))
        body.container(main)
        for notes in ("word/footnotes.xml", "word/endnotes.xml"):
            if (root := parts.xml(notes)) is not None:
                body.container(root)
        title = body.title or core_title(parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, KeyError) as problem:
        raise Unreadable(DAMAGED) from problem
    return ParsedDocument(title or next((b.text for b in body.blocks if b.level == 1), None), body.blocks)


class PackageParts:
    """The files of a document's package. Unpacking stops at the limit, whatever their headers say of their size."""

    def __init__(self, data: bytes, limits: ReadLimits) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        self.remaining = self.limit = limits.unpacked
        self.names = {info.filename: info for info in self.zip.infolist()}
        if any(info.flag_bits & 1 for info in self.names.values()):
            raise Unreadable("The document is protected by a password. Save it without one.")

    def main(self) -> _Element:
        name = next((name for name in self.names if re.fullmatch(r"word/document\d*\.xml", name)), None)
        root = self.xml(name) if name else None
        if root is None:
            raise Unreadable(DAMAGED)
        return root

    def xml(self, name: str) -> _Element | None:
        """A part, parsed; None if there is none."""
        if name not in self.names:
            return None
        with self.zip.open(self.names[name]) as file:
            data = file.read(self.remaining + 1)
        self.remaining -= len(data)
        if self.remaining < 0:
            raise Unreadable(
                f"Unpacked, the document is larger than {self.limit >> 20} MB, which is too large to be read."
            )
        return parse(data, "The Word document")


def levels(styles: _Element | None) -> dict[str, int]:
    """The level of each heading style: by its own outline level, else its English name, else the style that it is based on."""
    own: dict[str, int] = {}
    base: dict[str, str] = {}
    for style in () if styles is None else (each for each in styles if local_name(each) == "style"):
        key = attribute(style, "styleId")
        for part in style.iter():
            name, value = local_name(part), attribute(part, "val")
            if name == "outlineLvl" and value.isdigit() and int(value) < 9:
                own[key] = int(value) + 1
            elif name == "name" and (match := NAMED.match(value)):
                own.setdefault(key, int(match[1]))
            elif name == "name" and value.lower() == "title":
                own[key] = TITLE
            elif name == "basedOn":
                base[key] = value
    inherited = dict(own)
    for style_id in base:
        at, seen = style_id, {style_id}
        while at not in own and (at := base.get(at, "")) and at not in seen:
            seen.add(at)
        if at in own:
            inherited.setdefault(style_id, own[at])
    return inherited


class BodyReader:
    """Collects the blocks of a document, and its title if a paragraph has that style."""

    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels
        self.blocks: list[Block] = []
        self.title: str | None = None

    def container(self, root: _Element) -> None:
        """Paragraphs and tables below an element, in order, whatever elements wrap them."""
        waiting = list(reversed(root))
        while waiting:
            element = waiting.pop()
            name = local_name(element)
            if name == "p":
                self.paragraph(element)
            elif name == "tbl":
                self.table(element)
            elif name not in OMITTED:
                waiting += reversed(element)

    def paragraph(self, element: _Element) -> None:
        level = self.level(element)
        text = printed_text(element)
        if level == TITLE:
            self.title = self.title or one_line(text) or None
            level = 1
        if one_line(text):
            self.blocks.append(Block(one_line(text) if level else text, min(level, 6)))
        for box in element.iter("{*}txbxContent"):
            if not any(local_name(above) == "Fallback" for above in box.iterancestors()):
                self.container(box)

    def level(self, paragraph: _Element) -> int:
        properties = next((each for each in paragraph if local_name(each) == "pPr"), None)
        level = 0
        for part in () if properties is None else properties:
            value = attribute(part, "val")
            if local_name(part) == "outlineLvl" and value.isdigit() and int(value) < 9:
                return int(value) + 1
            if local_name(part) == "pStyle":
                level = self.levels.get(value, 0)
        return level

    def table(self, element: _Element) -> None:
        cells: list[list[str]] = []
        header = None
        for row in (each for each in element.iter("{*}tr") if nearest_table(each) is element):
            if not cells and next(row.iter("{*}tblHeader"), None) is not None:
                header = True
            cells.append(
                [
                    "\n".join(map(printed_text, cell.iter("{*}p")))
                    for cell in row.iter("{*}tc")
                    if nearest_table(cell) is element
                ]
            )
        self.blocks += [Block(line) for line in table_lines(cells, header)]


def nearest_table(element: _Element) -> _Element | None:
    return next((above for above in element.iterancestors() if local_name(above) == "tbl"), None)


def printed_text(paragraph: _Element) -> str:
    """A paragraph's text as it would print with all changes accepted."""
    parts: list[str] = []
    waiting = list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        name = local_name(element)
        if name == "t":
            parts.append(element.text or "")
        elif name in ("tab", "ptab"):
            parts.append("\t")
        elif name in ("br", "cr"):
            parts.append("\n")
        elif name == "noBreakHyphen":
            parts.append("-")
        elif name not in OMITTED:
            waiting += reversed(element)
    return "".join(parts)


def attribute(element: _Element, name: str) -> str:
    return next((str(value) for key, value in element.attrib.items() if str(key).rpartition("}")[2] == name), "")


def core_title(parts: PackageParts) -> str | None:
    root = parts.xml("docProps/core.xml")
    found = None if root is None else next(root.iter("{*}title"), None)
    return None if found is None else one_line(found.text or "") or None
