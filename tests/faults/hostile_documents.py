"""Documents made to break their readers: damaged, lying about what they are, or far larger than they look. The same ones each time."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from deskbell.demo.documents import WORD, Heading, Items, TableRows, docx, file_of, pdf

PARTS = [
    Heading("Prices"),
    "Drain cleaning costs $129 on weekdays.",
    TableRows([["Service", "Price"], ["Drain", "$129"], ["Heater", "$189"]]),
    Items(["Kitchen", "Bath"]),
]
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>'
SPY = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY spy SYSTEM "file:///etc/passwd">]>'


class Hostile(NamedTuple):
    name: str
    data: bytes


def documents() -> Iterator[Hostile]:
    """All of them: 200 or more."""
    yield from quick()
    yield from heavy()
    yield from damaged()
    yield from mislabelled()


def quick() -> Iterator[Hostile]:
    """One of each kind that is small or soon refused."""
    yield Hostile("nested.html", b"<div>" * 200_000)
    yield Hostile("unclosed-formatting.html", b"<b><i><font>" * 3000 + b"text")
    yield Hostile("nested-tables.html", b"<table><tr><td>" * 1500 + b"x")
    yield Hostile("half-a-tag.html", b"<p>text<a href='" + b"x" * 500_000)
    yield Hostile("brackets.html", b"<" * 500_000)
    yield Hostile("laughs.xml", f"{BILLION}<rss><channel><item><title>&l9;</title></item></channel></rss>".encode())
    yield Hostile("spy.rss", f"{SPY}<rss><channel><item><title>&spy;</title></item></channel></rss>".encode())
    yield Hostile("utf16-laughs.xml", f"{BILLION}<rss><channel/></rss>".encode("utf-16"))
    yield Hostile("deep.atom", b"<feed>" + b"<entry>" * 100_000)
    yield Hostile(
        "laughs.docx",
        word(f"{BILLION}<w:document {WORD}><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>"),
    )
    yield Hostile("deep.docx", word(f"<w:document {WORD}><w:body>" + "<w:tbl><w:tr><w:tc>" * 20_000))
    yield Hostile("no-document.docx", package({"hello.txt": b"word/document"}))
    yield Hostile("cut.docx", docx("Prices", PARTS)[:-300])
    yield Hostile(
        "locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    )
    yield Hostile("cut.pdf", pdf("Prices", PARTS)[:900])
    yield Hostile("locked.pdf", locked_pdf())
    yield Hostile("scan.pdf", pages_pdf(["0 0 100 100 re f"]))
    yield Hostile("many-pages.pdf", same_page_pdf(100_000))
    yield Hostile("circle.pdf", circle_pdf())
    yield Hostile("unpacks.pdf", flate_pdf(zlib.compress(b"BT /F1 12 Tf (x) Tj ET " * 100_000, 9)))
    yield Hostile("quote.csv", b'a,b\n1,"' + b"x" * 1_500_000)
    yield Hostile("columns.csv", b"a," * 300_000)
    yield Hostile("zeros.txt", bytes(100_000))
    yield Hostile("noise.txt", random.Random(1).randbytes(50_000))
    yield Hostile("half-a-letter.txt", "Prices and hours".encode("utf-16")[:-1])
    yield Hostile("brackets.md", b"[" * 100_000 + b"](" * 1000)
    yield Hostile("quotes.md", b"> " * 50_000 + b"x\n" + b">" * 50_000)


def heavy() -> Iterator[Hostile]:
    """Those that need seconds, or are only refused once they have cost what they may."""
    yield Hostile("bomb.docx", word(" " * (300 << 20)))
    yield Hostile(
        "large-table.docx", word(f"<w:document {WORD}><w:body><w:tbl>{'<w:tr><w:tc><w:p/></w:tc></w:tr>' * 2_000_000}")
    )
    yield Hostile("bomb.pdf", flate_pdf(zlib.compress(b"BT /F1 12 Tf (x) Tj ET " * 20_000_000, 1)))
    yield Hostile("long.txt", b"word " * 5_000_000)
    yield Hostile("blank.txt", b"\n" * 20_000_000 + b"x")
    yield Hostile("paragraphs.txt", b"x\n\n" * 2_000_000)
    yield Hostile("links.html", b"<a href=x>" * 300_000)
    yield Hostile("menu.html", b"<ul>" + b"<li><a href=x>y</a>" * 500_000)
    yield Hostile("comments.html", b"<!--" * 1_000_000)
    yield Hostile("attributes.html", b"<p " + b" ".join(b"a%d=1" % n for n in range(300_000)) + b">x")
    yield Hostile("entries.rss", b"<rss><channel>" + b"<item><title>x</title></item>" * 200_000 + b"</channel></rss>")
    yield Hostile("rows.csv", b"a,b\n" + b"1,2\n" * 3_000_000)
    for mark in ("*", "_", "`", "![", "](", "<", "|", "\\", "~~", "<!--", "#"):
        yield Hostile(f"marks-{ord(mark[0])}-{len(mark)}.md", mark.encode() * 200_000)
        yield Hostile(f"lines-{ord(mark[0])}-{len(mark)}.md", (mark + " a\n").encode() * 100_000)


def damaged() -> Iterator[Hostile]:
    """Good documents with bytes changed or cut off, by a fixed sequence of chance."""
    chance = random.Random(5)
    for name, good in samples():
        for turn in range(9):
            broken = bytearray(good)
            for _ in range(1 + turn * 8):
                broken[chance.randrange(8, len(broken))] = chance.randrange(256)
            yield Hostile(f"changed-{turn}-{name}", bytes(broken))
        for turn in range(5):
            yield Hostile(f"cut-{turn}-{name}", good[: chance.randrange(8, len(good))])


def mislabelled() -> Iterator[Hostile]:
    """Every kind under the name of every other."""
    endings = ("pdf", "docx", "txt", "html", "csv", "rss", "md")
    for name, good in samples():
        for ending in endings:
            if not name.endswith(ending):
                yield Hostile(f"{name}.{ending}", good)


def samples() -> list[tuple[str, bytes]]:
    """A good document of each kind."""
    return [
        ("good.pdf", pdf("Prices", PARTS)),
        ("good.docx", docx("Prices", PARTS)),
        (
            "good.html",
            b"<title>Prices</title><h1>Prices</h1><p>Drain cleaning costs $129.</p><table><tr><th>A<th>B<tr><td>1<td>2</table>",
        ),
        ("good.md", b"# Prices\n\nDrain cleaning costs **$129**.\n\n| A | B |\n|---|---|\n| 1 | 2 |\n"),
        ("good.csv", b"Service,Price\nDrain cleaning,$129\nHeater,$189\n"),
        (
            "good.rss",
            b"<rss><channel><title>News</title><item><title>Open</title><description>On Monday</description></item></channel></rss>",
        ),
        ("good.txt", "PRICES\n\nDrain cleaning costs £129.\n\n- Kitchen\n- Bath\n".encode("utf-16")),
    ]


def package(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def word(document: str) -> bytes:
    return package({"word/document.xml": document.encode()})


PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>"
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def stream(content: str, extra: str = "") -> str:
    return f"<< /Length {len(content)} {extra} >>\nstream\n{content}\nendstream"


def pages_pdf(contents: list[str]) -> bytes:
    """A PDF of one page for each content."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(contents)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>", FONT]
    for place, content in enumerate(contents):
        objects += [PAGE.replace("4 0 R", "3 0 R").replace("5 0 R", f"{5 + 2 * place} 0 R"), stream(content)]
    return file_of([*objects, "<< >>"])


def same_page_pdf(count: int) -> bytes:
    tree = f"<< /Type /Pages /Kids [{'3 0 R ' * count}] /Count {count} >>"
    shown = stream("BT /F1 12 Tf 72 700 Td (Hello) Tj ET")
    return file_of(["<< /Type /Catalog /Pages 2 0 R >>", tree, PAGE, FONT, shown, "<< >>"])


def circle_pdf() -> bytes:
    """Its page tree holds itself, and its form draws itself."""
    tree = "<< /Type /Pages /Kids [3 0 R 2 0 R 2 0 R] /Count 3 /Parent 2 0 R >>"
    page = PAGE.replace("/Font", "/XObject << /X 6 0 R >> /Font")
    form = stream(
        "/X Do /X Do BT /F1 9 Tf (x) Tj ET",
        "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>",
    )
    return file_of(["<< /Type /Catalog /Pages 2 0 R >>", tree, page, FONT, stream("/X Do"), form, "<< >>"])


def flate_pdf(packed: bytes) -> bytes:
    """A page whose content is packed."""
    mark = "@" * 8
    plain = file_of(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            PAGE,
            FONT,
            stream(mark, "/Filter /FlateDecode"),
            "<< >>",
        ]
    )
    return plain.replace(b"/Length 8 ", b"/Length %d " % len(packed)).replace(mark.encode(), packed)


def locked_pdf() -> bytes:
    """Encrypted with a password that nobody knows."""
    lock = f"<< /Filter /Standard /V 1 /R 2 /O <{'41' * 32}> /U <{'42' * 32}> /P -4 >>"
    locked = file_of(
        ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", PAGE, FONT, stream(""), lock]
    )
    return locked.replace(b"/Info 6 0 R", b"/Encrypt 6 0 R /ID [<00><00>]")
