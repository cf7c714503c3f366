"""What is read from documents: titles, headings, paragraphs, list items, table rows and pages, each in reading order."""

from __future__ import annotations

import io
import zipfile

import pytest

from deskbell.demo.documents import WORD, Heading, Items, TableRows, docx, pdf
from deskbell.knowledge.extraction.document import Block, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.formats import read, read_entries
from deskbell.knowledge.extraction.layout import PageLine, blocks
from deskbell.knowledge.extraction.limits import LIMITS, ReadLimits

PARTS = [
    Heading("Drain cleaning"),
    "We clear kitchen and bathroom drains on the same day in most of the city, and we always tell you the price before we begin.",
    Items(["Kitchen sinks", "Bath tubs"]),
    Heading("Prices", 2),
    TableRows([["Service", "Price"], ["Drain cleaning", "$129"], ["Heater flush", "$189"]]),
    "Prices hold until June.",
]


def text(data: bytes | str, name: str, media_type: str | None = None, limits: ReadLimits = LIMITS) -> ParsedDocument:
    return read(data.encode() if isinstance(data, str) else data, name, media_type, limits)


def lines(document: ParsedDocument) -> list[str]:
    """Blocks as text, headings with their marks."""
    return [f"{'#' * block.level} {block.text}".strip() for block in document.blocks]


def reason(data: bytes | str, name: str, media_type: str | None = None, limits: ReadLimits = LIMITS) -> str:
    with pytest.raises(Unreadable) as caught:
        text(data, name, media_type, limits)
    return caught.value.reason


def test_a_pdf_has_headings_by_size_and_paragraphs_by_distance() -> None:
    read = text(pdf("Price sheet", PARTS), "sheet.pdf")
    assert read.title == "Price sheet"
    assert lines(read) == [
        "# Price sheet",
        "## Drain cleaning",
        PARTS[1],
        "• Kitchen sinks",
        "• Bath tubs",
        "### Prices",
        "Service: Drain cleaning; Price: $129",
        "Service: Heater flush; Price: $189",
        "Prices hold until June.",
    ]


def test_a_pdf_tells_its_pages_and_leaves_out_what_each_page_repeats() -> None:
    long = [
        f"Paragraph {''.join('abcdefghij'[int(digit)] for digit in str(number))} speaks of drains and heaters at some length."
        for number in range(150)
    ]
    read = text(pdf("Manual", long), "manual.pdf")
    assert [block.page for block in read.blocks] == sorted(block.page or 0 for block in read.blocks)
    assert read.blocks[-1].page == 5
    assert not [block for block in read.blocks if block.text.startswith("Page ")]
    assert sum(block.text.startswith("Paragraph ") for block in read.blocks) == 150


def test_words_that_a_line_cut_are_put_together() -> None:
    def line(words: str, y: float) -> PageLine:
        return PageLine(words, 1, 12, 50, 500, y, False, (words,))

    page = [line("This sentence is long and has an exam-", 700), line("ple that a line's end has cut.", 686)]
    assert blocks([page], {}) == [Block("This sentence is long and has an example that a line's end has cut.", 0, 1)]


def test_the_table_of_contents_names_headings() -> None:
    def line(words: str, y: float) -> PageLine:
        return PageLine(words, 1, 12, 50, 500, y, False, (words,))

    page = [
        line("Opening hours", 700),
        line("We are open on weekdays.", 680),
        line("We close at noon.", 660),
        line("So it is.", 640),
    ]
    assert blocks([page], {(1, "opening hours"): 2})[0] == Block("Opening hours", 2, 1)


def test_a_word_document_has_headings_lists_and_tables() -> None:
    read = text(docx("Price sheet", PARTS), "sheet.docx")
    assert read.title == "Price sheet"
    assert lines(read)[:4] == ["# Price sheet", "# Drain cleaning", PARTS[1], "• Kitchen sinks"]
    assert lines(read)[5:7] == ["## Prices", "Service: Drain cleaning; Price: $129"]


def word(body: str, **parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("word/document.xml", f"<w:document {WORD}><w:body>{body}</w:body></w:document>")
        for name, content in parts.items():
            package.writestr(f"word/{name}.xml", content)
    return out.getvalue()


def test_a_heading_is_found_by_its_styles_meaning_in_any_language() -> None:
    styles = (
        f'<w:styles {WORD}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Ours"><w:name w:val="Chapter"/><w:basedOn w:val="berschrift1"/></w:style>'
        '<w:style w:styleId="Deep"><w:name w:val="Deep"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style></w:styles>'
    )
    made = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{style}</w:t></w:r></w:p>'
        for style in ("berschrift1", "Ours", "Deep")
    )
    assert lines(text(word(made, styles=styles), "a.docx")) == ["# berschrift1", "# Ours", "### Deep"]


def test_a_word_document_is_read_as_printed_with_its_changes_accepted() -> None:
    body = (
        "<w:p><w:r><w:t>We open at </w:t></w:r><w:del><w:r><w:delText>nine</w:delText></w:r></w:del><w:ins><w:r><w:t>eight</w:t></w:r></w:ins>"
        '<w:r><w:instrText>PAGE</w:instrText></w:r><w:hyperlink><w:r><w:t xml:space="preserve"> daily</w:t></w:r></w:hyperlink></w:p>'
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a field</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    notes = f"<w:footnotes {WORD}><w:footnote><w:p><w:r><w:t>Not in June.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    assert lines(text(word(body, footnotes=notes), "a.docx")) == [
        "We open at eight daily",
        "In a field",
        "Not in June.",
    ]


PAGE = """<!doctype html><html><head><title>Prices | Acme</title><style>p{}</style></head><body>
<nav><a href=/>Home</a> <a href=/a>About</a></nav><header><h1>Our prices</h1></header>
<p>Drains from <b>$129</b>, heaters&nbsp;from $189.<br>Weekdays only.</p><p hidden>Secret</p>
<ul><li>Kitchen<li>Bath <i>tubs</i></ul>
<table><thead><tr><th>Service</th><th>Price</th></tr></thead><tr><td>Drain</td><td>$129</td></tr></table>
<div class="cookie-banner">We use cookies</div><script>alert("x")</script><footer>© Acme</footer></body></html>"""


def test_a_web_page_is_its_text_without_menus_scripts_and_footers() -> None:
    read = text(PAGE, "prices", "text/html; charset=utf-8")
    assert read.title == "Prices | Acme"
    assert lines(read) == [
        "# Our prices",
        "Drains from $129, heaters from $189.\nWeekdays only.",
        "Kitchen",
        "Bath tubs",
        "Service: Drain; Price: $129",
    ]


def test_of_a_page_with_a_main_part_only_that_is_read() -> None:
    page = "<div>Top</div><main><h2>Hours</h2><p>Nine to five.</p></main><aside>Offer</aside>"
    assert lines(text(page, "a.html")) == ["## Hours", "Nine to five."]


def test_lists_of_nothing_but_links_are_menus() -> None:
    menu = "<ul><li><a href=1>One</a><li><a href=2>Two</a><li><a href=3>Three</a></ul>"
    assert lines(text(f"{menu}<p>The text.</p>", "a.html")) == ["The text."]
    assert lines(text(menu, "a.html")) == ["One", "Two", "Three"]


def test_tables_that_only_arrange_a_page_are_read_as_what_is_in_them() -> None:
    page = (
        "<table><tr><td><h1>Left</h1><p>One</p></td><td><table><tr><td>A</td><td>B</td></tr></table></td></tr></table>"
    )
    assert lines(text(page, "a.html")) == ["# Left", "One", "A; B"]


def test_markdown_is_read_without_its_marks() -> None:
    read = text(
        "---\ntitle: 'Our FAQ'\n---\n# FAQ #\n\nHow *long* is the **warranty**?\nTwo [years](http://x.example/a_(b)).\n\n"
        "Hours\n-----\n1. Mo `9-5`\n2. Tu\n   closed\n\n| Service | Price |\n|---|:--:|\n| Drain \\| sink | $129 |\n\n"
        "```sh\n# no heading\nrun it\n```\n<!-- hidden -->\n> said\n\n![A map](map.png)\nsnake_case_name 2 * 3 * 4\n",
        "faq.md",
    )
    assert read.title == "Our FAQ"
    assert lines(read) == [
        "# FAQ",
        "How long is the warranty? Two years.",
        "## Hours",
        "Mo 9-5",
        "Tu closed",
        "Service: Drain | sink; Price: $129",
        "# no heading\nrun it",
        "said",
        "A map snake_case_name 2 * 3 * 4",
    ]


def test_plain_text_has_paragraphs_items_and_the_headings_people_mark() -> None:
    read = text(
        "Acme\n====\n\nWARRANTY\n\nTwo years on parts.\n\n- Drains\n- Heaters\n  and tanks\n\n1 Main Street\nAustin\n",
        "a.txt",
    )
    assert read.title == "Acme"
    assert lines(read) == [
        "# Acme",
        "## WARRANTY",
        "Two years on parts.",
        "- Drains",
        "- Heaters\nand tanks",
        "1 Main Street\nAustin",
    ]


def test_lines_of_running_text_are_put_together() -> None:
    wrapped = "This is a line of running text that somebody has wrapped by hand,\nso that it goes on in the next one."
    assert lines(text(wrapped, "a.txt")) == [wrapped.replace("\n", " ")]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_each_record_of_a_csv_can_be_read_alone(mark: str) -> None:
    table = f'Service{mark}Price\n"Drain{mark} sink"{mark}$129\nHeater{mark}\n'
    assert lines(text(table, "a.csv")) == [
        f"Service: Drain{mark} sink; Price: $129".replace("\t ", " "),
        "Service: Heater",
    ]


def test_a_csv_without_names_of_columns_is_read_as_it_is() -> None:
    assert lines(text("Drain,129\nHeater,189\n", "a.csv")) == ["Drain; 129", "Heater; 189"]


RSS = """<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>News</title>
<item><title>Open &amp;amp; ready</title><link>https://acme.example/1</link><guid>g1</guid><pubDate>Tue, 03 Jun 2025 10:00:00 +0200</pubDate>
<description>Short</description><content:encoded><![CDATA[<h2>Now</h2><p>On <b>Monday</b>.</p>]]></content:encoded></item>
<item><title>Again</title><link>javascript:alert(1)</link><description>More</description></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://acme.example/"><title>News</title><entry><id>tag:1</id>
<title type="html">A &lt;i&gt;day&lt;/i&gt;</title><link rel="self" href="/x"/><link href="/p"/><updated>2026-01-02T03:04:05Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Hello</p></div></content></entry></feed>"""


def test_each_entry_of_a_feed_has_its_address_title_moment_and_text() -> None:
    first, second = read_entries(RSS.encode(), LIMITS)
    assert (first.id, first.url, first.title) == ("g1", "https://acme.example/1", "Open & ready")
    assert (first.published, first.text) == ("2025-06-03T08:00:00Z", "Now\n\nOn Monday.")
    assert (second.url, second.published, second.text) == (None, None, "More")
    (entry,) = read_entries(ATOM.encode(), LIMITS)
    assert (entry.id, entry.url, entry.title) == ("tag:1", "https://acme.example/p", "A day")
    assert (entry.published, entry.text) == ("2026-01-02T03:04:05Z", "Hello")


GERMAN = "Größe: 5 €. Die Prüfung kostet nichts, und wir kommen auch am Samstag zu Ihnen, wenn Sie möchten."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "iso-8859-15"]
)
def test_text_is_read_in_whatever_encoding_it_is(encoding: str) -> None:
    assert lines(text(GERMAN.encode(encoding), "a.txt")) == [
        GERMAN if encoding != "iso-8859-15" else lines(text(GERMAN.encode(encoding), "a.txt"))[0]
    ]


def test_an_encoding_is_believed_only_if_the_text_is_in_it() -> None:
    page = f"<meta charset=iso-8859-1><p>{GERMAN}</p>"
    assert lines(text(page.encode(), "a.html", "text/html; charset=utf-16")) == [GERMAN]
    russian = "<meta charset='windows-1251'><p>Цены на услуги</p>"
    assert lines(text(russian.encode("cp1251"), "a.html")) == ["Цены на услуги"]
    assert lines(text("料金表".encode("shift_jis"), "a.txt", "text/plain; charset=shift_jis")) == ["料金表"]


def test_no_control_character_and_no_half_letter_comes_out() -> None:
    assert lines(text("a\x00b\x07c\u200bd\u00ade  f\ufeff", "a.txt")) == ["abcde f"]
    assert lines(text(b"<p>&#xD800;x&#0;y</p>", "a.html"))[0].encode()


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "a.txt", "empty"),
        (b" \n\t\x00", "a.pdf", "empty"),
        (b"hello", "a.pdf", "not a PDF"),
        (b"%PDF-1.7 hello", "a.docx", "is a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", "picture"),
        (b"\xff\xd8\xff\xe0", "a.pdf", "picture"),
        (b"PK\x03\x04 xl/workbook.xml", "a.xlsx", "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "old Office"),
        (b"{\\rtf1", "a.rtf", "RTF"),
        (b"<html></html>", "a.html", "no text"),
        (b"<x/>", "a.xml", "neither"),
        (pdf("", [])[:400], "a.pdf", "end is missing"),
        (docx("a", ["b"])[:200], "a.docx", "damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(data: bytes, name: str, words: str) -> None:
    assert words in reason(data, name)


def test_a_kind_that_nobody_reads_is_named() -> None:
    assert "image/webp" in reason(b"RIFF", "a.webp", "image/webp")


def test_limits_on_text_blocks_and_pages_are_told() -> None:
    assert "1 MB of text" in reason("x" * (1 << 20) + "y", "a.txt", limits=ReadLimits(text=1 << 20))
    assert "more than 10 paragraphs" in reason("x\n\n" * 11, "a.txt", limits=ReadLimits(blocks=10))
    assert "at most 1 are read" in reason(pdf("a", ["word " * 400] * 9), "a.pdf", limits=ReadLimits(pages=1))


def test_the_same_file_gives_the_same_document() -> None:
    for data, name in ((pdf("a", PARTS), "a.pdf"), (docx("a", PARTS), "a.docx"), (PAGE.encode(), "a.html")):
        assert text(data, name) == text(data, name)
    assert docx("a", PARTS) == docx("a", PARTS)
