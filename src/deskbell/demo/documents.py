"""Writes documents as PDF or DOCX without any library.

A document is a title and parts in order. A part is a string (a paragraph), a `Heading`, `Items` (a list) or `TableRows` (a table).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape


class Heading(NamedTuple):
    text: str
    level: int = 1


class Items(NamedTuple):
    texts: Sequence[str]


class TableRows(NamedTuple):
    """A table. The first row names the columns."""

    cells: Sequence[Sequence[str]]


Part = str | Heading | Items | TableRows

WIDTH, HEIGHT, MARGIN = 595, 842, 64  # points of an A4 page
BODY = 10.5
SIZES = {0: 20.0, 1: 15.0, 2: 12.5}
# Widths of Helvetica's letters from space to tilde in thousandths of the font's size.
LETTERS = (
    [278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278]
    + [556] * 10
    + [278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778]
    + [667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556]
    + [278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500]
    + [334, 260, 334, 584]
)


def pdf(title: str, parts: Sequence[Part]) -> bytes:
    """A PDF with a text layer, page numbers and Helvetica. Letters are those of Windows-1252."""
    pages = list(Layout().pages([Heading(title, 0), *parts]))
    kids = " ".join(f"{5 + 2 * place} 0 R" for place in range(len(pages)))
    fonts = [
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        for name in ("Helvetica", "Helvetica-Bold")
    ]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>", *fonts]
    for place, content in enumerate(pages):
        resources = "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >>"
        box = f"/MediaBox [0 0 {WIDTH} {HEIGHT}]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {resources} /Contents {6 + 2 * place} 0 R >>")
        objects.append(f"<< /Length {len(content.encode('cp1252', 'replace'))} >>\nstream\n{content}\nendstream")
    objects.append(f"<< /Title {literal(title)} >>")
    return file_of(objects)


def file_of(objects: Sequence[str], version: str = "1.4") -> bytes:
    """A PDF file of these objects, numbered from 1: the first is the catalogue, the last has its metadata."""
    out, places = bytearray(f"%PDF-{version}\n%\xe2\xe3\xcf\xd3\n".encode("latin-1")), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252", "replace")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += "".join(f"{place:010} 00000 n \n" for place in places).encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def literal(text: str) -> str:
    return "(" + text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") + ")"


def width(text: str, size: float) -> float:
    return sum(LETTERS[ord(letter) - 32] if " " <= letter <= "~" else 556 for letter in text) * size / 1000


def wrapped(text: str, size: float, room: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


class Layout:
    """Lays out parts on pages, from top to bottom."""

    def __init__(self) -> None:
        self.done: list[list[str]] = [[]]
        self.y = float(HEIGHT - MARGIN)

    def pages(self, parts: Sequence[Part]) -> Iterator[str]:
        for part in parts:
            self.part(part)
        for number, commands in enumerate(self.done, 1):
            foot = f"Page {number} of {len(self.done)}"
            yield "\n".join([*commands, shown(foot, WIDTH / 2 - 20, 36, 8, "F1")])

    def part(self, part: Part) -> None:
        if isinstance(part, Heading):
            size = SIZES.get(part.level, 11.5)
            self.text(part.text, size, "F2", before=size * 0.9)
        elif isinstance(part, Items):
            for text in part.texts:
                self.text(f"• {text}", BODY, "F1", before=2, indent=12)
            self.y -= 6
        elif isinstance(part, TableRows):
            for place, row in enumerate(part.cells):
                self.row(row, "F2" if place == 0 else "F1")
            self.y -= 8
        else:
            self.text(part, BODY, "F1", before=6)

    def text(self, text: str, size: float, font: str, before: float, indent: float = 0) -> None:
        self.y -= before
        for line in wrapped(text, size, WIDTH - 2 * MARGIN - indent):
            self.show(line, MARGIN + indent, size, font)

    def row(self, cells: Sequence[str], font: str) -> None:
        self.break_page(BODY * 1.6)
        self.y -= BODY * 1.6
        room = (WIDTH - 2 * MARGIN) / max(len(cells), 1)
        for place, cell in enumerate(cells):
            self.done[-1].append(shown(cell, MARGIN + place * room, self.y, BODY, font))

    def show(self, line: str, x: float, size: float, font: str) -> None:
        self.break_page(size * 1.35)
        self.y -= size * 1.35
        self.done[-1].append(shown(line, x, self.y, size, font))

    def break_page(self, needed: float) -> None:
        if self.y - needed < MARGIN:
            self.done.append([])
            self.y = float(HEIGHT - MARGIN)


def shown(text: str, x: float, y: float, size: float, font: str) -> str:
    return f"BT /{font} {size:g} Tf {x:.2f} {y:.2f} Td {literal(text)} Tj ET"


WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def docx(title: str, parts: Sequence[Part]) -> bytes:
    """A Word document with styles for title, headings and list items."""
    body = paragraph(title, "Title") + "".join(map(word_part, parts))
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/>'
        f'<w:pPr>{outline}</w:pPr><w:rPr>{bold}<w:sz w:val="{size}"/></w:rPr></w:style>'
        for key, name, outline, bold, size in word_styles()
    )
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{KIND}.document.main+xml"/>'
            f'<Override PartName="/word/styles.xml" ContentType="{KIND}.styles+xml"/></Types>',
            "_rels/.rels": relationship(f"{OFFICE}/relationships/officeDocument", "word/document.xml"),
            "word/_rels/document.xml.rels": relationship(f"{OFFICE}/relationships/styles", "styles.xml"),
            "word/document.xml": f"<w:document {WORD}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {WORD}>{styles}</w:styles>",
        }
    )


def word_styles() -> Iterator[tuple[str, str, str, str, int]]:
    yield "Normal", "Normal", "", "", 22
    yield "Title", "Title", "", "<w:b/>", 40
    yield "ListParagraph", "List Paragraph", '<w:ind w:left="360"/>', "", 22
    for level, size in ((1, 30), (2, 26), (3, 24)):
        yield f"Heading{level}", f"heading {level}", f'<w:outlineLvl w:val="{level - 1}"/>', "<w:b/>", size


def word_part(part: Part) -> str:
    if isinstance(part, Heading):
        return paragraph(part.text, f"Heading{part.level}")
    if isinstance(part, Items):
        return "".join(paragraph(f"• {text}", "ListParagraph") for text in part.texts)
    if isinstance(part, TableRows):
        rows = ("".join(f"<w:tc>{paragraph(cell, 'Normal')}</w:tc>" for cell in row) for row in part.cells)
        header, *others = (f"<w:tr>{{}}{cells}</w:tr>" for cells in rows)
        marks = [
            header.replace("{}", "<w:trPr><w:tblHeader/></w:trPr>", 1),
            *(row.replace("{}", "", 1) for row in others),
        ]
        return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(marks)}</w:tbl>"
    return paragraph(part, "Normal")


def paragraph(text: str, style: str) -> str:
    words = f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{words}</w:p>'


def relationship(kind: str, target: str) -> str:
    return f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{kind}" Target="{target}"/></Relationships>'


def zipped(files: dict[str, str]) -> bytes:
    """A ZIP file whose bytes depend only on the files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(info, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + content)
    return out.getvalue()
