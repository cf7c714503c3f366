"""How fast documents become text, format by format, against the libraries that people usually take; and what a process per file costs."""

from __future__ import annotations

import asyncio
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import common

from deskbell.demo.documents import Heading, Items, Part, TableRows, docx, pdf
from deskbell.knowledge.extraction import extract, formats
from deskbell.knowledge.extraction.limits import LIMITS

TURNS = 7
SENTENCE = (
    "We clear kitchen and bathroom drains on the same day, in most of the city, and tell the price before we begin. "
)


def parts(sections: int) -> list[Part]:
    """A manual: in each section paragraphs, a list and a table."""
    made: list[Part] = []
    for number in range(sections):
        made += [
            Heading(f"Section {number}"),
            SENTENCE * 4,
            SENTENCE * 3,
            Items([f"Kitchen sink {number}", "Bath tub", "Shower"]),
        ]
        made += [
            TableRows([["Service", "Price"], [f"Drain {number}", "$129"], ["Heater", "$189"], ["Pump", "$240"]]),
            SENTENCE * 5,
        ]
    return made


def page(sections: int) -> str:
    menu = "".join(f'<li class="item"><a href="/p/{number}">Page {number}</a></li>' for number in range(40))
    body = "".join(
        f'<section class="s"><h2 id="s{n}">Section {n}</h2><p class="text">{SENTENCE * 4}</p><p>{SENTENCE}<b>{SENTENCE}</b></p>'
        f"<ul><li>Kitchen sink {n}</li><li>Bath tub</li></ul><table><tr><th>Service</th><th>Price</th></tr>"
        f'<tr><td>Drain {n}</td><td>$129</td></tr></table><script>track("{n}")</script></section>'
        for n in range(sections)
    )
    return f"<!doctype html><html><head><title>Manual</title></head><body><nav><ul>{menu}</ul></nav>{body}<footer>Acme</footer></body></html>"


def soup(data: bytes) -> None:
    from bs4 import BeautifulSoup

    tree = BeautifulSoup(data, "lxml")
    for element in tree(["script", "style", "nav", "footer"]):
        element.decompose()
    tree.get_text("\n", strip=True)


def python_docx(data: bytes) -> None:
    import docx as library

    document = library.Document(io.BytesIO(data))
    for item in document.iter_inner_content():
        if hasattr(item, "rows"):
            [[cell.text for cell in row.cells] for row in item.rows]
        else:
            _ = item.text, item.style.name


def pypdf(data: bytes) -> None:
    import pypdf as library

    [each.extract_text() for each in library.PdfReader(io.BytesIO(data)).pages]


def in_turns(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, which take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for place, run in enumerate((ours, theirs)):
            began = time.perf_counter()
            run()
            times[place].append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def compare(
    figures: common.Figures, name: str, data: bytes, library: str, theirs: Callable[[bytes], None], bound: float
) -> None:
    ours, other = in_turns(lambda: formats.read(data, name, None, LIMITS), lambda: theirs(data))
    text = sum(len(block.text) for block in formats.read(data, name, None, LIMITS).blocks) / 1e6
    figures.line(
        f"{name}, {len(data) / 1e6:.1f} MB with {text:.1f} MB of text",
        f"{text / ours:,.1f} MB/s",
        f"{library} {text / other:,.1f} MB/s",
        f"{other / ours:.1f}x",
        f"at least {bound:g}x",
        other / ours >= bound,
    )


async def read_many(count: int) -> None:
    for _ in range(count):
        await extract(SENTENCE.encode(), "note.txt")


def fresh_interpreter() -> None:
    subprocess.run([sys.executable, "-c", "import deskbell.knowledge.extraction.formats as f; f.readers()"], check=True)


def bench(figures: common.Figures) -> None:
    compare(figures, "manual.html", page(700).encode(), "BeautifulSoup", soup, 2)
    compare(figures, "manual.docx", docx("Manual", parts(250)), "python-docx", python_docx, 2)
    compare(figures, "manual.pdf", pdf("Manual", parts(120)), "pypdf", pypdf, 1.5)
    asyncio.run(read_many(5))
    ours, fresh = in_turns(lambda: asyncio.run(read_many(40)), fresh_interpreter)
    result = f"{fresh * 40 / ours:.0f}x"
    figures.line(
        "small files, a process for each",
        f"{40 / ours:,.0f}/s",
        f"fresh interpreter {1 / fresh:,.0f}/s",
        result,
        "at least 5x",
        fresh * 40 / ours >= 5,
    )


if __name__ == "__main__":
    figures = common.Figures()
    bench(figures)
    sys.exit(1 if figures.missed else 0)
