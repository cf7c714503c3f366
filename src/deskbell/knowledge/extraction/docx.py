"""Word documents: paragraphs, headings by their style's meaning rather than its name, lists, tables, notes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import flat, rows
from deskbell.knowledge.extraction.xml import local, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMED = re.compile(r"heading ([1-9])$", re.I)
OMITTED = {"del", "moveFrom", "instrText", "delText", "Fallback", "rPr", "pPr", "sectPr", "txbxContent", "rt"}
TITLE = 100  # in `levels`, the style of a title
DAMAGED = "The Word document is damaged or was cut off. Upload it again."


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    try:
        parts = PackageParts(data, limits)
        main = parts.main()
        body = Body(levels(parts.xml("word/styles.xml")))
        body.container(main)
        for notes in ("word/footnotes.xml", "word/endnotes.xml"):
            if (root := parts.xml(notes)) is not None:
                body.container(root)
        title = body.title or core_title(parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, KeyError) as problem:
        raise Unreadable(DAMAGED) from problem
    return ParsedDocument(title or next((b.text for b in body.blocks if b.level == 1), None), body.blocks)


class PackageParts:
    """The files within a document, unpacked no further than the limit, whatever their headers say of their size."""

    def __init__(self, data: bytes, limits: ReadLimits) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        self.left = self.limit = limits.unpacked
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
            data = file.read(self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise Unreadable(f"Unpacked, the document is larger than {self.limit >> 20} MB, so it is not read.")
        return parse(data, "The Word document")


def levels(styles: _Element | None) -> dict[str, int]:
    """For each style that makes a heading, its level. A style's own outline level, else its English name, else what it is based on."""
    own: dict[str, int] = {}
    base: dict[str, str] = {}
    for style in () if styles is None else (each for each in styles if local(each) == "style"):
        key = attribute(style, "styleId")
        for part in style.iter():
            name, value = local(part), attribute(part, "val")
            if name == "outlineLvl" and value.isdigit() and int(value) < 9:
                own[key] = int(value) + 1
            elif name == "name" and (match := NAMED.match(value)):
                own.setdefault(key, int(match[1]))
            elif name == "name" and value.lower() == "title":
                own[key] = TITLE
            elif name == "basedOn":
                base[key] = value
    found = dict(own)
    for style_id in base:
        at, seen = style_id, {style_id}
        while at not in own and (at := base.get(at, "")) and at not in seen:
            seen.add(at)
        if at in own:
            found.setdefault(style_id, own[at])
    return found


class Body:
    """The blocks of a document, and its title where a paragraph has that style."""

    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels
        self.blocks: list[Block] = []
        self.title: str | None = None

    def container(self, root: _Element) -> None:
        """Paragraphs and tables below an element, in order, through whatever wraps them."""
        waiting = list(reversed(root))
        while waiting:
            element = waiting.pop()
            name = local(element)
            if name == "p":
                self.paragraph(element)
            elif name == "tbl":
                self.table(element)
            elif name not in OMITTED:
                waiting += reversed(element)

    def paragraph(self, element: _Element) -> None:
        level = self.level(element)
        text = words(element)
        if level == TITLE:
            self.title = self.title or flat(text) or None
            level = 1
        if flat(text):
            self.blocks.append(Block(flat(text) if level else text, min(level, 6)))
        for box in element.iter("{*}txbxContent"):
            if not any(local(above) == "Fallback" for above in box.iterancestors()):
                self.container(box)

    def level(self, paragraph: _Element) -> int:
        properties = next((each for each in paragraph if local(each) == "pPr"), None)
        level = 0
        for part in () if properties is None else properties:
            value = attribute(part, "val")
            if local(part) == "outlineLvl" and value.isdigit() and int(value) < 9:
                return int(value) + 1
            if local(part) == "pStyle":
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
                    "\n".join(map(words, cell.iter("{*}p")))
                    for cell in row.iter("{*}tc")
                    if nearest_table(cell) is element
                ]
            )
        self.blocks += [Block(line) for line in rows(cells, header)]


def nearest_table(element: _Element) -> _Element | None:
    return next((above for above in element.iterancestors() if local(above) == "tbl"), None)


def words(paragraph: _Element) -> str:
    """A paragraph's text as it would be printed with all changes accepted."""
    parts: list[str] = []
    waiting = list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        name = local(element)
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
    return None if found is None else flat(found.text or "") or None
