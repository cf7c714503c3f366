"""A process that dies while an agent answers: nothing is saved, nothing charged, and nothing of a budget stays held back."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskbell.credits import operations as credits
from deskbell.credits.rules import CREDIT
from tests.behaviours.test_chat_streaming import begun
from tests.chats import desk
from tests.desk import eventually
from tests.faults.process import process
from tests.models import Models


def test_a_kill_in_the_middle_of_a_reply_leaves_nothing_behind(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESKBELL_LLM_BASE_URL", models.url)
    monkeypatch.setenv("DESKBELL_EMBEDDER", "none")
    with process(tmp_path / "deskbell.db") as server:
        owner = server.api(server.organization())
        chat = desk(owner, "scripted/steady")
        owner.do(lambda ctx: credits.set_budget(ctx, None, CREDIT))
        models.look()
        with begun(chat, stream=True):
            eventually(lambda: models.peek()["requests"])
            assert chat.post("Hello").status_code == 402
            server.kill()
        server.start()
        assert chat.api.get("/conversations").json()["conversations"] == chat.api.get("/usage").json()["usage"] == []
        assert desk(owner, "scripted/answer").post("Hello").status_code == 200
