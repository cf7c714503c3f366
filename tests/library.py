"""A knowledge base for tests, through the agent API."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.agents import AgentApi, application
from tests.desk import Api, eventually

PRICES = """# Price sheet

## Asphalt shingles
A new roof of asphalt shingles costs 4.50 dollars per square foot. Part number ZX-4417.

## Metal
Standing seam metal costs 11 dollars per square foot and lasts fifty years.

## Inspection
An inspection is free within forty miles of Austin.
"""


class Library:
    """One knowledge base of an organization."""

    def __init__(self, api: AgentApi, name: str = "Prices") -> None:
        self.api = api
        made = api.post("/knowledge-bases", {"name": name})
        assert made.status_code == 201, made.text
        self.id: str = made.json()["id"]

    def upload(self, name: str, data: bytes | str, kind: str = "text/markdown") -> httpx2.Response:
        content = data.encode() if isinstance(data, str) else data
        return self.api.http.post(f"/knowledge-bases/{self.id}/documents", files={"file": (name, content, kind)})

    def add(self, name: str = "prices.md", data: bytes | str = PRICES, kind: str = "text/markdown") -> dict[str, Any]:
        """A document that is ready."""
        answer = self.upload(name, data, kind)
        assert answer.status_code == 202, answer.text
        done = self.settled(answer.json()["id"])
        assert done["status"] == "ready", done
        return done

    def settled(self, id: str) -> dict[str, Any]:
        """A document once its indexing has ended, one way or the other."""

        def look() -> Any:
            found = self.api.get(f"/documents/{id}").json()
            return found if found["status"] in ("ready", "failed") else None

        document: dict[str, Any] = eventually(look)
        return document

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.api.post("/kb/search", {"kb_id": self.id, "query": query, **more})
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def texts(self, query: str, **more: Any) -> list[str]:
        return [each["metadata"]["text"] for each in self.search(query, **more)]


def library(owner: Api, name: str = "Prices") -> Library:
    """An empty knowledge base of an owner's organization."""
    return Library(application(owner.server, owner.organization_id), name)
