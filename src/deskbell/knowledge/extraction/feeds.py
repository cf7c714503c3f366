"""RSS (0.9 to 2.0) and Atom: each entry with its address, title, date and text."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from deskbell.knowledge.extraction.document import Block, FeedEntry, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.html import parse_page
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import one_line
from deskbell.knowledge.extraction.xml import local_name, parse

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_ENTRIES = 10_000
TEXTS = ("encoded", "content", "description", "summary")  # in order of preference
DATES = ("published", "pubDate", "date", "updated", "modified", "issued")


def read(data: bytes, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    """The whole feed as one document: each entry a heading and its text."""
    blocks: list[Block] = []
    for entry in read_entries(data, limits):
        if entry.title:
            blocks.append(Block(entry.title, 2))
        blocks += [Block(block.text, min(block.level + 2, 6) if block.level else 0) for block in entry.blocks]
    return ParsedDocument(channel_title(parse_feed(data)), blocks)


def read_entries(data: bytes, limits: ReadLimits) -> list[FeedEntry]:
    """The entries in the feed's order. Raises `Unreadable` if it is not a feed."""
    root = parse_feed(data)
    if local_name(root) not in ("rss", "feed", "RDF"):
        raise Unreadable("The XML is neither an RSS nor an Atom feed.")
    entries = list(root.iter("{*}item", "{*}entry"))
    if len(entries) > MAX_ENTRIES:
        raise Unreadable(f"The feed has {len(entries):,} entries; at most {MAX_ENTRIES:,} are read.")
    found = [entry_of(element) for element in entries]
    return list({each.id: each for each in reversed(found)}.values())[::-1]


def parse_feed(data: bytes) -> _Element:
    """The root element. A damaged feed is read as far as possible; without any entry it is refused."""
    try:
        return parse(data, "The feed")
    except Unreadable:
        root = parse(data, "The feed", recover=True)
        if next(root.iter("{*}item", "{*}entry"), None) is None:
            raise
        return root


def entry_of(entry: _Element) -> FeedEntry:
    children: dict[str, list[_Element]] = {}
    for child in entry:
        children.setdefault(local_name(child), []).append(child)
    url = address(children.get("link", []))
    title = next((one_line(plain_text(each)) for each in children.get("title", [])), None) or None
    id = next((one_line(each.text or "") for name in ("guid", "id") for each in children.get(name, [])), "")
    if not url and id.startswith(("http://", "https://")):
        url = id
    published = next((utc(each.text) for name in DATES for each in children.get(name, [])), None)
    return FeedEntry(id or url or title or "", url, title, published, blocks(children))


def blocks(children: dict[str, list[_Element]]) -> list[Block]:
    """The text of the first element for text that has any."""
    for name in TEXTS:
        for element in children.get(name, []):
            if blocks := parse_page(markup(element)).blocks:
                return blocks
    return []


def markup(element: _Element) -> str:
    """An element's content as HTML: it may be escaped HTML (RSS), elements (Atom's XHTML) or plain text."""
    if len(element):
        from lxml import etree

        return etree.tostring(element, encoding="unicode", method="html", with_tail=False)
    text = element.text or ""
    if element.get("type") == "text":
        return text.replace("&", "&amp;").replace("<", "&lt;")
    return text


def plain_text(element: _Element) -> str:
    return " ".join(block.text for block in parse_page(markup(element)).blocks)


def address(links: list[_Element]) -> str | None:
    """The address for readers: RSS has it as text, Atom in an attribute of one of several links."""
    for link in links:
        if url := (link.text or "").strip():
            return web_url(url)
    readers = [link for link in links if link.get("rel", "alternate") == "alternate" and link.get("href")]
    return web_url(urljoin(readers[0].base or "", readers[0].get("href", ""))) if readers else None


def web_url(url: str) -> str | None:
    return url if url.startswith(("http://", "https://")) and len(url) <= 2000 else None


def utc(text: str | None) -> str | None:
    """A date of RFC 822 or ISO 8601 as ISO 8601 in UTC; None if it is neither."""
    text = (text or "").strip()
    for parse_date in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parse_date(text)
            aware = date if date.tzinfo else date.replace(tzinfo=UTC)
            return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def channel_title(root: _Element) -> str | None:
    for element in root.iter("{*}channel", "{*}feed"):
        for child in element:
            if local_name(child) == "title":
                return one_line(plain_text(child)) or None
    return None
