"""Who pays for replies: a wallet, a budget of the organization or of the agent. None is gone beyond, also by chats at one time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from deskbell.credits import operations as credits
from deskbell.credits import reservations
from deskbell.credits.rules import CREDIT, DOLLAR
from tests.agents import denied
from tests.behaviours.test_chat_streaming import begun
from tests.chats import AgentChat, desk
from tests.desk import Api, eventually
from tests.models import COST, Models

PAYERS = ("agent", "organization", "wallet")
REPLY = round(COST * DOLLAR)
UNAVAILABLE = "Chat service is currently unavailable"


@pytest.fixture
def metered(alice: Api) -> Iterator[None]:
    alice.do(lambda ctx: credits.set_metering(ctx.db, True))
    yield
    alice.do(lambda ctx: credits.set_metering(ctx.db, False))


def pay(owner: Api, chat: AgentChat, payer: str, amount: int) -> None:
    """Lets a payer pay so much from now on, in billionths of a US dollar."""
    if payer == "wallet":
        owner.do(lambda ctx: credits.add(ctx, amount))
    else:
        owner.do(lambda ctx: credits.set_budget(ctx, chat.agent_id if payer == "agent" else None, amount))


def left_of(payer: str) -> str:
    return "what is left in the wallet" if payer == "wallet" else f"what is left of the monthly budget of this {payer}"


@pytest.fixture(params=PAYERS)
def payer(request: pytest.FixtureRequest) -> str:
    if request.param == "wallet":
        request.getfixturevalue("metered")
    return str(request.param)


@pytest.mark.parametrize("stream", [False, True])
def test_who_has_nothing_left_is_refused_before_the_model_is_asked(
    alice: Api, models: Models, payer: str, stream: bool
) -> None:
    chat = desk(alice, "scripted/cost")
    pay(alice, chat, payer, 0)
    models.look()
    used_up = "The organization's credits or a monthly budget do not cover this request."
    if payer != "wallet":
        used_up = f"The monthly budget of this {payer} is used up"
    denied(chat.post("Hello", stream=stream), 402, used_up)
    pay(alice, chat, payer, CREDIT // 2)
    denied(chat.post("Hello", stream=stream), 402, f"This reply may cost more than {left_of(payer)}")
    assert models.look()["requests"] == []
    pay(alice, chat, payer, CREDIT)
    assert chat.post("Hello", stream=stream).status_code == 200
    assert chat.api.get("/conversations").json()["pagination"]["total"] == 1


def test_chats_at_one_time_do_not_go_beyond_together(alice: Api, models: Models, payer: str) -> None:
    """Replies have cost COST so far, so twice that is held back for each. There is enough for one."""
    chat = desk(alice, "scripted/dear")
    if payer == "wallet":
        pay(alice, chat, payer, CREDIT)
    chat.ask("Hello")
    if payer == "wallet":
        pay(alice, chat, payer, 5 * REPLY // 2 - (CREDIT - REPLY))
    else:
        pay(alice, chat, payer, 7 * REPLY // 2)

    def ask(number: int) -> httpx2.Response:
        return chat.post("Hello", stream=number % 2 == 1)

    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(ask, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 402, 402, 402, 402, 402]
    assert chat.api.get("/usage").json()["totals"]["cost"] == pytest.approx(2 * COST)


def test_what_fails_holds_nothing_back(alice: Api, models: Models) -> None:
    failing, slow, chat = (desk(alice, f"scripted/{script}") for script in ("500", "steady", "cost"))
    pay(alice, chat, "organization", CREDIT)
    for _ in range(2):
        denied(failing.post("Hello"), 503, UNAVAILABLE)
    models.look()
    with begun(slow, stream=True):
        eventually(lambda: models.peek()["requests"])
        other = "Other replies are being written, and this one may cost more than they leave of"
        denied(chat.post("Hello"), 402, f"{other} {left_of('organization')}; ask again when they have ended")
    assert eventually(lambda: chat.post("Hello").status_code == 200)


def test_what_was_held_back_by_a_process_that_died_is_free_after_its_lease(
    alice: Api, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = desk(alice, "scripted/cost")
    pay(alice, chat, "agent", CREDIT)
    alice.do(lambda ctx: reservations.reserve(ctx, chat.agent_id, "chat", chat.agent_id, 0.01))
    assert chat.post("Hello").status_code == 402
    alice.do(lambda ctx: reservations.end(ctx, chat.agent_id))
    monkeypatch.setattr(reservations, "LEASE", -1.0)
    alice.do(lambda ctx: reservations.reserve(ctx, chat.agent_id, "chat", chat.agent_id, 0.01))
    monkeypatch.undo()
    assert chat.post("Hello").status_code == 200
