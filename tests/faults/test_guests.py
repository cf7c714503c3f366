"""Commands write to the file that a server is using: neither locks the other out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.desk import PATIENCE, Api
from tests.faults.process import ROOT, process
from tests.faults.test_crowds import crowd


def test_commands_and_a_busy_server_share_the_file(tmp_path: Path) -> None:
    with process(tmp_path / "deskbell.db") as server:
        api = server.api(server.organization())
        guests = [guest(api, 100) for _ in range(2)]
        waited = crowd(4, 100, lambda number: timed(api, number))
        outputs = [each.communicate(timeout=120) for each in guests]
        assert [each.returncode for each in guests] == [0, 0], outputs
        delays = [delay for output, _ in outputs for delay in json.loads(output)]
        assert max(waited) < PATIENCE
        assert max(delays) < PATIENCE
        assert api.get("/leads", limit=1).json()["meta"]["total"] == 4 * 100 + 2 * 100


def guest(api: Api, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.guest", api.server.path, api.organization_id, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def timed(api: Api, number: int) -> float:
    started = time.perf_counter()
    api.lead(first_name=f"Served {number}")
    return time.perf_counter() - started
