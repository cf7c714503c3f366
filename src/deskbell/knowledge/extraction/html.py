"""Web pages: headings, paragraphs, list items and table rows of the main text, without menus, scripts and footers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from deskbell.knowledge.extraction.decoding import decoded
from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import flat, rows

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

DEPTH = 2000  # nested elements; the parser needs minutes for 200,000
DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)
PROLOGUE = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w.:-]{1,40})", re.I)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)")
VOID: Final = "area base br col embed hr img input link meta param source track wbr"
ENDED_BY_THE_NEXT: Final = "p li dt dd tr td th thead tbody tfoot option optgroup"
UNCOUNTED: Final = frozenset(f"{VOID} {ENDED_BY_THE_NEXT}".split())
NO_TEXT: Final = "script style noscript template svg math canvas iframe object embed audio video map head -comment"
CONTROLS: Final = "nav footer button select textarea input dialog menu"
SKIPPED: Final = frozenset(f"{NO_TEXT} {CONTROLS}".split())
SKIPPED_ROLES: Final = frozenset({"navigation", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog"})
PHRASES: Final = (
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark q rp rt ruby s"
)
MORE_PHRASES: Final = "samp small span strike strong sub sup time tt u var wbr"
INLINE: Final = frozenset(f"{PHRASES} {MORE_PHRASES}".split())
HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
CHROME = re.compile(
    r"\b(?:cookie|consent|breadcrumb|skip-link|navbar|nav-menu|site-nav|site-footer|social-share)", re.I
)
MENU = 3  # so many items in a row that are links and nothing else are a menu, outside of <main>


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    declared = DECLARED.search(data[:4096]) or PROLOGUE.match(data[:256])
    return parsed(decoded(data, media_type, declared[1].decode("ascii", "replace") if declared else None))


def parsed(page: str) -> ParsedDocument:
    """The document of a page or a part of one. Raises Unreadable for what is nested beyond reason."""
    from selectolax.lexbor import LexborHTMLParser

    if too_deep(page):
        raise Unreadable(f"The page nests more than {DEPTH:,} elements in one another.")
    tree = LexborHTMLParser(page)
    title = next((flat(node.text()) for node in tree.css("head > title")), None)
    mains = tree.css("main, [role=main]")
    reading = BlockCollector(whole=len(mains) != 1)
    if mains and len(mains) == 1:
        walk(mains[0], reading)
    if not reading.blocks and (root := tree.body or tree.root):
        reading = BlockCollector(whole=True)
        walk(root, reading)
    return ParsedDocument(title or next((b.text for b in reading.blocks if b.level == 1), None), reading.finished())


def too_deep(page: str) -> bool:
    """Whether elements are nested deeper than anybody nests them, by counting tags alone: cheaper than what it protects."""
    depth = 0
    for tag in TAG.finditer(page):
        if tag[2].lower() not in UNCOUNTED:
            depth = max(depth - 1, 0) if tag[1] else depth + 1
            if depth > DEPTH:
                return True
    return False


class Table(msgspec.Struct):
    """A table while it is read: for each row its cells, for each cell its blocks. `named` if the first row has header cells."""

    cells: list[list[list[Block]]] = []
    named: bool = False
    layout: bool = False

    def blocks(self) -> list[Block]:
        """The rows as lines; of a table that only arranges the page, what stands in it."""
        long = any(len(block.text) > 600 or block.level for row in self.cells for cell in row for block in cell)
        if self.layout or long or max(map(len, self.cells), default=0) < 2:
            return [block for row in self.cells for cell in row for block in cell]
        texts = [[" ".join(block.text for block in cell) for cell in row] for row in self.cells]
        return [Block(line) for line in rows(texts, header=self.named or None)]


class BlockCollector:
    """What a walk through the page has gathered. `whole`: nothing told where the main text is."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.blocks: list[Block] = []
        self.parts: list[str] = []
        self.linked: list[bool] = []
        self.tables: list[Table] = []
        self.level = self.links = self.preformatted = 0
        self.link_text = self.length = 0

    def text(self, words: str) -> None:
        self.parts.append(words if self.preformatted else words.replace("\n", " "))
        size = len(words.strip())
        self.length += size
        if self.links:
            self.link_text += size

    def end_block(self, item: bool = False) -> None:
        """What was gathered since the last block becomes one, in the cell of the table that is open, or of the page."""
        if self.parts:
            if text := "".join(self.parts).strip():
                place = self.tables[-1].cells[-1][-1] if self.in_cell() else self.blocks
                place.append(Block(text, self.level))
                if place is self.blocks:
                    self.linked.append(item and not self.level and self.link_text >= self.length * 0.9)
            self.parts = []
        self.link_text = self.length = 0

    def in_cell(self) -> bool:
        return bool(self.tables and self.tables[-1].cells and self.tables[-1].cells[-1])

    def enter(self, tag: str) -> None:
        if tag == "a":
            self.links += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag not in INLINE:
            self.end_block()
            if tag in HEADINGS:
                self.level = HEADINGS[tag]
            elif tag == "pre":
                self.preformatted += 1
            elif tag == "table":
                if self.in_cell():
                    self.tables[-1].layout = True
                self.tables.append(Table())
            elif tag == "tr" and self.tables:
                self.tables[-1].cells.append([])
            elif tag in ("td", "th") and self.tables and self.tables[-1].cells:
                table = self.tables[-1]
                table.named = table.named or (tag == "th" and len(table.cells) == 1)
                table.cells[-1].append([])

    def leave(self, tag: str) -> None:
        if tag == "a":
            self.links -= 1
        elif tag not in INLINE:
            self.end_block(item=tag == "li")
            if tag in HEADINGS:
                self.level = 0
            elif tag == "pre":
                self.preformatted -= 1
            elif tag == "table":
                blocks = self.tables.pop().blocks()
                place = self.tables[-1].cells[-1][-1] if self.in_cell() else self.blocks
                place += blocks
                if place is self.blocks:
                    self.linked += [False] * len(blocks)

    def finished(self) -> list[Block]:
        self.end_block()
        if not self.whole:
            return self.blocks
        menus: set[int] = set()
        run: list[int] = []
        for place, linked in enumerate([*self.linked, False]):
            if linked:
                run.append(place)
                continue
            if len(run) >= MENU:
                menus.update(run)
            run = []
        kept = [block for place, block in enumerate(self.blocks) if place not in menus]
        return kept or self.blocks


def walk(root: LexborNode, reading: BlockCollector) -> None:
    """Depth first, without recursion: pages may be nested deeper than Python's stack."""
    node, depth = root, 0
    while True:
        tag = node.tag or ""
        down = None
        if tag == "-text":
            reading.text(node.text_content or "")
        elif tag not in SKIPPED and not (tag not in INLINE and depth and chrome(node)):
            reading.enter(tag)
            down = node.first_child
            if down is None:
                reading.leave(tag)
        if down is not None:
            node, depth = down, depth + 1
            continue
        while depth and (following := node.next) is None:
            parent = node.parent
            assert parent is not None
            node, depth = parent, depth - 1
            reading.leave(node.tag or "")
        if not depth:
            return
        assert following is not None
        node = following


def chrome(node: LexborNode) -> bool:
    """Whether the element is hidden, or is what surrounds the text on every page of a site."""
    marks = node.attributes
    if not marks:
        return False
    if "hidden" in marks or marks.get("aria-hidden") == "true" or marks.get("role") in SKIPPED_ROLES:
        return True
    if re.search(r"display\s*:\s*none", marks.get("style") or ""):
        return True
    return bool(CHROME.search(f"{marks.get('class') or ''} {marks.get('id') or ''}"[:500]))
