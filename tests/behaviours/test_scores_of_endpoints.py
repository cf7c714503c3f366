"""How scores are read where an endpoint embeds: fitted to each knowledge base, as nobody has measured the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from deskbell.knowledge.store import base_state
from deskbell.knowledge.text import analysis
from deskbell.settings import Settings
from tests.agents import AgentApi, application
from tests.desk import Server, eventually, running
from tests.embeddings import Endpoint, answering
from tests.library import Library

SPACE = 256  # dimensions
OWN = ("What does a metal roof cost?", "How long is the warranty on tile?", "Do you clean gutters?")
FOREIGN = ("Who won the chess championship in Reykjavik?", "How do whales sleep?", "Which opera did Verdi write first?")
WORDS = ("asphalt", "metal", "tile", "cedar", "gutter", "skylight", "chimney", "vent")


def alike(text: str) -> list[float]:
    """A vector as of a model for which any two texts are much alike: cosines begin at .8."""
    vector = [0.0] * SPACE
    terms = analysis.terms(text, "en")
    for term in terms:
        vector[1 + crc32(term.encode()) % (SPACE - 1)] += 0.5 / len(terms) ** 0.5
    return [1.0, *vector[1:]]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as endpoint:
        endpoint.vector = alike
        yield endpoint


def settings(endpoint: Endpoint, **more: str) -> Settings:
    own = {"embedder_base_url": f"http://127.0.0.1:{endpoint.server_port}/v1", "embedder_model": "alike"}
    usual = Settings(access_log=False, embedder="openai", embedder_dimensions=SPACE)
    return msgspec.structs.replace(usual, **(own | more))


def handbook() -> str:
    """Eight chapters about roofs, each with its heading."""
    chapters = (
        f"## {word.capitalize()} roofs\nA {word} roof costs {400 + 10 * place} dollars per square. The warranty on {word} is {place + 5} years. "
        f"We clean every {word} with its gutters in spring."
        for place, word in enumerate(WORDS)
    )
    return "# Handbook\n\n" + "\n\n".join(chapters)


def again(server: Server, api: AgentApi) -> AgentApi:
    """The same application's key on a server that was started anew."""
    return AgentApi(server, api.organization_id, api.application_id, api.key, api.key_id)


def filled(server: Server) -> Library:
    shelf = Library(application(server, server.organization()))
    shelf.add("handbook.md", handbook())
    return shelf


def best(shelf: Library, questions: tuple[str, ...]) -> list[float]:
    return [shelf.search(question)[0]["score"] for question in questions]


def told(shelf: Library) -> bool:
    """Whether scores tell the knowledge base's own questions from foreign ones."""
    return min(best(shelf, OWN)) >= 0.5 > max(best(shelf, FOREIGN))


def test_scores_are_fitted_to_the_headings(tmp_path: Path, endpoint: Endpoint) -> None:
    place = tmp_path / "deskbell.db"
    with running(place, settings(endpoint)) as server:
        shelf = filled(server)
        eventually(lambda: curve(shelf), 30)
        assert told(shelf)
    asked = len(endpoint.asked)
    with running(place, settings(endpoint)) as server:
        shelf.api = again(server, shelf.api)
        assert told(shelf), "the curve was kept"
        assert len(endpoint.asked) - asked <= len(OWN + FOREIGN), "nothing was fitted again"


def test_few_headings_leave_the_usual_curve(tmp_path: Path, endpoint: Endpoint) -> None:
    with running(tmp_path / "deskbell.db", settings(endpoint)) as server:
        shelf = Library(application(server, server.organization()))
        shelf.add("prices.md", "# Prices\n\nA metal roof costs 400 dollars.")
        assert eventually(lambda: curve(shelf), 30)["headings"] == 0
        assert max(best(shelf, FOREIGN)) >= 0.5, "an endpoint that finds everything alike needs a fit"


def test_another_model_is_fitted_anew(tmp_path: Path, endpoint: Endpoint) -> None:
    place = tmp_path / "deskbell.db"
    with running(place, settings(endpoint)) as server:
        shelf = filled(server)
        eventually(lambda: curve(shelf), 30)
    with running(place, settings(endpoint, embedder_model="other")) as server:
        shelf.api = again(server, shelf.api)
        eventually(lambda: curve(shelf)["embedder"].startswith("other@"), 30)
        assert told(shelf)


def curve(shelf: Library) -> Any:
    """The curve that a knowledge base has of its own, once it has one."""
    state = shelf.api.server.do(lambda session: session.one(base_state(shelf.api.organization_id, shelf.id)))
    return msgspec.json.decode(state.calibration) if state.calibration else None
