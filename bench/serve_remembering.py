"""`deskbell` whose offline embedder remembers texts that it has met: what it answers is the same, and a second run takes minutes less."""

from __future__ import annotations

from remembering import Remembering

from deskbell.knowledge import embedders
from deskbell.surfaces.cli import main

embedders.MiniLM = Remembering  # type: ignore[misc]
main()
