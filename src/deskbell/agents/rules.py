"""How prompts are filled, and how a change of an agent is told in words."""

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
    """Refuses names that no prompt could use."""
    for name in variables:
        if _name(name) is None:
            raise invalid(
                "variables", f"has the name {name[:70]!r}; use letters, digits, `_`, `-` and `.`, a letter or `_` first"
            )


def filled(prompt: str, variables: Mapping[str, str]) -> str:
    """A prompt with its template variables replaced, once; names that are not known stay as they are."""
    return _variable.sub(lambda found: variables.get(found.group(1), found.group(0)), prompt)


def summary(before: Configuration | None, after: Configuration) -> str:
    """What a version changes, in a line. The same two versions always give the same words."""
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
    """How many lines are new, gone or different. Lines are counted, not aligned: that takes minutes for some prompts."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    more, less = (new - old).total(), (old - new).total()
    changed = min(more, less)
    added, removed = more - changed, less - changed
    found = [
        f"{count} line{'s' if count != 1 else ''} {how}"
        for count, how in ((changed, "changed"), (added, "added"), (removed, "removed"))
        if count
    ]
    moved = before.splitlines() != after.splitlines()
    return ", ".join(found) or ("lines moved" if moved else "spacing changed")


def variable_change(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    found = {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }
    return ", ".join(f"{' and '.join(names)} {how}" for how, names in found.items() if names)
