"""How a prompt's variables are replaced, and how a change of an agent is summarized."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from deskbell.agents.model import Configuration
from deskbell.errors import invalid

_name = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}").fullmatch
_variable = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")

FIRST = "First version"
UNCHANGED = "Saved with the same model, prompt and variables"


def validate_names(variables: Mapping[str, str]) -> None:
    """Refuses names that cannot be used in a prompt."""
    for name in variables:
        if _name(name) is None:
            raise invalid(
                "variables", f"has the name {name[:70]!r}; use letters, digits, `_`, `-` and `.`, a letter or `_` first"
            )


def fill_prompt(prompt: str, variables: Mapping[str, str]) -> str:
    """A prompt with its template variables replaced, once; unknown ones stay as they are."""
    return _variable.sub(lambda match: variables.get(match.group(1), match.group(0)), prompt)


def summary(before: Configuration | None, after: Configuration) -> str:
    """What a version changes, in one line. The same two versions always give the same text."""
    if before is None:
        return FIRST
    parts = []
    if before.model != after.model:
        parts.append(f"Model: {before.model} to {after.model}")
    if before.system_prompt != after.system_prompt:
        parts.append(f"Prompt: {prompt_change(before.system_prompt, after.system_prompt)}")
    if before.variables != after.variables:
        parts.append(f"Variables: {variable_change(before.variables, after.variables)}")
    return "; ".join(parts) or UNCHANGED


def prompt_change(before: str, after: str) -> str:
    """How many lines were added, removed or changed. Lines are counted, not aligned, which would take minutes for some prompts."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    new_lines, old_lines = (new - old).total(), (old - new).total()
    changed = min(new_lines, old_lines)
    added, removed = new_lines - changed, old_lines - changed
    parts = [
        f"{count} line{'s' if count != 1 else ''} {how}"
        for count, how in ((changed, "changed"), (added, "added"), (removed, "removed"))
        if count
    ]
    moved = before.splitlines() != after.splitlines()
    return ", ".join(parts) or ("lines moved" if moved else "spacing changed")


def variable_change(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    names_by_change = {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }
    return ", ".join(f"{' and '.join(names)} {how}" for how, names in names_by_change.items() if names)
