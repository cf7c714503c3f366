"""A life of leads under the search index, and the same searches by looking at every row.

`python -m tests.promises.searching [STEPS] [LIVES]` lives longer than the tests do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import apsw

from deskbell.foundation.sqlite import snapshot
from deskbell.foundation.sqlite.search import grams
from deskbell.leads import operations, rules
from deskbell.leads.model import NewLead
from tests.desk import Api, Server, eventually

LETTERS = 'aaabbc -"5\u00e9\u4e2d\U0001f3e0'
PIECES = "CREATE VIRTUAL TABLE temp.pieces USING fts5vocab('main', 'leads_search', 'instance')"


class Life:
    """Two organizations on one file, and everybody who may write to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = Random(seed)
        self.folder = folder
        self.server = Server(folder / "deskbell.db")
        self.organizations = [self.server.organization() for _ in range(2)]
        self.number = 0
        self.begin()

    def begin(self) -> None:
        self.server.start()
        self.apis = [self.server.api(each) for each in self.organizations]

    def text(self, most: int) -> str:
        return "".join(self.chance.choices(LETTERS, k=self.chance.randint(1, most)))

    def fields(self) -> dict[str, Any]:
        self.number += 1
        phone = f"+1512{self.chance.randrange(200, 999)}{self.number:04}"
        email = f"{self.chance.choice('ab5') * 3}{self.number}@ab.io"
        chosen = {"last_name": "b" + self.text(60), "phone": phone, "email": email}
        return {"first_name": "a" + self.text(6)} | {
            name: value for name, value in chosen.items() if self.chance.random() < 0.6
        }

    def some(self) -> tuple[Api, str | None]:
        api = self.chance.choice(self.apis)
        leads = api.get("/leads", limit=100).json()["data"]
        return api, self.chance.choice(leads)["id"] if leads else None

    # What may happen

    def create(self) -> None:
        for _ in range(self.chance.choice((1, 1, 5))):
            self.some()[0].lead(**self.fields())

    def change(self) -> None:
        api, lead = self.some()
        if lead:
            assert api.put(f"/leads/{lead}", self.fields()).status_code == 200

    def archive(self) -> None:
        api, lead = self.some()
        if lead:
            api.delete(f"/leads/{lead}")

    def command(self) -> None:
        new = [NewLead(**self.fields()) for _ in range(self.chance.choice((1, 3)))]

        async def add(ctx: Any) -> None:
            for each in new:
                await operations.add_lead(ctx, each)

        self.chance.choice(self.apis).do(add)

    def stranger(self) -> None:
        """Another program, which knows nothing of the index, in one transaction."""
        with self.file() as rows:
            rows.execute("UPDATE epoch SET value = value + 1")
            for (number,) in rows.execute("SELECT number FROM leads ORDER BY random() LIMIT 3").fetchall():
                if self.chance.random() < 0.5:
                    rows.execute("DELETE FROM leads WHERE number = ?", (number,))
                else:
                    text = rules.search_text("a" + self.text(9), None, None, None)
                    rows.execute("UPDATE leads SET search_text = ? WHERE number = ?", (text, number))
        rows.close()

    def rest(self) -> None:
        """Until the index has caught up with a write of the server; then it holds what it should and nothing else."""
        self.apis[0].lead(**self.fields())
        rows = self.file()
        eventually(lambda: rows.execute("SELECT count(*) FROM leads_unindexed").get == 0)
        rows.execute("INSERT INTO leads_search (leads_search) VALUES ('integrity-check')")
        rows.execute(PIECES)
        held = set(rows.execute("SELECT doc, term FROM temp.pieces"))
        texts = rows.execute("SELECT number, search_text FROM leads").fetchall()
        rows.close()
        assert held == {
            (number, piece) for number, text in texts for piece in grams(text).split(rules.SEPARATOR) if piece
        }

    def vacuum(self) -> None:
        rows = self.file()
        rows.execute("VACUUM")
        rows.close()

    def restore(self) -> None:
        """A copy that was made while the server ran takes the place of the file."""
        copy = str(self.folder / "copy.db")
        snapshot(self.server.path, copy)
        self.server.stop()
        for suffix in ("-wal", "-shm"):
            Path(self.server.path + suffix).unlink(missing_ok=True)
        shutil.copyfile(copy, self.server.path)
        self.begin()

    def file(self) -> apsw.Connection:
        connection = apsw.Connection(self.server.path)
        connection.set_busy_timeout(10_000)
        return connection

    # What must hold

    def search(self) -> None:
        with self.file() as rows:
            texts = rows.execute("SELECT organization_id, id, search_text, archived_at FROM leads").fetchall()
        rows.close()
        for _ in range(4):
            self.compare(texts, self.term([text for _, _, text, _ in texts]))

    def term(self, texts: list[str]) -> str:
        if not texts or self.chance.random() < 0.3:
            return self.chance.choice((self.text(7), "512", "ab.io", "+1 (512)"))
        parts = [part for part in self.chance.choice(texts).split(rules.SEPARATOR) if part]
        part = self.chance.choice(parts)
        at = self.chance.randrange(len(part))
        return part[at : at + self.chance.randint(1, 14)]

    def compare(self, texts: list[Any], term: str) -> None:
        wanted = [each for each in rules.search_terms(term) if each]
        for api in self.apis:
            found = api.get("/leads", search=term, limit=100).json()
            scanned = {
                id for organization, id, text, archived in texts
                if organization == api.organization_id and not archived and any(each in text for each in wanted)
            }  # fmt: skip
            ids = {lead["id"] for lead in found["data"]}
            assert (found["meta"]["total"], len(ids), ids - scanned) == (len(scanned), min(len(scanned), 100), set()), (
                repr(term)
            )

    def live(self, steps: int) -> None:
        common: list[Callable[[], None]] = [self.create, self.change, self.archive, self.command, self.stranger]
        rare: list[Callable[[], None]] = [self.rest, self.vacuum, self.restore]
        for step in range(steps):
            self.chance.choice(common)()
            if step % 5 == 4:
                self.chance.choice(rare)() if step % 15 != 14 else rare[step // 15 % 3]()
            self.search()
        self.rest()
        self.server.stop()


def main(steps: str = "1000", lives: str = "10") -> None:
    for seed in range(int(lives)):
        with TemporaryDirectory() as folder:
            Life(Path(folder), seed).live(int(steps))
        print(f"life {seed}: {steps} steps, every search as a scan.", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
