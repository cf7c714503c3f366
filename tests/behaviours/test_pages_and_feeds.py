"""Web pages and feeds as documents: fetched, read, read anew, and gone with their feed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deskbell.foundation import fetching
from tests.desk import Api, eventually
from tests.library import Library, library

ENTRY = "<item><title>{0}</title><link>{1}/{0}</link><guid>{0}</guid><description>News about {0}.</description></item>"


class Site:
    """A web site of the test's own, whose pages may change."""

    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = site.pages.get(self.path)
                self.send_response(200 if found else 404)
                kind, text = found or ("text/plain", "")
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.pages: dict[str, tuple[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, path: str, text: str, kind: str = "text/html") -> None:
        self.pages[path] = (kind, text)

    def feed(self, *names: str) -> None:
        items = "".join(ENTRY.format(name, self.url) for name in names)
        self.show(
            "/feed", f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>", "application/rss+xml"
        )


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """This machine counts as the public internet for a moment."""
    monkeypatch.setattr(fetching, "fetch", partial(fetching.fetch, allowed=lambda address: True))
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def shelf(alice: Api) -> Library:
    return library(alice)


def added(shelf: Library, **body: str) -> dict[str, Any]:
    answer = shelf.api.post(f"/knowledge-bases/{shelf.id}/documents", body)
    assert answer.status_code == 202, answer.text
    return shelf.settled(answer.json()["id"])


def test_a_page_is_found_by_its_address_and_read_anew(shelf: Library, site: Site) -> None:
    site.show("/hours", "<html><body><h1>Hours</h1><p>We open at eight.</p></body></html>")
    page = added(shelf, url=f"{site.url}/hours")
    assert (page["status"], page["fileName"], page["title"]) == ("ready", f"{site.url}/hours", "Hours")
    assert shelf.search("open")[0]["metadata"]["fileName"] == f"{site.url}/hours"
    site.show("/hours", "<html><body><h1>Hours</h1><p>We open at nine.</p></body></html>")
    shelf.api.post(f"/documents/{page['id']}/reindex")
    eventually(lambda: shelf.texts("open") == ["We open at nine."])


def test_a_page_that_is_not_there_fails_with_a_reason(shelf: Library, site: Site) -> None:
    page = added(shelf, url=f"{site.url}/nowhere")
    assert page["status"] == "failed"
    assert "404" in page["error"]


def test_each_entry_of_a_feed_is_a_document(shelf: Library, site: Site) -> None:
    site.feed("hail", "wind")
    feed = added(shelf, feed_url=f"{site.url}/feed")
    assert feed["status"] == "ready"
    eventually(lambda: sorted(shelf.texts("news")) == ["News about hail.", "News about wind."])
    site.feed("hail", "wind", "rain")
    shelf.api.post(f"/documents/{feed['id']}/reindex")
    eventually(lambda: len(shelf.texts("news")) == 3)
    assert shelf.api.delete(f"/documents/{feed['id']}").status_code == 200
    assert shelf.search("news") == []
    assert shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["pagination"]["total"] == 0


def test_a_feed_goes_with_its_entries_while_others_delete_these(shelf: Library, site: Site) -> None:
    site.feed(*(f"hail-{place}" for place in range(12)))
    feed = added(shelf, feed_url=f"{site.url}/feed")["id"]
    listed = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"]
    entries = [each["id"] for each in listed if each["id"] != feed]
    assert len(entries) == 12
    with ThreadPoolExecutor(5) as people:
        gone = list(people.map(lambda id: shelf.api.delete(f"/documents/{id}"), [*entries[:4], feed, *entries[4:]]))
    assert gone[4].status_code == 200
    assert {each.status_code for each in gone} <= {200, 404}
    assert names(shelf) == []


def names(shelf: Library) -> list[str]:
    listed = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"]
    return sorted(each["fileName"].rpartition("/")[2] for each in listed)


def drop(shelf: Library, name: str) -> None:
    listed = shelf.api.get(f"/knowledge-bases/{shelf.id}/documents").json()["documents"]
    (id,) = [each["id"] for each in listed if each["fileName"].endswith(f"/{name}")]
    assert shelf.api.delete(f"/documents/{id}").status_code == 200


def looked_again(shelf: Library, feed: str) -> None:
    """The feed's entries are documents, as far as they are to be."""
    shelf.api.post(f"/documents/{feed}/reindex")
    shelf.settled(feed)


def test_an_entry_that_was_deleted_stays_away(shelf: Library, site: Site) -> None:
    site.feed("hail", "wind")
    feed = added(shelf, feed_url=f"{site.url}/feed")["id"]
    drop(shelf, "hail")
    looked_again(shelf, feed)
    assert names(shelf) == ["feed", "wind"]
    kind, text = site.pages["/feed"]
    site.show("/feed", text.replace("News about hail", "Newest about hail"), kind)
    looked_again(shelf, feed)
    assert names(shelf) == ["feed", "wind"], "also when the feed has changed it"


def test_an_entry_that_was_deleted_comes_back_by_its_address(shelf: Library, site: Site) -> None:
    site.feed("hail")
    site.show("/hail", "<p>We repair what hail has broken.</p>")
    feed = added(shelf, feed_url=f"{site.url}/feed")["id"]
    drop(shelf, "hail")
    page = added(shelf, url=f"{site.url}/hail")
    looked_again(shelf, feed)
    assert shelf.api.get(f"/documents/{page['id']}").json()["kind"] == "url"
    drop(shelf, "hail")
    looked_again(shelf, feed)
    assert names(shelf) == ["feed"]


def test_a_feed_that_is_added_again_brings_all_its_entries(shelf: Library, site: Site) -> None:
    site.feed("hail", "wind")
    feed = added(shelf, feed_url=f"{site.url}/feed")["id"]
    drop(shelf, "hail")
    assert added(shelf, feed_url=f"{site.url}/feed")["id"] == feed
    assert names(shelf) == ["feed", "hail", "wind"]
    drop(shelf, "wind")
    assert shelf.api.delete(f"/documents/{feed}").status_code == 200
    added(shelf, feed_url=f"{site.url}/feed")
    assert names(shelf) == ["feed", "hail", "wind"]
