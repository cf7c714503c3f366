"""Schemathesis against a running server: all checks, as a key that may do everything and as one that may only read.

By hand: `python -m tests.faults.fuzzing EXAMPLES [SEED]`, or scripts/fuzz.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from deskbell.core.scopes import SCOPES
from tests.desk import Server
from tests.faults.process import ROOT, process

STREAM = "/api/v1/events/stream"  # it never ends by itself; tests/behaviours/test_event_stream.py has its bad input
IDENTITIES = {"everything": [], "reads": [scope for scope in SCOPES if scope.endswith(":read")]}


def fuzz(server: Server, identity: str, examples: int, seed: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """One run in an organization of its own, with data for the reader to find; its report goes to standard output."""
    organization = server.organization(f"Fuzzed {identity}")
    lead = server.api(organization).lead(phone="+15125550123")
    server.api(organization).post(f"/conversations/{lead['id']}/messages", {"body": "Hello"})
    key = server.api(organization, scopes=IDENTITIES[identity]).key
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        f"{ROOT}/tests/faults/schemathesis.toml",
    ]
    command += ["run", f"{server.url}/openapi.json", "--checks", "all", "--max-examples", str(examples)]
    command += ["--exclude-path", STREAM]
    command += ["--seed", str(seed), "--header", f"Authorization: Bearer {key}", "--no-color"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def main(examples: int, seed: int) -> None:
    failed = False
    with tempfile.TemporaryDirectory() as folder, process(Path(folder) / "deskbell.db") as server:
        for identity in IDENTITIES:
            print(f"== {identity}, seed {seed}", flush=True)
            run = fuzz(server, identity, examples, seed, Path(folder))
            print(run.stdout, run.stderr)
            failed |= run.returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbits(32))
