"""The examples of the guide to the Python client run as they are printed."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Api

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "python-client.md"


def test_the_examples_of_the_guide_run(
    alice: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DESKBELL_KEY", alice.key)
    monkeypatch.setenv("DESKBELL_URL", alice.server.url)
    examples = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)
    printed = capsys.readouterr().out
    assert "1 of 1" in printed
    assert "outbound" in printed
    assert "duplicate Find the existing record" in printed
    assert printed.endswith("Acme Roofing 2\nMaria\n")
