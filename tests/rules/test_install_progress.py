"""What `scripts/install` shows while pip works: how far it is, in a log as on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "pip_progress.py"
NAMES = [f"package{number}" for number in range(1, 13)]
PIP = (
    "".join(
        f"Collecting {name}==1.0 (from -r run.lock (line 1))\n  Downloading {name}-1.0.whl (9 kB)\n"
        for name in NAMES[:6]
    )
    + "".join(f"Processing /wheels/{name}-1.0-py3-none-any.whl (from -r run.lock (line 2))\n" for name in NAMES[6:])
    + f"Installing collected packages: {', '.join(NAMES)}\nSuccessfully installed\n"
)


def command(place: Path) -> list[str]:
    return [sys.executable, "-ISu", str(SCRIPT), "12", str(place)]


def test_a_log_has_a_line_now_and_then_and_no_control_characters(tmp_path: Path) -> None:
    shown = subprocess.run(command(tmp_path), input=PIP, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [
        "      fetched 10 of 12  package10",
        "      fetched 12 of 12  package12",
        "      written 12 of 12",
    ]


def test_a_terminal_has_one_line_that_counts(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(command(tmp_path), input=PIP.encode(), stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "fetched 1 of 12  package1" in shown
    assert shown.endswith("written 12 of 12\r\x1b[K")
    assert "\n" not in shown


def test_an_unknown_kind_of_installation_is_refused() -> None:
    done = subprocess.run([SCRIPT.with_name("install"), "everything"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "scripts/install [run|dev]" in done.stderr
