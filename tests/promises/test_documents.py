"""What the documents say is there is there, and what they show works when it is pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx2
import pytest
from click.testing import CliRunner

from deskbell.demo.builder import ORGANIZATION
from deskbell.surfaces.cli import cli
from tests.desk import PATIENCE, Api, Server, running

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PASTED = [
    "README.md",
    *(
        f"docs/guides/{name}.md"
        for name in ("quick-start", "errors-and-retries", "texting", "agents", "events", "team")
    ),
]
PLACES = (
    "src",
    "docs",
    "tests",
    "scripts",
    "bench",
    "requirements",
    "surfaces",
    "foundation",
    "conversations",
    "leads",
)
OWN_FILE = {"serve", "demo", "backup", "restore", "migrate", "doctor"}  # commands that need a file of their own
HELP = ["-h", "--help"]  # as the program has them: a command remembers what it is first asked with


@pytest.mark.parametrize("decision", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda file: file.stem)
def test_the_evidence_of_a_decision_is_where_it_says(decision: Path) -> None:
    marked = re.findall(r"`([^`]+)`", decision.read_text().partition("## Evidence")[2])
    sources = "".join((ROOT / name).read_text() for name in marked if "/" in name)
    names = [part for name in marked if not name.endswith((".py", ".sql")) for part in name.split(".")]
    assert [name for name in names if not re.search(rf"\b{name}\b", sources)] == []


def of(documents: list[Path]) -> Any:
    return pytest.mark.parametrize("document", documents, ids=[str(each.relative_to(ROOT)) for each in documents])


def blocks(document: Path, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """A shell command in a document: its words, and the status in a comment behind it (`# 422`) if it is not a success."""

    words: list[str]
    status: int | None


def lines(document: Path) -> Iterator[Shown]:
    """Each command that is ours or curl, lines joined that are continued or quoted."""
    for block in blocks(document, "sh"):
        command = ""
        for line in block.replace("\\\n", "").splitlines():
            command += line
            if command.count("'") % 2:
                continue
            if command.startswith(("deskbell ", "curl ")):
                status = re.search(r"# (\d{3})$", command)
                yield Shown(shlex.split(command, comments=True), int(status[1]) if status else None)
            command = ""


def anchors(document: Path) -> set[str]:
    """The fragments that lead to a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@of(DOCUMENTS)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, fragment = target.partition("#")
        found = (document.parent / name).resolve() if name else document
        assert found.exists(), f"{target} leads nowhere"
        assert not fragment or fragment in anchors(found), f"{name or document.name} has no heading for #{fragment}"


@of(DOCUMENTS)
def test_every_path_that_is_named_exists(document: Path) -> None:
    """A path within the package may begin at one of its folders."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for named in re.findall(rf"`((?:{'|'.join(PLACES)})/[\w./{{}},*-]*)`", text):
        bases = (ROOT, ROOT / "src/deskbell")
        assert any(there(base, named) for base in bases), f"there is no {named}"


def there(base: Path, pattern: str) -> bool:
    """Whether something matches; `{a,b}` are alternatives that must all exist, NAME is any."""
    if choice := re.search(r"\{([^}]*)\}", pattern):
        return all(there(base, pattern.replace(choice[0], each)) for each in choice[1].split(","))
    return any(base.glob(pattern.replace("NNNN_name", "*").replace("NAME", "*").rstrip("/")))


@of(DOCUMENTS)
def test_every_command_line_that_is_shown_parses(document: Path) -> None:
    inline = re.findall(r"`(deskbell [a-z][^`\n]*)`", document.read_text())
    shown = [each.words for each in lines(document) if each.words[0] == "deskbell"]
    for words in [*shown, *map(shlex.split, inline)]:
        command, rest = resolved(words[1:])
        assert not isinstance(command, click.Group) or words not in shown, f"{words} names no command"
        check_options(command, rest)


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that is named, and the words after its name."""
    command: click.Command = cli
    context = click.Context(cli, help_option_names=HELP)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r} in {command.name!r}"
        command, words = found, words[1:]
    return command, words


def check_options(command: click.Command, words: list[str]) -> None:
    """Fails for an unknown option or for a missing or surplus argument. Files need not exist."""
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("--")} - known
    assert not unknown, f"{command.name} has no {unknown}"
    if words and not any("..." in word for word in words):
        parser = command.make_parser(click.Context(command, help_option_names=HELP))
        _, surplus, _ = parser.parse_args(list(words))
        assert not surplus, f"{command.name} does not take {surplus}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What somebody has before them after `make run`."""
    path = tmp_path_factory.mktemp("demo") / "deskbell.db"
    made = CliRunner().invoke(cli, ["--database", f"sqlite:///{path}", "demo"])
    assert made.exit_code == 0, made.output
    with running(path) as server:
        yield server


@pytest.mark.parametrize("name", PASTED)
def test_what_is_shown_works_when_it_is_pasted(demo: Server, name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Every curl and deskbell line of a document, from its top to its end, against a running server."""
    monkeypatch.chdir(tmp_path)
    Path("prices.md").write_text("# Metal roofs\nA metal roof costs 11 dollars per square foot.\n")
    Path("do-not-call.csv").write_text("phone\n303 555 0190\n")
    reader = Reader(demo.api(ORGANIZATION))
    for shown in lines(ROOT / name):
        reader.paste(shown)
    assert reader.done


class Reader:
    """Somebody who pastes what a document shows, and puts the ids of the latest answers where it has `$LEAD` and `$KEY_ID`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.place = {"DESKBELL_KEY": api.key, "ORG": api.organization_id, "LEAD": api.lead()["id"], "KEY_ID": ""}
        self.done = 0

    def paste(self, shown: Shown) -> None:
        words = [re.sub(r"\$(\w+)", lambda name: self.place[name[1]], word) for word in shown.words]
        if words[0] == "curl":
            self.request(words[1:], shown.status)
        elif words[1] not in OWN_FILE:
            self.command(words[1:])
        self.done += 1

    def request(self, words: list[str], status: int | None) -> None:
        url = next(word for word in words if word.startswith(ADDRESS))
        given = dict(pairwise(words))
        headers = dict(after.split(": ") for word, after in pairwise(words) if word == "-H")
        field, _, path = given.get("-F", "").partition("=@")
        body: dict[str, Any] = {"content": given.get("-d", "").encode()}
        if field:
            body = {"files": {field: (path, Path(path).read_bytes())}}
        if url.endswith("/stream"):
            self.listen(url.replace(ADDRESS, self.api.server.url), headers)
            return
        answer = httpx2.request(
            given.get("-X", "GET"),
            url.replace(ADDRESS, self.api.server.url),
            headers=headers,
            trust_env=False,
            timeout=PATIENCE,
            **body,
        )
        assert answer.status_code == status or (status is None and answer.is_success), f"{words}: {answer.text}"
        if answer.is_success and "/events?" in url:
            self.place["CURSOR"] = answer.json()["meta"]["next"]
        if answer.is_success and given.get("-X") == "POST" and url.endswith("/leads"):
            self.place["LEAD"] = answer.json()["data"]["id"]
        if answer.is_success and given.get("-X") == "POST" and url.endswith("/v1/agents"):
            self.place["AGENT"] = answer.json()["id"]
        if answer.is_success and given.get("-X") == "POST" and url.endswith("/v1/knowledge-bases"):
            self.place["KB"] = answer.json()["id"]

    def listen(self, url: str, headers: dict[str, str]) -> None:
        """Opens a stream, which would never end by itself, and reads its first line."""
        with httpx2.stream("GET", url, headers=headers, trust_env=False, timeout=PATIENCE) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_lines()).startswith(": after ")

    def command(self, words: list[str]) -> None:
        result = CliRunner().invoke(cli, ["--database", f"sqlite:///{self.api.server.path}", *words])
        assert result.exit_code == 0, f"{words}: {result.output}"
        if words[:2] == ["key", "create"]:
            self.place["KEY_ID"] = re.findall(r"[0-9a-f-]{36}", result.output)[0]
        for command, name in {"person add": "PERSON", "group create": "GROUP", "grant create": "GRANT"}.items():
            if words[:2] == command.split():
                self.place[name] = re.findall(r"[0-9a-f-]{36}", result.output)[0]
        if words[:2] == ["agent", "list"]:
            self.place["AGENT"] = re.findall(r"[0-9a-f-]{36}", result.output)[0]
        if words[:2] == ["app", "create"]:
            self.place["APP"] = re.findall(r"[0-9a-f-]{36}", result.output)[0]
        if words[:3] == ["app", "key", "create"]:
            self.place["DESKBELL_AGENT_KEY"] = re.findall(r"brs_live_\w{32}", result.output)[0]
