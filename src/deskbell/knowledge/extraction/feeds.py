"""RSS (0.9 to 2.0) and Atom: each entry with its address, title, moment and text."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from deskbell.knowledge.extraction.document import Block, FeedEntry, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.html import parsed
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import flat
from deskbell.knowledge.extraction.xml import local, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

ENTRIES = 10_000
TEXTS = ("encoded", "content", "description", "summary")  # the fullest first
MOMENTS = ("published", "pubDate", "date", "updated", "modified", "issued")


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    """The whole feed as one document: each entry a heading and its text."""
    blocks: list[Block] = []
    for item in items(data, limits):
        if item.title:
            blocks.append(Block(item.title, 2))
        blocks += [Block(block.text, min(block.level + 2, 6) if block.level else 0) for block in item.blocks]
    return ParsedDocument(channel_title(feed_in(data)), blocks)


def items(data: bytes, limits: ReadLimits) -> list[FeedEntry]:
    """The entries in the feed's order. Raises Unreadable if it is none."""
    root = feed_in(data)
    if local(root) not in ("rss", "feed", "RDF"):
        raise Unreadable("The XML is neither an RSS nor an Atom feed.")
    entries = list(root.iter("{*}item", "{*}entry"))
    if len(entries) > ENTRIES:
        raise Unreadable(f"The feed has {len(entries):,} entries; at most {ENTRIES:,} are read.")
    found = [item(entry) for entry in entries]
    return list({each.id: each for each in reversed(found)}.values())[::-1]


def feed_in(data: bytes) -> _Element:
    """The root. Of a damaged feed, what can be saved; if that has no entry, it is refused as damaged."""
    try:
        return parse(data, "The feed")
    except Unreadable:
        root = parse(data, "The feed", recover=True)
        if next(root.iter("{*}item", "{*}entry"), None) is None:
            raise
        return root


def item(entry: _Element) -> FeedEntry:
    children: dict[str, list[_Element]] = {}
    for child in entry:
        children.setdefault(local(child), []).append(child)
    url = address(children.get("link", []))
    title = next((flat(plain(each)) for each in children.get("title", [])), None) or None
    mark = next((flat(each.text or "") for name in ("guid", "id") for each in children.get(name, [])), "")
    if not url and mark.startswith(("http://", "https://")):
        url = mark
    published = next((moment(each.text) for name in MOMENTS for each in children.get(name, [])), None)
    return FeedEntry(mark or url or title or "", url, title, published, blocks(children))


def blocks(children: dict[str, list[_Element]]) -> list[Block]:
    """The text of the first of the places for text that has any."""
    for name in TEXTS:
        for element in children.get(name, []):
            if found := parsed(markup(element)).blocks:
                return found
    return []


def markup(element: _Element) -> str:
    """What an element holds, as HTML: escaped in it (as RSS does), or as elements (Atom's XHTML), or plain text."""
    if len(element):
        from lxml import etree

        return etree.tostring(element, encoding="unicode", method="html", with_tail=False)
    text = element.text or ""
    if element.get("type") == "text":
        return text.replace("&", "&amp;").replace("<", "&lt;")
    return text


def plain(element: _Element) -> str:
    return " ".join(block.text for block in parsed(markup(element)).blocks)


def address(links: list[_Element]) -> str | None:
    """RSS puts it into the element, Atom into an attribute, of which the one for readers counts."""
    for link in links:
        if found := (link.text or "").strip():
            return web(found)
    readers = [link for link in links if link.get("rel", "alternate") == "alternate" and link.get("href")]
    return web(urljoin(readers[0].base or "", readers[0].get("href", ""))) if readers else None


def web(found: str) -> str | None:
    return found if found.startswith(("http://", "https://")) and len(found) <= 2000 else None


def moment(text: str | None) -> str | None:
    """A date of RFC 822 or ISO 8601 as ISO 8601 in UTC; None if it is neither."""
    text = (text or "").strip()
    for reading in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = reading(text)
            aware = found if found.tzinfo else found.replace(tzinfo=UTC)
            return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def channel_title(root: _Element) -> str | None:
    for element in root.iter("{*}channel", "{*}feed"):
        for child in element:
            if local(child) == "title":
                return flat(plain(child)) or None
    return None
