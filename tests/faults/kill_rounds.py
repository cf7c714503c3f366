"""The long form of the kill test: `python -m tests.faults.kill_rounds ROUNDS`."""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults import rounds
from tests.faults.process import process


def main(number: int) -> None:
    seed = secrets.randbits(32)
    with tempfile.TemporaryDirectory() as folder, process(Path(folder) / "deskbell.db") as server:
        api = server.api(server.organization())
        complaints = list(rounds.run(server, api, number, seed))
        leads = api.get("/leads", limit=1).json()["meta"]["total"]
    print(f"{number} kills (seed {seed}), {leads} leads, {len(complaints)} complaints", *complaints, sep="\n")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main(int(sys.argv[1]))
