"""Web pages: headings, paragraphs, list items and table rows of the main text, without menus, scripts and footers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from deskbell.knowledge.extraction.decoding import decode_text
from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import one_line, table_lines

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_DEPTH = 2000  # of nested elements; the parser needs minutes for 200,000
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
BOILERPLATE = re.compile(
    r"\b(?:cookie|consent|breadcrumb|skip-link|navbar|nav-menu|site-nav|site-footer|social-share)", re.I
)
MENU = 3  # outside of <main>, so many list items in a row that are only links are a menu


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    declared = DECLARED.search(data[:4096]) or PROLOGUE.match(data[:256])
    return parse_page(decode_text(data, media_type, declared[1].decode("ascii", "replace") if declared else None))


def parse_page(page: str) -> ParsedDocument:
    """A page, or a part of one, as a document. Raises `Unreadable` if it is nested too deeply."""
    from selectolax.lexbor import LexborHTMLParser

    if too_deep(page):
        raise Unreadable(f"The page nests more than {MAX_DEPTH:,} elements in one another.")
    tree = LexborHTMLParser(page)
    title = next((one_line(node.text()) for node in tree.css("head > title")), None)
    mains = tree.css("main, [role=main]")
    collector = BlockCollector(whole=len(mains) != 1)
    if len(mains) == 1:
        walk(mains[0], collector)
    if not collector.blocks and (root := tree.body or tree.root):
        collector = BlockCollector(whole=True)
        walk(root, collector)
    return ParsedDocument(title or next((b.text for b in collector.blocks if b.level == 1), None), collector.finish())


def too_deep(page: str) -> bool:
    """Whether elements are nested too deeply, by counting tags alone, which is cheaper than parsing."""
    depth = 0
    for tag in TAG.finditer(page):
        if tag[2].lower() not in UNCOUNTED:
            depth = max(depth - 1, 0) if tag[1] else depth + 1
            if depth > MAX_DEPTH:
                return True
    return False


class Table(msgspec.Struct):
    """A table while it is read: for each row its cells, for each cell its blocks.

    `has_header`: the first row has header cells. `layout`: the table only arranges the page.
    """

    cells: list[list[list[Block]]] = []
    has_header: bool = False
    layout: bool = False

    def blocks(self) -> list[Block]:
        """The rows as lines of text; of a layout table its blocks."""
        long = any(len(block.text) > 600 or block.level for row in self.cells for cell in row for block in cell)
        if self.layout or long or max(map(len, self.cells), default=0) < 2:
            return [block for row in self.cells for cell in row for block in cell]
        texts = [[" ".join(block.text for block in cell) for cell in row] for row in self.cells]
        return [Block(line) for line in table_lines(texts, header=self.has_header or None)]


class BlockCollector:
    """Collects the blocks of a page while `walk` goes through it. `whole`: it is not known which part is the main text."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.blocks: list[Block] = []
        self.parts: list[str] = []
        self.only_links: list[bool] = []
        self.tables: list[Table] = []
        self.level = self.open_links = self.preformatted = 0
        self.link_text = self.length = 0

    def text(self, words: str) -> None:
        self.parts.append(words if self.preformatted else words.replace("\n", " "))
        size = len(words.strip())
        self.length += size
        if self.open_links:
            self.link_text += size

    def end_block(self, item: bool = False) -> None:
        """Makes a block of the text since the last one: in the open cell of a table, or of the page."""
        if self.parts:
            if text := "".join(self.parts).strip():
                target = self.tables[-1].cells[-1][-1] if self.in_cell() else self.blocks
                target.append(Block(text, self.level))
                if target is self.blocks:
                    self.only_links.append(item and not self.level and self.link_text >= self.length * 0.9)
            self.parts = []
        self.link_text = self.length = 0

    def in_cell(self) -> bool:
        return bool(self.tables and self.tables[-1].cells and self.tables[-1].cells[-1])

    def enter(self, tag: str) -> None:
        if tag == "a":
            self.open_links += 1
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
                table.has_header = table.has_header or (tag == "th" and len(table.cells) == 1)
                table.cells[-1].append([])

    def leave(self, tag: str) -> None:
        if tag == "a":
            self.open_links -= 1
        elif tag not in INLINE:
            self.end_block(item=tag == "li")
            if tag in HEADINGS:
                self.level = 0
            elif tag == "pre":
                self.preformatted -= 1
            elif tag == "table":
                blocks = self.tables.pop().blocks()
                target = self.tables[-1].cells[-1][-1] if self.in_cell() else self.blocks
                target += blocks
                if target is self.blocks:
                    self.only_links += [False] * len(blocks)

    def finish(self) -> list[Block]:
        self.end_block()
        if not self.whole:
            return self.blocks
        menus: set[int] = set()
        run: list[int] = []
        for number, only_links in enumerate([*self.only_links, False]):
            if only_links:
                run.append(number)
                continue
            if len(run) >= MENU:
                menus.update(run)
            run = []
        rest = [block for number, block in enumerate(self.blocks) if number not in menus]
        return rest or self.blocks


def walk(root: LexborNode, collector: BlockCollector) -> None:
    """Depth first, without recursion: pages may be nested deeper than Python's stack."""
    node, depth = root, 0
    while True:
        tag = node.tag or ""
        down = None
        if tag == "-text":
            collector.text(node.text_content or "")
        elif tag not in SKIPPED and not (tag not in INLINE and depth and is_boilerplate(node)):
            collector.enter(tag)
            down = node.first_child
            if down is None:
                collector.leave(tag)
        if down is not None:
            node, depth = down, depth + 1
            continue
        while depth and (following := node.next) is None:
            parent = node.parent
            assert parent is not None
            node, depth = parent, depth - 1
            collector.leave(node.tag or "")
        if not depth:
            return
        assert following is not None
        node = following


def is_boilerplate(node: LexborNode) -> bool:
    """Whether the element is hidden, or repeats on every page of a site around the text."""
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or attributes.get("aria-hidden") == "true" or attributes.get("role") in SKIPPED_ROLES:
        return True
    if re.search(r"display\s*:\s*none", attributes.get("style") or ""):
        return True
    return bool(BOILERPLATE.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}"[:500]))
