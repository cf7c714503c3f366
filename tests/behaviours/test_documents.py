"""Documents of a knowledge base: uploaded, replaced, read anew, deleted, and refused with a reason that a person understands."""

from __future__ import annotations

import io
import threading
import zipfile
from functools import partial

import pytest

from deskbell.core.context import Context
from deskbell.demo import documents
from deskbell.knowledge.documents import lock_document, put_document
from deskbell.knowledge.ingestion.feeds import store_entry
from deskbell.knowledge.model import DocumentDraft
from tests.agents import denied
from tests.desk import Api, eventually
from tests.library import PRICES, Library, library

ONE_OF = "Send a file as multipart/form-data, or exactly one of `url`, `feed_url`, and `text` with a `title`"


@pytest.fixture
def shelf(alice: Api) -> Library:
    return library(alice)


def test_an_upload_is_queued_then_ready(shelf: Library) -> None:
    answer = shelf.upload("prices.md", PRICES)
    assert answer.status_code == 202
    queued = answer.json()
    assert (queued["fileName"], queued["status"], queued["progress"], queued["error"]) == (
        "prices.md",
        "queued",
        0,
        None,
    )
    ready = shelf.settled(queued["id"])
    assert (ready["status"], ready["progress"], ready["chunkCount"], ready["title"]) == ("ready", 100, 3, "Price sheet")
    base = shelf.api.get(f"/knowledge-bases/{shelf.id}").json()
    assert (base["documentCount"], base["readyCount"], base["failedCount"], base["chunkCount"]) == (1, 1, 0, 3)


@pytest.mark.parametrize("kind", ["pdf", "docx", "html", "csv", "txt"])
def test_every_kind_of_file_is_read(shelf: Library, kind: str) -> None:
    data = {
        "pdf": lambda: documents.pdf("Warranty", ["The warranty lasts ten years."]),
        "docx": lambda: documents.docx("Warranty", ["The warranty lasts ten years."]),
        "html": lambda: b"<html><body><h1>Warranty</h1><p>The warranty lasts ten years.</p></body></html>",
        "csv": lambda: b"part,warranty\nshingle,ten years\n",
        "txt": lambda: b"The warranty lasts ten years.",
    }[kind]()
    shelf.add(f"warranty.{kind}", data, "application/octet-stream")
    assert "ten years" in shelf.texts("warranty")[0]


def test_a_text_is_a_document_too(shelf: Library) -> None:
    path = f"/knowledge-bases/{shelf.id}/documents"
    answer = shelf.api.post(path, {"title": "Opening hours 2.0", "text": "We open at eight on Mondays."})
    assert answer.status_code == 202
    assert shelf.settled(answer.json()["id"])["title"] == "Opening hours 2.0"
    assert shelf.texts("monday") == ["We open at eight on Mondays."]


def test_the_same_file_name_is_new_content(shelf: Library) -> None:
    first = shelf.add("prices.md", "A roof costs ten dollars.")
    second = shelf.add("prices.md", "A roof costs twelve dollars.")
    assert first["id"] == second["id"]
    assert shelf.texts("roof") == ["A roof costs twelve dollars."]
    assert shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["pagination"]["total"] == 1


def test_searches_see_the_old_or_the_new_and_never_half(shelf: Library) -> None:
    def sheet(edition: int) -> str:
        return "\n\n".join(f"## Item {n}\nWidget number {n} of edition {edition}." for n in range(30))

    shelf.add("sheet.md", sheet(0))
    seen: list[set[str]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append({text[-1:] and text.split()[-1] for text in shelf.texts("widget edition", top_k=100)})

    watcher = threading.Thread(target=watch)
    watcher.start()
    for edition in range(1, 5):
        shelf.add("sheet.md", sheet(edition))
        assert {text.split()[-1] for text in shelf.texts("widget edition", top_k=100)} == {f"{edition}."}
    over.set()
    watcher.join()
    assert all(len(editions) == 1 for editions in seen), seen


def test_a_failed_replacement_leaves_the_earlier_content(shelf: Library) -> None:
    shelf.add("prices.pdf", documents.pdf("Prices", ["A roof costs ten dollars."]), "application/pdf")
    again = shelf.settled(shelf.upload("prices.pdf", b"no pdf at all").json()["id"])
    assert again["status"] == "failed"
    assert "earlier content" in again["error"]
    assert "ten dollars" in shelf.texts("roof")[0]


def test_a_deleted_document_is_in_no_answer_any_more(shelf: Library) -> None:
    kept, gone = shelf.add("kept.md", "The roof stays."), shelf.add("gone.md", "The roof goes.")
    assert len(shelf.texts("roof")) == 2
    answer = shelf.api.delete(f"/documents/{gone['id']}")
    assert (answer.status_code, answer.json()["id"]) == (200, gone["id"])
    assert shelf.texts("roof") == ["The roof stays."]
    denied(shelf.api.get(f"/documents/{gone['id']}"), 404, "Document not found")
    denied(shelf.api.delete(f"/documents/{gone['id']}"), 404, "Document not found")
    assert shelf.api.get(f"/documents/{kept['id']}").status_code == 200


def test_a_deleted_knowledge_base_takes_everything_along(shelf: Library) -> None:
    document = shelf.add()
    assert shelf.api.delete(f"/knowledge-bases/{shelf.id}").status_code == 200
    answer = shelf.api.post("/kb/search", {"kb_id": shelf.id, "query": "roof"})
    denied(answer, 404, "Knowledge base not found")
    denied(shelf.api.get(f"/documents/{document['id']}"), 404, "Document not found")
    denied(shelf.api.get(f"/knowledge-bases/{shelf.id}/documents"), 404, "Knowledge base not found")


def test_a_document_can_be_read_anew(shelf: Library) -> None:
    document = shelf.add()
    answer = shelf.api.post(f"/documents/{document['id']}/reindex")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert shelf.settled(document["id"])["status"] == "ready"
    assert len(shelf.texts("roof metal inspection shingles", top_k=50)) == 3


def test_hostile_files_fail_alone_with_a_reason(shelf: Library) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<a>" + b" " * 400_000_000)
    hostile = {
        "bomb.docx": bomb.getvalue(),
        "cut.pdf": documents.pdf("Cut", ["Cut."])[:200],
        "not.pdf": b"MZ" + bytes(1000),
        "deep.html": b"<div>" * 200_000,
        "zeros.txt": bytes(10_000),
    }
    bad = {name: shelf.upload(name, data, "application/octet-stream").json()["id"] for name, data in hostile.items()}
    good = shelf.add("good.md", "The roof is fine.")
    for name, id in bad.items():
        done = shelf.settled(id)
        assert (done["status"], done["chunkCount"]) == ("failed", 0), name
        assert done["error"][-1] == ".", name
        assert "Traceback" not in done["error"], name
    assert shelf.texts("roof") == ["The roof is fine."]
    assert good["status"] == "ready"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/healthz", "http://localhost:{port}/healthz", "http://[::ffff:127.0.0.1]:{port}/",
        "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://2130706433:{port}/",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_never_fetched(shelf: Library, url: str) -> None:
    body = {"url": url.format(port=shelf.api.server.port)}
    answer = shelf.api.post(f"/knowledge-bases/{shelf.id}/documents", body)
    assert answer.status_code == 202
    done = shelf.settled(answer.json()["id"])
    assert done["status"] == "failed"
    assert done["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, ONE_OF),
        ({"url": "https://a.example", "text": "x"}, ONE_OF),
        ({"url": "ftp://a.example/x"}, "`url` must be an address that begins with http:// or https://"),
        ({"url": "javascript:alert(1)"}, "`url` must be an address that begins with http:// or https://"),
        ({"feed_url": "http://"}, "`feed_url` must be an address that begins with http:// or https://"),
        ({"text": "x"}, "Missing required field: title"),
        ({"title": "x", "text": " "}, "Missing required field: text"),
        ({"title": 5, "text": "x"}, "`title` must be a string or null, not an integer"),
    ],
)  # fmt: skip
def test_a_bad_request_says_what_is_wrong(shelf: Library, body: dict[str, object], message: str) -> None:
    denied(shelf.api.post(f"/knowledge-bases/{shelf.id}/documents", body), 400, message)


def test_a_form_needs_a_file_with_a_name_and_content(shelf: Library) -> None:
    path = f"/knowledge-bases/{shelf.id}/documents"
    denied(shelf.upload("empty.txt", b""), 400, "`file` is empty")
    answer = shelf.api.http.post(path, files={"other": ("a.txt", b"x")})
    denied(answer, 400, "Missing required field: file")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert shelf.api.http.post(path, content=b"--y--", headers=broken).status_code == 400
    assert shelf.api.http.post(path, content=b"x", headers={"content-type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("charset", "kind", "status"), [("undefined", b"text/plain", 400), ("utf-8", b"text/\0plain", 202)]
)
def test_odd_headers_of_a_form_are_no_fault_of_ours(shelf: Library, charset: str, kind: bytes, status: int) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: ' + kind
    answer = shelf.api.http.post(
        f"/knowledge-bases/{shelf.id}/documents",
        content=head + b"\r\n\r\nhello\r\n--x--\r\n",
        headers={"content-type": f"multipart/form-data; boundary=x; charset={charset}"},
    )
    assert answer.status_code == status, answer.text


def test_a_feed_takes_no_document_of_others_for_its_entry(alice: Api, shelf: Library) -> None:
    own = "https://acme.example/prices"
    entry = partial(DocumentDraft, "entry", own, url=own)

    async def follow(ctx: Context) -> None:
        base = shelf.id
        await put_document(ctx, base, DocumentDraft("url", own, url=own))
        for address in ("https://one.example/feed", own + "/feed"):
            made = await put_document(ctx, base, DocumentDraft("feed", address, url=address))
            feed = await lock_document(ctx, made.id)
            await store_entry(ctx, feed=feed, draft=entry(feed_id=feed.id, digest=address), data=b"ours now")
            await store_entry(
                ctx, feed=feed, draft=DocumentDraft("entry", address, url=address, feed_id=feed.id), data=b"me"
            )

    alice.do(follow)
    listed = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"]
    assert sorted((each["kind"], each["feedId"]) for each in listed) == [("feed", None), ("feed", None), ("url", None)]


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(shelf: Library) -> None:
    most = shelf.api.server.settings.upload_mib
    denied(shelf.upload("large.txt", b"x" * (most * 2**20 + 1)), 413, f"The file is larger than {most} MiB")
    assert shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"] == []


def test_folders_in_a_file_name_are_left_out(shelf: Library) -> None:
    assert shelf.add("C:\\secret\\..\\prices.md")["fileName"] == "prices.md"


def test_documents_are_listed_newest_first_and_by_status(shelf: Library) -> None:
    for name in ("a.md", "b.md"):
        shelf.add(name, "Text.")
    shelf.settled(shelf.upload("c.pdf", b"no").json()["id"])
    path = f"/knowledge-bases/{shelf.id}/documents"
    listed = shelf.api.get(path, limit=2).json()
    assert [each["fileName"] for each in listed["documents"]] == ["c.pdf", "b.md"]
    assert listed["pagination"] == {"limit": 2, "offset": 0, "total": 3}
    failed = shelf.api.get(path, status="failed").json()["documents"]
    assert [each["fileName"] for each in failed] == ["c.pdf"]


def test_usage_counts_searches(shelf: Library) -> None:
    shelf.add()
    shelf.search("roof")

    def counted() -> bool:
        days = shelf.api.get("/usage").json()
        return '"search"' in str(days).replace("'", '"')

    eventually(counted)
